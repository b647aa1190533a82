#!lua flags=no-writes
--- @command configuration
--- @purpose Reads the configuration that the deployment runs with.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request nothing
--- @result stored 0 the configuration's text
--- @result absent 1
--- @cost 3 calls. Writes nothing.
--- @include shard
--- @include feed
--- @include requests
--- @include members

local STORED, ABSENT = '\0', '\1'

local function configuration()
  local stored = redis.call('GET', CONFIG)
  return stored and STORED .. stored or ABSENT
end

return answer_all(configuration)
