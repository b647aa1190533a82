-- What nobody leases: blocks to lease, and single ports where no gateway gets a block any more.

-- A block that the index knows and that is not there went by its TTL, with rows that are counted:
-- the next sweep counts anew.
local function note_gone(block, rows)
  if BINDINGS_PER_SUBSCRIBER_MAX == 0 or next(rows) then return end
  if call('ZSCORE', INDEX, block.member) then call('HSET', META, 'n', '0') end
end

-- The free ports of a block that nobody leases as bits, none if somebody does.
local function unleased_ports(block)
  local _, until_ms = lease_of(row_of(block, 'L'))
  if until_ms and until_ms > now_ms then return 0 end
  if not block.is_read then
    local rows = read_block(block)
    note_gone(block, rows)
    expire_lease(block, rows)
    block.is_read = true
  end
  return free_ports(block.rows)
end

local ALL_PORTS = 2 ^ BLOCK_PORTS - 1

-- The ports of a block without a lease, be it over, and without a row that counts: all, or none.
local function untouched_ports(block)
  if row_of(block, 'L') then return 0 end
  local rows = read_block(block)
  note_gone(block, rows)
  local ports = free_ports(rows)
  return ports == ALL_PORTS and ports or 0
end

-- The n-th set bit's position, n taken modulo their number; nil for none.
local function choose_bit(mask, n)
  local offsets = {}
  for offset = 0, BLOCK_PORTS - 1 do
    if bit.band(mask, bit.lshift(1, offset)) ~= 0 then offsets[#offsets + 1] = offset end
  end
  return offsets[1] and offsets[n % #offsets + 1]
end

-- Whether the shard's block of this index is one of those that a configuration keeps back.
local function is_reserved(reserved, index)
  return string.find(reserved, string.char(index), 1, true) ~= nil
end

-- A free port of a pool (protocol and address), in the first block with any from the n-th of the
-- shard's on, and its block; nil where all are leased, full or reserved.
local function choose_port(pool, first, n, reserved)
  for step = 0, BLOCKS_PER_SHARD - 1 do
    local index = (n + step) % BLOCKS_PER_SHARD
    local number = first + index * SHARDS
    local block = block_at(pool .. pack('>I2', number))
    local offset = not is_reserved(reserved, index) and choose_bit(unleased_ports(block), n)
    if offset then return FIRST_PORT + number * BLOCK_PORTS + offset, block end
  end
  return nil
end
