#!lua
--- @command initialise
--- @purpose Writes the configuration of a new deployment, once; or of one that was lost, with what
---   was next.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request layout(1), then what holds and what is next (empty: nothing), each with its length
---   (2) in front
--- @result written 0
--- @result present 1
--- @cost 9 calls
--- @include shard
--- @include feed
--- @include requests
--- @include members

local WRITTEN, PRESENT = '\0', '\1'

local function initialise(bytes)
  if holds then return PRESENT end
  local writes, held, after = parse('>BI2c0I2c0', bytes)
  call('SET', CONFIG, held)
  call('DEL', CHANGE)
  call('HSET', CHANGE, 'l', writes)
  if after ~= '' then call('HSET', CHANGE, 'n', after, 'ns', text_of(now_ms)) end
  note_written()
  return WRITTEN
end

return answer_all(initialise)
