#!lua
--- @command publish
--- @purpose Makes a configuration the deployment's next, if what holds and what was next still are
---   what the publisher looked at.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request what holds, what was next (empty: nothing) and what shall be, each with its length
---   (2) in front
--- @result published 0
--- @result overtaken 1
--- @cost 6 calls
--- @include shard
--- @include feed
--- @include requests
--- @include members

local PUBLISHED, OVERTAKEN = '\0', '\1'

local function replace(bytes)
  local held, before, after = parse('>I2c0I2c0I2c0', bytes)
  if holds ~= held or (next_text or '') ~= before then return OVERTAKEN end
  if after ~= before then call('HSET', CHANGE, 'n', after, 'ns', text_of(now_ms)) end
  note_written()
  return PUBLISHED
end

return answer_all(replace)
