#!lua
--- @command record
--- @purpose Keeps lines of the session log in the shard's stream, for so long as each says.
--- @key s:{tag} the shard of the binding that the line is about
--- @arg policy see parts/shard.lua
--- @args request keep(6) in ms, then the line
--- @result recorded 0
--- @cost 2 calls. Per script: 2 calls more.
--- @include shard
--- @include feed
--- @include requests

local RECORDED = '\0'
local LOG = 'l:' .. TAG

-- What is older goes with each line that comes; the stream as a whole by its TTL.
local function record(bytes)
  local stay_ms = parse('>I6', bytes)
  local id, since = string.format('%.0f-*', now_ms), text_of(max(0, now_ms - stay_ms))
  call('XADD', LOG, 'MINID', '~', since, id, 'r', sub(bytes, 7))
  call('PEXPIRE', LOG, text_of(stay_ms))
  return RECORDED
end

return answer_all(record)
