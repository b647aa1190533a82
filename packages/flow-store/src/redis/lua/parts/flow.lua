-- A flow's state: the lattice and the deadline, the same as state.ts and timeouts.ts of
-- @flowstore/flow (a test compares them). Instants are of the shard's time, 0: never.
local TCP, ICMP, ICMPV6 = 6, 1, 58
local BOTH_FIN = 48
-- By the flags of a TCP flow that no RST closes: '0' it opens, '1' it is established, '2' it
-- closes. Worked out from the table of tcp-states.ts, as docs/tcp-states.md has it.
local PHASES = '0000001101011111001100111111111101011111010111112222222222222222'
local OPENING, ESTABLISHED = byte('0'), byte('1')
local NEVER = 0
local NO_AGE = 4294967295

-- What runs for every flow of a batch takes values, not tables, and asks no library for what
-- arithmetic can do: flags are below 64, so from 48 on both FINs are among them.

-- Of a TCP flow: an RST is the last thing seen, or a FIN was seen from each side.
local function is_closing(flags, seen_ms, rst_ms) return rst_ms > seen_ms or flags >= BOTH_FIN end

local function deadline_of(protocol, flags, seen_ms, rst_ms)
  local last_ms = rst_ms > seen_ms and rst_ms or seen_ms
  if protocol == TCP then
    local phase = rst_ms <= seen_ms and byte(PHASES, flags + 1)
    if phase == ESTABLISHED then return last_ms + LIFE_ESTABLISHED_MS end
    return last_ms + (phase == OPENING and LIFE_TRANSITORY_MS or LIFE_CLOSING_MS)
  end
  if protocol == ICMP or protocol == ICMPV6 then return last_ms + LIFE_ICMP_MS end
  return last_ms + LIFE_UDP_MS
end

local function deadline_ms(protocol, state)
  return deadline_of(protocol, state.flags, state.seen_ms, state.rst_ms)
end

-- By protocol * 64 + flags, how long a flow lives of which no RST was seen: a batch has few kinds.
local lives = {}

local function look_up_life(protocol, flags)
  local life_ms = deadline_of(protocol, flags, 0, NEVER)
  lives[protocol * 64 + flags] = life_ms
  return life_ms
end

local LIFE_TCP_LONGEST_MS = max(LIFE_ESTABLISHED_MS, LIFE_TRANSITORY_MS, LIFE_CLOSING_MS)

-- The latest deadline that the flow can come to by a change of its state. Keys are kept for it: a
-- handshake then moves no TTL.
local function latest_ms(protocol, seen_ms, rst_ms)
  if protocol ~= TCP then return deadline_of(protocol, 0, seen_ms, rst_ms) end
  return (rst_ms > seen_ms and rst_ms or seen_ms) + LIFE_TCP_LONGEST_MS
end

local function instant_ms(age_ms)
  if age_ms == NO_AGE then return NEVER end
  return now_ms > age_ms and now_ms - age_ms or NEVER + 1
end

-- What a gateway saw, as a state: ages become instants.
local function sighting(flags, age_ms, rst_age_ms)
  return {
    flags = flags % 64,
    seen_ms = instant_ms(age_ms),
    rst_ms = instant_ms(rst_age_ms),
  }
end

-- Flags by OR, times by max. Says whether the state learned anything.
local function merge(state, seen)
  local flags = bor(state.flags, seen.flags)
  local learned = flags ~= state.flags or seen.seen_ms > state.seen_ms
    or seen.rst_ms > state.rst_ms
  if not learned then return false end
  state.flags = flags
  if seen.seen_ms > state.seen_ms then state.seen_ms = seen.seen_ms end
  if seen.rst_ms > state.rst_ms then state.rst_ms = seen.rst_ms end
  return true
end

-- A flow's record as a row does not hold it (there is more than one): 25 bytes.
--
--   0            12      13          19
--   | identity   | flags | seenMs    | rstMs   |
local function read_record(bytes)
  local id, flags, seen_ms, rst_ms = parse('>c12BI6I6', bytes)
  return { id = id, flags = flags, seen_ms = seen_ms, rst_ms = rst_ms }
end

local function pack_record(record)
  return pack('>c12BI6I6', record.id, record.flags, record.seen_ms, record.rst_ms)
end

-- The 6 bytes of an instant: a third of what unpacking takes.
local function instant_at(bytes, at)
  local a, b, c, d, e, f = byte(bytes, at, at + 5)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end

-- What is left of a life in answers.
local function life_of(until_ms)
  local left_ms = until_ms - now_ms
  return left_ms > 1 and left_ms or 1
end
