#!lua
--- @command publish
--- @purpose Replaces the configuration that the deployment runs with, if it still is the one that
---   the publisher looked at.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request the configuration's text as it was, then as it shall be, each with its length (4)
---   in front
--- @result published 0
--- @result overtaken 1
--- @cost 4 calls
--- @include shard
--- @include feed
--- @include requests
--- @include members

local PUBLISHED, OVERTAKEN = '\0', '\1'

local function replace(bytes)
  local before, after = struct.unpack('>I4c0I4c0', bytes)
  if call('GET', CONFIG) ~= before then return OVERTAKEN end
  call('SET', CONFIG, after)
  return PUBLISHED
end

return answer_all(replace)
