#!lua flags=no-writes
--- @command find
--- @purpose Finds entries by their inside or their outside endpoint, and one flow of theirs.
--- @key s:{tag} the shard of the endpoint
--- @arg policy see parts/shard.lua
--- @args request direction(1: 0 inside, 1 outside); from inside the inside endpoint's length (1),
---   that of inside and remote together (1), inside, remote; from outside protocol, address and
---   port, with their length (1) in front, and likewise the remote endpoint. Of TCP its port may be
---   0: then any flow with the address is asked for
--- @result entry 0 entry
--- @result no 1
--- @result notYet 2
--- @cost 1 call; where one is asked for by its inside endpoint, 1 more per script. A flow that is
---   not the row's first one: 1 call more, or 2 and all of the endpoint's flows read. Per script: 2
---   calls more, 4 where something is absent. Writes nothing.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block
--- @include entry

local ENTRY, NO, NOT_YET = '\0', '\1', '\2'
local INSIDE = 0

-- In grace whoever holds it may not have said so yet.
local function absent() return in_grace() and NOT_YET or NO end

-- By place in the batch: the protocol; the inside endpoint's length, or the outside endpoint, an
-- IPv4 one as a number, any other one packed; and inside and remote endpoint together, which is how
-- a row ends, or the remote one. Entries are read at once. Rows are not: few of a batch share a
-- block.
local protocols, insides, numbers, packs, tails = {}, {}, {}, {}, {}

local function read_requests()
  local keys, at, i = {}, 1, 0
  while at <= #BATCH do
    local length, direction, protocol, size, ends, number = parse('>I3BBBBI6', BATCH, at)
    local from = at + 7
    i, protocols[i + 1] = i + 1, protocol
    if direction == INSIDE then
      insides[i], tails[i] = size, sub(BATCH, from, from + ends - 1)
      keys[#keys + 1] = ENTRY_PREFIX .. sub(BATCH, from, from + size - 1)
    else
      if size == 6 then numbers[i] = number else packs[i] = sub(BATCH, from, from + size - 1) end
      tails[i] = sub(BATCH, from + size, from + ends - 1)
    end
    at = at + 3 + length
  end
  return i, keys
end

-- Of the flows with a remote address, the one that lives longest; nil where there is none.
local function longest_of(binding, address)
  local longest, longest_ms = nil, 0
  each_flow(binding, function(remote, record)
    local until_ms = deadline_ms(binding.protocol, record)
    if sub(remote, 1, -3) ~= address or until_ms <= longest_ms then return end
    longest, longest_ms = record, until_ms
  end)
  return longest
end

-- The flow that is asked for is not the row's only one, or not there. `outside` is what to name in
-- the answer, if anything.
local function answer_further(protocol, outside, row, remote)
  local binding = read_row(row)
  binding.protocol, binding.outside = protocol, outside
  local record = record_of(binding, binding.flowed and remote or '')
  if not record and protocol == TCP and sub(remote, -2) == '\0\0' then
    record = longest_of(binding, sub(remote, 1, -3))
  end
  local until_ms = record and deadline_ms(protocol, record) or 0
  if until_ms > now_ms then
    return pack_entry(ENTRY, binding, row, until_ms, binding.flowed and record)
  end
  local all = survey(binding)
  if all.live == 0 or binding.flowed and remote ~= '' and in_grace() then return absent() end
  return pack_entry(ENTRY, binding, row, all.last_ms)
end

local function answer_slowly(i, outside, row)
  local size, tail, named = insides[i], tails[i], ''
  if not row or byte(row) < BOUND then return absent() end
  if size then
    if holder_of(row) ~= sub(tail, 1, size) then return absent() end
    named, tail = type(outside) == 'number' and pack('>I6', outside) or outside, sub(tail, size + 1)
  end
  return answer_further(protocols[i], named, row, tail)
end

-- From outside, and no IPv4 address.
local function find_slowly(i, outside)
  local member, field = member_of(protocols[i], outside)
  return answer_slowly(i, outside, call('HGET', BLOCK_PREFIX .. member, field))
end

-- Few values: each one is put into a table and taken out again. 6 is the outside endpoint's length.
local function answer_row(outside, which, until_ms, row)
  if outside then
    formats[#formats + 1] = 'I5I4I7c0'
    values[used + 1], values[used + 2], values[used + 3], values[used + 4] =
      (13 + #row) * 65536 + which, life_of(until_ms), 6 * 2 ^ 48 + outside, row
    used = used + 4
  else
    formats[#formats + 1] = 'I5I4Bc0'
    values[used + 1], values[used + 2], values[used + 3], values[used + 4] =
      (7 + #row) * 65536 + which, life_of(until_ms), 0, row
    used = used + 4
  end
end

local ROW_KEY = '>c' .. #BLOCK_PREFIX .. 'BI4I2'

-- Nearly always the row is all there is to know: a binding without flows, or with the one that is
-- asked for.
local function find(i, number)
  local protocol, is_inside = protocols[i], insides[i]
  local port, offset = number % 65536, number % BLOCK_PORTS
  local key = pack(ROW_KEY, BLOCK_PREFIX, protocol, (number - port) / 65536,
    (port - offset - FIRST_PORT) / BLOCK_PORTS)
  local row = call('HGET', key, FIELDS[offset])
  local kind = row and byte(row)
  local is_all
  if is_inside then is_all = (kind == SINGLE or kind == PLAIN) and sub(row, 21) == tails[i]
  else is_all = kind == PLAIN or kind == SINGLE and sub(row, 31) == tails[i] end
  if not is_all then return reply(answer_slowly(i, number, row)) end
  local flags, a, b, c, d, e, f = byte(row, 14, 20)
  local seen_ms = ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
  local until_ms = seen_ms + (lives[protocol * 64 + flags] or look_up_life(protocol, flags))
  if until_ms <= now_ms then return reply(absent()) end
  answer_row(is_inside and number, kind == SINGLE and 1 or 0, until_ms, row)
end

local requests, keys = read_requests()
local pointers, read = #keys > 0 and call('MGET', unpack(keys)), 0
for i = 1, requests do
  local number, packed = numbers[i], nil
  if insides[i] then
    read = read + 1
    local pointer = pointers[read]
    if pointer and #pointer < 18 then number = tonumber(pointer) else packed = pointer end
  else packed = packs[i] end
  if number then find(i, number)
  elseif packed then reply(find_slowly(i, packed))
  else reply(absent()) end
end
return packed_answer()
