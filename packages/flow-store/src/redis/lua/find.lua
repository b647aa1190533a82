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
---   flows read. Per script: 3 calls more. Writes nothing.
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
  local member, field = place_of(endpoint)
  local row = call('HGET', BLOCK_PREFIX .. member, field)
  if not row or not is_bound(row) then return nil end
  return sub(row, 14), sub(row, 2, 13)
end

local function answer_tcp(inside, id, remote)
  local fields = call('HMGET', ENTRY_PREFIX .. inside, 'b', remote)
  local binding, flow = fields[1], fields[2]
  if not binding or id and sub(binding, 1, 12) ~= id then return absent() end
  if flow then
    local flags, seen_ms, rst_ms = parse('>BI6I6', flow, 13)
    local until_ms = deadline_of(TCP, flags, seen_ms, rst_ms)
    if until_ms > now_ms then return pack_entry(ENTRY, inside, binding, until_ms, flow) end
  end
  local entry = read_entry(inside)
  if entry.live == 0 or remote ~= '' and in_grace() then return absent() end
  return pack_entry(ENTRY, inside, binding, entry.last_ms)
end

local function find(bytes)
  local direction, inside, remote = parse('>BBc0Bc0', bytes)
  local id = nil
  if direction ~= INSIDE then
    inside, id = behind(inside)
    if not inside then return absent() end
  end
  local protocol = byte(inside, 4)
  if protocol == TCP then return answer_tcp(inside, id, remote) end
  local binding = call('HGET', ENTRY_PREFIX .. inside, 'b')
  if not binding or id and sub(binding, 1, 12) ~= id then return absent() end
  local flags, seen_ms, rst_ms = parse('>BI6I6', binding, 13)
  local until_ms = deadline_of(protocol, flags, seen_ms, rst_ms)
  if until_ms <= now_ms then return absent() end
  return pack_entry(ENTRY, inside, binding, until_ms)
end

return answer_all(find)
