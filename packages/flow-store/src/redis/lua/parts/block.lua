-- A block of 16 outside ports, `p:{tag}:<protocol><address><number>`: a hash from a port's offset
-- (one byte, 0 to 15) to its row, and from 'L' to the lease.
--
--   bound row          'b' identity(12) inside endpoint
--   quarantine mark    'q' untilMs(6) inside endpoint of the last holder, empty if not known
--   lease              incarnation(8) untilMs(6)
local SHARDS, BLOCK_PORTS, BLOCKS_PER_SHARD, FIRST_PORT = 64, 16, 63, 1024

local BLOCK_PREFIX = 'p:' .. TAG .. ':'
-- Of a block that a sweep has to go on with: what follows its name in the index. See sweep.lua.
local GO_ON = char(0)

-- Requests of a batch share blocks. `rows` are those of its fields that this script knows, lease
-- included, false where there is none.
local blocks = {}

local function block_at(member)
  local block = blocks[member]
  if not block then
    block = { member = member, key = BLOCK_PREFIX .. member, rows = {} }
    blocks[member] = block
  end
  return block
end

-- The member of an outside endpoint's block, and the port's field in it; the endpoint is its
-- protocol (one byte), packed address and port.
local function place_of(endpoint)
  local high, low = byte(endpoint, -2, -1)
  local offset = low % BLOCK_PORTS
  local number = (high * 256 + low - offset - FIRST_PORT) / BLOCK_PORTS
  local minor = number % 256
  return sub(endpoint, 1, -3) .. char((number - minor) / 256, minor), char(offset)
end

-- The block of an outside endpoint (packed address and port), and the port's field in it.
local function block_of(protocol, outside)
  local member, field = place_of(char(protocol) .. outside)
  return block_at(member), field
end

local function read_block(block)
  local fields = call('HGETALL', block.key)
  local rows = {}
  for i = 1, #fields, 2 do rows[fields[i]] = fields[i + 1] end
  return rows
end

local function bound_row(id, inside) return 'b' .. id .. inside end

local function is_bound(row) return byte(row) == 98 end

-- A row, or the lease; false where there is none.
local function row_of(block, field)
  local row = block.rows[field]
  if row == nil then
    row = call('HGET', block.key, field)
    block.rows[field] = row
  end
  return row
end

-- Binds the port to the inside endpoint. `former` is its row so far, if any: where it is bound, it
-- is this very endpoint's, and counted.
local function write_row(block, field, id, inside, former)
  local row = bound_row(id, inside)
  block.rows[field] = row
  put(block.key, field, row)
  if not former or not is_bound(former) then count_port(inside, 1) end
end

-- Of a bound row: the binding's identity and its inside endpoint.
local function holder_of(row) return sub(row, 2, 13), sub(row, 14) end

-- Of a quarantine mark: its end and the last holder's inside endpoint.
local function mark_of(row) return parse('>I6', row, 2), sub(row, 8) end

local function is_free(row)
  if not row then return true end
  return not is_bound(row) and mark_of(row) <= now_ms
end

-- Bit i: the block's i-th port is free.
local function free_ports(rows)
  local mask = 0
  for offset = 0, BLOCK_PORTS - 1 do
    if is_free(rows[char(offset)]) then mask = mask + 2 ^ offset end
  end
  return mask
end

-- Keeps the port from everybody but its last holder, from now on.
local function quarantine(block, field, inside)
  local until_ms = now_ms + QUARANTINE_MS
  local mark = 'q' .. pack('>I6', until_ms) .. inside
  call('HSET', block.key, field, mark)
  block.rows[field] = mark
  look_again(block, until_ms)
  extend(block.key, QUARANTINE_MS + TTL_MARGIN_MS)
  return mark
end

-- A row whose entry is gone without a trace: nobody was told, so everybody is told now.
local function orphan(block, field, inside)
  local protocol = byte(block.member)
  local number = parse('>I2', block.member, #block.member - 1)
  local port = FIRST_PORT + number * BLOCK_PORTS + byte(field)
  local outside = sub(block.member, 2, -3) .. pack('>I2', port)
  tell_void(protocol, outside, '', new_generation())
  count_port(inside, -1)
  quarantine(block, field, inside)
end

-- Reads the lease: incarnation and end, or nil where there is none.
local function lease_of(bytes)
  if not bytes then return nil end
  return parse('>c8I6', bytes)
end

local function write_lease(block, incarnation)
  local until_ms = now_ms + LEASE_MS
  local lease = pack('>c8I6', incarnation, until_ms)
  call('HSET', block.key, 'L', lease)
  block.rows.L = lease
  look_again(block, until_ms)
  extend(block.key, LEASE_MS + TTL_MARGIN_MS)
end

-- Ends a lease whose time is over. Its holder may have used any rowless port up to the end
-- (provisional flows): all of them begin in quarantine. Keeps `rows` up to date.
local function expire_lease(block, rows)
  local _, until_ms = lease_of(rows.L)
  if not until_ms or until_ms > now_ms then return false end
  call('HDEL', block.key, 'L')
  rows.L, block.rows.L = nil, false
  for offset = 0, BLOCK_PORTS - 1 do
    local field = char(offset)
    if is_free(rows[field]) then rows[field] = quarantine(block, field, '') end
  end
  return true
end
