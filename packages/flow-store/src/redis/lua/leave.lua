#!lua
--- @command leave
--- @purpose Takes a member off the list, if it still is this incarnation.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request member (see parts/members.lua)
--- @result left 0
--- @cost 2 calls. Per script: 2 calls more.
--- @include shard
--- @include feed
--- @include requests
--- @include members

local LEFT = '\0'

local function leave(bytes)
  local incarnation, name = read_member(bytes)
  local value = redis.call('HGET', MEMBERS, name)
  if value and string.sub(value, 1, 8) == incarnation then redis.call('HDEL', MEMBERS, name) end
  return LEFT
end

return answer_all(leave)
