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
--- @cost 1 call per block; where one is asked for by its inside endpoint, 1 more per script. A flow
---   that is not the row's first one: 1 call more, or 2 and all of the endpoint's flows read. Per
---   script: 2 calls more, 4 where something is absent. Writes nothing.
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

-- By place in the batch: where the row of the endpoint is, the remote endpoint of one that is asked
-- for from outside; of one from inside its inside endpoint, that and the remote one, which is how a
-- row ends, and what it leads to, an IPv4 one as a number. Entries are read at once, and so are the
-- rows of a block.
local found, fields, remotes, insides, tails, outsides = {}, {}, {}, {}, {}, {}

local function locate(i, protocol, outside)
  local block, field
  if type(outside) == 'number' then block, field = block_of_number(protocol, outside)
  else block, field = block_of(protocol, outside) end
  found[i], fields[i] = block, field
  want(block, field)
end

local function read_outside(i, at)
  local size, protocol, number = parse('>BBI6', BATCH, at)
  remotes[i] = parse('>Bc0', BATCH, at + 1 + size)
  locate(i, protocol, size == 7 and number or sub(BATCH, at + 2, at + size))
end

local function read_requests()
  local keys, places, at, i = {}, {}, 1, 1
  while at <= #BATCH do
    local length, direction, size, ends = parse('>I3BBB', BATCH, at)
    if direction == INSIDE then
      local inside = sub(BATCH, at + 6, at + 5 + size)
      insides[i], tails[i] = inside, sub(BATCH, at + 6, at + 5 + ends)
      keys[#keys + 1], places[#places + 1] = ENTRY_PREFIX .. inside, i
    else
      read_outside(i, at + 4)
    end
    at, i = at + 3 + length, i + 1
  end
  return i - 1, keys, places
end

local function read_leads(keys, places)
  if #keys == 0 then return end
  local pointers = call('MGET', unpack(keys))
  for k = 1, #keys do
    local i, pointer = places[k], pointers[k]
    local outside = pointer and (#pointer == 18 and pointer or tonumber(pointer))
    if outside then
      outsides[i] = outside
      locate(i, protocol_of(insides[i]), outside)
    end
  end
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

-- The flow that is asked for is not the row's only one, or not there.
local function answer_further(i, row, remote)
  local protocol, binding, outside = byte(found[i].member), read_row(row), outsides[i] or ''
  binding.protocol = protocol
  binding.outside = type(outside) == 'number' and pack('>I6', outside) or outside
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

local function answer_row(i, which, until_ms, row)
  local outside = outsides[i]
  if outside then
    formats[#formats + 1] = 'I3BBI4BI6c0'
    values[used + 1], values[used + 2], values[used + 3], values[used + 4], values[used + 5],
      values[used + 6], values[used + 7] = 13 + #row, 0, which, life_of(until_ms), 6, outside, row
    used = used + 7
  else
    formats[#formats + 1] = 'I3BBI4Bc0'
    values[used + 1], values[used + 2], values[used + 3], values[used + 4], values[used + 5],
      values[used + 6] = 7 + #row, 0, which, life_of(until_ms), 0, row
    used = used + 6
  end
end

-- Whether the row is that of what is asked for, and all of it: its only flow, or a binding without
-- flows.
local function is_all(i, row, kind)
  if kind ~= PLAIN and kind ~= SINGLE then return false end
  local tail = tails[i]
  if tail then return sub(row, 21) == tail and type(outsides[i]) == 'number' end
  return kind == PLAIN or sub(row, 31) == remotes[i]
end

local function find(i)
  local block = found[i]
  local row = block and row_of(block, fields[i])
  local kind = row and byte(row) or 0
  if not is_all(i, row, kind) then
    local inside = insides[i]
    if kind < BOUND or inside and holder_of(row) ~= inside then return reply(absent()) end
    return reply(answer_further(i, row, remotes[i] or sub(tails[i], #inside + 1)))
  end
  local flags, seen_ms = byte(row, 14), instant_at(row, 15)
  local until_ms = deadline_of(byte(block.member), flags, seen_ms, NEVER)
  if until_ms <= now_ms then return reply(absent()) end
  answer_row(i, kind == SINGLE and 1 or 0, until_ms, row)
end

local requests, keys, places = read_requests()
read_leads(keys, places)
for i = 1, requests do find(i) end
return packed_answer()
