-- A flow's state: the lattice and the deadline, the same as state.ts and timeouts.ts of
-- @flowstore/flow (a test compares them), and its record:
--
--   0            12      13          19        25
--   | identity   | flags | seenMs    | rstMs   |      instants of the shard's time, 0: never
local TCP, ICMP, ICMPV6 = 6, 1, 58
local BOTH_DATA, BOTH_FIN = 12, 48
local FLAGS_MASK = 63
local NEVER = 0
local NO_AGE = 4294967295

-- Of a TCP flow: an RST is the last thing seen, or a FIN was seen from each side.
local function is_closing(state)
  return state.rst_ms > state.seen_ms or bit.band(state.flags, BOTH_FIN) == BOTH_FIN
end

-- How long the flow lives after it was seen last.
local function life_ms(protocol, state)
  if protocol == ICMP or protocol == ICMPV6 then return LIFE_ICMP_MS end
  if protocol ~= TCP then return LIFE_UDP_MS end
  if is_closing(state) then return LIFE_TRANSITORY_MS end
  if bit.band(state.flags, BOTH_DATA) == BOTH_DATA then return LIFE_ESTABLISHED_MS end
  return LIFE_TRANSITORY_MS
end

local function deadline_ms(protocol, state)
  return math.max(state.seen_ms, state.rst_ms) + life_ms(protocol, state)
end

local function instant_ms(age_ms)
  if age_ms == NO_AGE then return NEVER end
  return math.max(NEVER + 1, now_ms - age_ms)
end

-- What a gateway saw, as a state: ages become instants.
local function sighting(flags, age_ms, rst_age_ms)
  return {
    flags = bit.band(flags, FLAGS_MASK),
    seen_ms = instant_ms(age_ms),
    rst_ms = instant_ms(rst_age_ms),
  }
end

-- Flags by OR, times by max. Says whether the record learned anything.
local function merge(record, seen)
  local flags = bit.bor(record.flags, seen.flags)
  local learned = flags ~= record.flags or seen.seen_ms > record.seen_ms
    or seen.rst_ms > record.rst_ms
  record.flags = flags
  record.seen_ms = math.max(record.seen_ms, seen.seen_ms)
  record.rst_ms = math.max(record.rst_ms, seen.rst_ms)
  return learned
end

local function read_record(bytes)
  local id, flags, seen_ms, rst_ms = struct.unpack('>c12BI6I6', bytes)
  return { id = id, flags = flags, seen_ms = seen_ms, rst_ms = rst_ms }
end

local function pack_record(id, state)
  return struct.pack('>c12BI6I6', id, state.flags, state.seen_ms, state.rst_ms)
end

-- In answers: identity (12), flags, whether an RST is the last thing seen, remaining life (4).
local function pack_stored(record, until_ms)
  local reset = record.rst_ms > record.seen_ms and 1 or 0
  return struct.pack('>c12BBI4', record.id, record.flags, reset, math.max(1, until_ms - now_ms))
end
