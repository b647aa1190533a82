#!lua
--- @command renew
--- @purpose Extends leases that this incarnation holds, and tells which ports are free by now.
--- @key s:{tag} the shard of the blocks
--- @arg policy see parts/shard.lua
--- @args request incarnation(8), then protocol, address and block number (2) with their length (1)
---   in front
--- @result renewed 0 block(2) freePorts(2)
--- @result leaseLost 1
--- @cost 5 calls. Per script: 7 calls more.
--- @include shard
--- @include feed
--- @include requests
--- @include flow
--- @include block

local RENEWED, LEASE_LOST = '\0', '\1'

local function renew(bytes)
  local incarnation, member = struct.unpack('>c8Bc0', bytes)
  local block = block_at(member)
  local rows = read_block(block)
  local holder, until_ms = lease_of(rows.L)
  if holder ~= incarnation or until_ms <= now_ms then return LEASE_LOST end
  write_lease(block, incarnation)
  return RENEWED .. string.sub(member, -2) .. struct.pack('>I2', free_ports(rows))
end

return answer_all(renew)
