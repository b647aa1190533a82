#!lua
--- @command trim
--- @purpose Takes out of the shard's feed what nobody needs any more, where no event came since
---   that would have. The last batch stays: it is what attentive readers heard last.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request empty
--- @result trimmed 0 batches(4)
--- @cost 1 call. Per script: 2 calls more.
--- @include shard
--- @include feed
--- @include requests

local TRIMMED = '\0'

local function trim()
  local batches = call('XTRIM', FEED, 'MINID', '=', trim_before())
  return TRIMMED .. pack('>I4', batches)
end

return answer_all(trim)
