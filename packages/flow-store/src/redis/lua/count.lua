#!lua flags=no-writes
--- @command count
--- @purpose Tells how many outside ports of the shard are bound to a subscriber. What the sweep has
---   not found dead counts.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request domain(3) and address
--- @result counted 0 bindings(4)
--- @cost 1 call. Per script: 2 calls more. Writes nothing.
--- @include shard
--- @include feed
--- @include requests
--- @include subscriber

local COUNTED = '\0'

local function count(subscriber)
  local bindings = 0
  if BINDINGS_PER_SUBSCRIBER_MAX > 0 then
    bindings = tonumber(redis.call('HGET', count_key(subscriber), subscriber) or '0')
  end
  return COUNTED .. struct.pack('>I4', bindings)
end

return answer_all(count)
