#!lua flags=no-writes
--- @command find
--- @purpose Finds entries by their inside or their outside endpoint, and one flow of theirs.
--- @key s:{tag} the shard of the endpoint
--- @arg policy see parts/shard.lua
--- @args request direction(1: 0 inside, 1 outside), then the endpoint (inside endpoint, or protocol
---   and outside address and port) and the remote endpoint, each with its length (1) in front
--- @result entry 0 entry
--- @result no 1
--- @result notYet 2
--- @cost inside: 1 call; outside: 2 calls; TCP without a live flow: 1 more, all of the endpoint's
---   flows read. Per script: 2 calls more. Writes nothing.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry

local ENTRY, NO, NOT_YET = '\0', '\1', '\2'
local INSIDE = 0

-- In grace whoever holds it may not have said so yet.
local function absent() return in_grace() and NOT_YET or NO end

-- The inside endpoint behind an outside one, and the identity that its binding must have.
local function behind(endpoint)
  local block, field = block_of(string.byte(endpoint), string.sub(endpoint, 2))
  local row = redis.call('HGET', block.key, field)
  if not row or not is_bound(row) then return nil end
  local id, inside = holder_of(row)
  return inside, id
end

local function answer(inside, id, remote)
  local protocol = protocol_of(inside)
  local flows = protocol == TCP and remote ~= ''
  local fields = redis.call('HMGET', entry_key(inside), 'b', flows and remote or 'b')
  if not fields[1] then return absent() end
  local binding = read_binding(fields[1])
  if id and binding.id ~= id then return absent() end
  if protocol ~= TCP then
    local until_ms = deadline_ms(protocol, binding)
    if until_ms <= now_ms then return absent() end
    return ENTRY .. pack_entry(inside, binding, until_ms, nil)
  end
  local flow = flows and fields[2] and read_record(fields[2])
  if flow and deadline_ms(TCP, flow) > now_ms then
    return ENTRY .. pack_entry(inside, binding, 0, flow)
  end
  local entry = read_entry(inside)
  if entry.live == 0 or flows and in_grace() then return absent() end
  return ENTRY .. pack_entry(inside, binding, entry.last_ms, nil)
end

local function find(bytes)
  local direction, endpoint, remote = struct.unpack('>BBc0Bc0', bytes)
  if direction == INSIDE then return answer(endpoint, nil, remote) end
  local inside, id = behind(endpoint)
  if not inside then return absent() end
  return answer(inside, id, remote)
end

return answer_all(find)
