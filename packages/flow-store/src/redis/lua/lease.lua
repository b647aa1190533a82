#!lua
--- @command lease
--- @purpose Leases blocks with free ports of one outside address and protocol to a gateway, the
---   first ones found from a start chosen at random (RFC 6056). After a silence in which the store
---   kept all that it knew: blocks that nobody has anything of, until others are granted again.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request incarnation(8) blocks(2) firstBlock(2) start(4), then protocol and address with
---   their length (1) in front, and which of the shard's blocks are reserved, as bytes with their
---   number (1) in front. The shard's blocks are every 64th from the first.
--- @result granted 0 count(1), each: block(2) freePorts(2)
--- @result exhausted 1
--- @result notYet 2
--- @cost 1 call per leased block passed by, 2 per block looked at, 4 per block granted. Per
---   script: 13 calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block
--- @include unleased

local GRANTED, EXHAUSTED, NOT_YET = '\0', '\1', '\2'

local function lease(bytes)
  local incarnation, wanted, first, start, pool, reserved =
    struct.unpack('>c8I2I2I4Bc0Bc0', bytes)
  local may_grant_all = may_grant()
  if not may_grant_all and not may_grant_untouched() then return NOT_YET end
  local free_in = may_grant_all and unleased_ports or untouched_ports
  local granted = {}
  for step = 0, BLOCKS_PER_SHARD - 1 do
    if #granted == wanted then break end
    local index = (start + step) % BLOCKS_PER_SHARD
    local number = first + index * SHARDS
    local block = block_at(pool .. struct.pack('>I2', number))
    local free = is_reserved(reserved, index) and 0 or free_in(block)
    if free ~= 0 then
      write_lease(block, incarnation)
      tell_lease(block, incarnation)
      granted[#granted + 1] = struct.pack('>I2I2', number, free)
    end
  end
  if #granted == 0 then return may_grant_all and EXHAUSTED or NOT_YET end
  return GRANTED .. string.char(#granted) .. table.concat(granted)
end

note_grace()
return answer_all(lease)
