#!lua
--- @command initialise
--- @purpose Writes the configuration of a new deployment, once.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request layout(1), then the configuration's text
--- @result written 0
--- @result present 1
--- @cost 8 calls
--- @include shard
--- @include feed
--- @include requests
--- @include members

local WRITTEN, PRESENT = '\0', '\1'

local function initialise(bytes)
  if holds then return PRESENT end
  call('SET', CONFIG, sub(bytes, 2))
  call('DEL', CHANGE)
  call('HSET', CHANGE, 'l', byte(bytes))
  note_written()
  return WRITTEN
end

return answer_all(initialise)
