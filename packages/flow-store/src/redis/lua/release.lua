#!lua
--- @command release
--- @purpose Gives leases back in order: the holder used no rowless port, so they are free at once.
--- @key s:{tag} the shard of the blocks
--- @arg policy see parts/shard.lua
--- @args request incarnation(8), then protocol, address and block number (2) with their length (1)
---   in front
--- @result released 0
--- @result leaseLost 1
--- @cost 3 calls, 4 where nothing is left of the block. Per script: 9 calls more.
--- @include shard
--- @include feed
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block

local RELEASED, LEASE_LOST = '\0', '\1'

local function release(bytes)
  local incarnation, member = struct.unpack('>c8Bc0', bytes)
  local block = block_at(member)
  local holder, until_ms = lease_of(redis.call('HGET', block.key, 'L'))
  if holder ~= incarnation or until_ms <= now_ms then return LEASE_LOST end
  redis.call('HDEL', block.key, 'L')
  tell_lease(block, '')
  if redis.call('EXISTS', block.key) == 0 then redis.call('ZREM', INDEX, block.member) end
  return RELEASED
end

return answer_all(release)
