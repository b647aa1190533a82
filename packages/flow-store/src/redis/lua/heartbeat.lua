#!lua
--- @command heartbeat
--- @purpose Keeps a member in the list for another lease length.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request member (see parts/members.lua)
--- @result alive 0 members
--- @result unknown 1
--- @cost 12 calls, and 1 per member that expired
--- @include shard
--- @include feed
--- @include requests
--- @include members

local ALIVE, UNKNOWN = '\0', '\1'

local function heartbeat(bytes)
  local incarnation, name, addresses = read_member(bytes)
  local value = redis.call('HGET', MEMBERS, name)
  if not value then return UNKNOWN end
  local known, until_ms = struct.unpack('>c8I6', value)
  if known ~= incarnation or until_ms <= now_ms then return UNKNOWN end
  hear(incarnation, name, addresses)
  return ALIVE .. list_members()
end

return answer_all(heartbeat)
