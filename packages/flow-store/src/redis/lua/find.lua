#!lua flags=no-writes
--- @command find
--- @purpose Finds entries by their inside or their outside endpoint, and one flow of theirs.
--- @key s:{tag} the shard of the endpoint
--- @arg policy see parts/shard.lua
--- @args request direction(1: 0 inside, 1 outside), then the endpoint (inside endpoint, or protocol
---   and outside address and port) and the remote endpoint, each with its length (1) in front; of
---   TCP its port may be 0: then any flow with the address is asked for
--- @result entry 0 entry
--- @result no 1
--- @result notYet 2
--- @cost 1 call per block; where one is asked for by its inside endpoint, 1 more per script. A flow
---   that is not the row's first one: 1 call more, or 2 and all of the endpoint's flows read. Per
---   script: 3 calls more. Writes nothing.
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

-- By place in the batch: where the row of the endpoint is, the remote endpoint, and for one that is
-- asked for by its inside endpoint that one and what it leads to, an IPv4 one as a number. Entries
-- are read at once, and so are the rows of a block.
local found, fields, remotes, insides, outsides = {}, {}, {}, {}, {}

local function locate(i, protocol, outside)
  local block, field
  if type(outside) == 'number' then block, field = block_of_number(protocol, outside)
  else block, field = block_of(protocol, outside) end
  found[i], fields[i] = block, field
  want(block, field)
end

local function read_requests()
  local keys, places, at, i = {}, {}, 1, 1
  while at <= #BATCH do
    local direction, size, protocol, number = parse('>BBBI6', BATCH, at + 3)
    if direction == INSIDE then
      insides[i] = sub(BATCH, at + 5, at + 4 + size)
      keys[#keys + 1], places[#places + 1] = ENTRY_PREFIX .. insides[i], i
    else
      locate(i, protocol, size == 7 and number or sub(BATCH, at + 6, at + 4 + size))
    end
    remotes[i], at = parse('>Bc0', BATCH, at + 5 + size)
    i = i + 1
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

local function find(i)
  local block, inside, remote = found[i], insides[i], remotes[i]
  local row = block and row_of(block, fields[i])
  local kind = row and byte(row) or 0
  if kind < BOUND or inside and holder_of(row) ~= inside then return reply(absent()) end
  if kind ~= PLAIN and (kind ~= SINGLE or sub(row, 31) ~= remote)
    or type(outsides[i]) == 'string'
  then
    return reply(answer_further(i, row, remote))
  end
  local flags, seen_ms = byte(row, 14), instant_at(row, 15)
  local until_ms = deadline_of(byte(block.member), flags, seen_ms, NEVER)
  if until_ms <= now_ms then return reply(absent()) end
  answer_row(i, kind == SINGLE and 1 or 0, until_ms, row)
end

local requests, keys, places = read_requests()
read_leads(keys, places)
for i = 1, requests do find(i) end
return close_answer()
