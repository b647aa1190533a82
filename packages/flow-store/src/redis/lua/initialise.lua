#!lua
--- @command initialise
--- @purpose Writes the configuration of a new deployment, once.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request the configuration's text
--- @result written 0
--- @result present 1
--- @cost 3 calls
--- @include shard
--- @include feed
--- @include requests
--- @include members

local WRITTEN, PRESENT = '\0', '\1'

local function initialise(text)
  return redis.call('SETNX', CONFIG, text) == 1 and WRITTEN or PRESENT
end

return answer_all(initialise)
