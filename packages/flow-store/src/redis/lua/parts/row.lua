-- The row of a bound port is the whole record of its binding, and of the first flow where it has a
-- flow per remote endpoint:
--
--   0      1          13      14       20
--   | kind | identity | flags | seenMs | rstMs(6) | identity(12) | inside endpoint | remote |
--
-- Flags and instants are the first flow's, or those of a binding that has no flows. What follows
-- is there as the kind says, which is BOUND and the sum of
--
--   FLOWED   the binding has a flow per remote endpoint, and no state of its own
--   FIRST    of which one is in the row: `remote` is its remote endpoint
--   OWN      whose identity is not the binding's, and follows
--   MORE     others are in `x:{tag}:<inside endpoint>`
--   RST      an RST was seen
--   V6       the inside endpoint has 22 bytes, not 10
local BOUND, FLOWED, FIRST, OWN, MORE, RST, V6 = 128, 1, 2, 4, 8, 16, 32
-- Nearly all rows are one of these: a binding without flows, and one with its only flow.
local PLAIN, SINGLE = 128, 131
local ROW_HEAD_BYTES = 20

local band = bit.band

-- False, where there is no row, is none either.
local function is_bound(row) return row and byte(row) >= BOUND end

-- Where the inside endpoint begins in the row, and where the remote one does, behind it.
local function places_in(kind)
  local at = ROW_HEAD_BYTES + 1
  if band(kind, RST) ~= 0 then at = at + 6 end
  if band(kind, OWN) ~= 0 then at = at + 12 end
  return at, at + (band(kind, V6) ~= 0 and 22 or 10)
end

local function holder_of(row)
  local kind = byte(row)
  if kind == PLAIN or kind == SINGLE then return sub(row, 21, 30) end
  local at, ends = places_in(kind)
  return sub(row, at, ends - 1)
end

-- Flags, when a packet and an RST were seen last: of the binding, or its first flow.
local function state_in(row, kind)
  local flags, seen_ms = byte(row, 14), instant_at(row, 15)
  if kind == PLAIN or kind == SINGLE or band(kind, RST) == 0 then return flags, seen_ms, NEVER end
  return flags, seen_ms, instant_at(row, ROW_HEAD_BYTES + 1)
end

-- All of a row, as a binding: `first` is the record of its first flow, or its own where it has no
-- flows; nil where its flows are elsewhere.
local function read_row(row)
  local kind = byte(row)
  local at, ends = places_in(kind)
  local flowed, id = band(kind, FLOWED) ~= 0, sub(row, 2, 13)
  local binding = { id = id, flowed = flowed, more = band(kind, MORE) ~= 0,
    inside = sub(row, at, ends - 1), remote = sub(row, ends) }
  if not flowed or band(kind, FIRST) ~= 0 then
    local flags, seen_ms, rst_ms = state_in(row, kind)
    local first_id = band(kind, OWN) ~= 0 and sub(row, at - 12, at - 1) or id
    binding.first = { id = first_id, flags = flags, seen_ms = seen_ms, rst_ms = rst_ms }
  end
  return binding
end

local NOTHING = { flags = 0, seen_ms = NEVER, rst_ms = NEVER }

local function pack_row(binding)
  local first, kind, middle = binding.first or NOTHING, BOUND, ''
  if binding.flowed then kind = kind + FLOWED end
  if binding.flowed and binding.first then kind = kind + FIRST end
  if binding.more then kind = kind + MORE end
  if #binding.inside == 22 then kind = kind + V6 end
  if first.rst_ms ~= NEVER then
    kind, middle = kind + RST, pack('>I6', first.rst_ms)
  end
  if first.id and first.id ~= binding.id then kind, middle = kind + OWN, middle .. first.id end
  return pack('>Bc12BI6', kind, binding.id, first.flags, first.seen_ms)
    .. middle .. binding.inside .. binding.remote
end
