#!lua
--- @command leave
--- @purpose Takes a member off the list, if it still is this incarnation.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request member (see parts/members.lua)
--- @result left 0
--- @cost 1 call. Per script: 5 calls more.
--- @include shard
--- @include feed
--- @include requests
--- @include members

local LEFT = '\0'

local function leave(bytes)
  local incarnation, name = read_member(bytes)
  local known = members[name]
  if known and known.incarnation == incarnation then
    call('HDEL', MEMBERS, name)
    members[name] = nil
  end
  settle()
  return LEFT
end

return answer_all(leave)
