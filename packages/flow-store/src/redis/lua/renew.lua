#!lua
--- @command renew
--- @purpose Extends leases that this incarnation holds, and tells which ports are free by now. In
---   grace a lease that is not stored is restored.
--- @key s:{tag} the shard of the blocks
--- @arg policy see parts/shard.lua
--- @args request incarnation(8), then protocol, address and block number (2) with their length (1)
---   in front
--- @result renewed 0 block(2) freePorts(2) rowsAreSure(1)
--- @result leaseLost 1
--- @cost 5 calls. Per script: 8 calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block

local RENEWED, LEASE_LOST = '\0', '\1'

local function renew(bytes)
  local incarnation, member = struct.unpack('>c8Bc0', bytes)
  local block = block_at(member)
  local rows = read_block(block)
  local holder, until_ms = lease_of(rows.L)
  local restored = in_grace() and (not holder or until_ms <= now_ms)
  if not restored and (holder ~= incarnation or until_ms <= now_ms) then return LEASE_LOST end
  write_lease(block, incarnation)
  if restored then tell_lease(block, incarnation) end
  return RENEWED .. string.sub(member, -2) .. struct.pack('>I2B', free_ports(rows),
    may_grant() and 1 or 0)
end

note_grace()
return answer_all(renew)
