-- A block of 16 outside ports, `p:{tag}:<protocol><address><number>`: a hash from a port's offset
-- (one byte, 0 to 15) to its row, and from 'L' to the lease.
--
--   bound row          see row.lua
--   quarantine mark    'q' untilMs(6) inside endpoint of the last holder, empty if not known
--   lease              incarnation(8) untilMs(6)
local SHARDS, BLOCK_PORTS, BLOCKS_PER_SHARD, FIRST_PORT = 64, 16, 63, 1024

-- By offset, as a library call takes ten times as long.
local FIELDS = { '\1', '\2', '\3', '\4', '\5', '\6', '\7', '\8', '\9', '\10', '\11', '\12',
  '\13', '\14', '\15', [0] = '\0' }

local BLOCK_PREFIX = 'p:' .. TAG .. ':'
-- Of a block that a sweep has to go on with: what follows its name in the index. See sweep.lua.
local GO_ON = char(0)

-- Requests of a batch share blocks. `rows` are those of its fields that this script knows, lease
-- included, false where there is none; `wanted` are those that are to be read together, `one` the
-- first of them: most blocks of a batch get one, for which no list is made.
local function block_at(member)
  local block = blocks[member]
  if not block then
    block = { member = member, key = BLOCK_PREFIX .. member, rows = {}, one = false,
      wanted = false, noted = false, ttl_ms = false, look_ms = false }
    blocks[member] = block
    block_list[#block_list + 1] = block
  end
  return block
end

-- The block of an outside endpoint, and the port's field in it. An IPv4 endpoint is a number,
-- address * 65536 + port, so that the requests of a batch make few strings.
local function block_of_number(protocol, outside)
  local offset = outside % BLOCK_PORTS
  local place = (outside - offset) * BLOCK_PORTS + protocol
  local block = blocks[place]
  if not block then
    local port = outside % 65536
    block = block_at(pack('>BI4I2', protocol, (outside - port) / 65536,
      (port - offset - FIRST_PORT) / BLOCK_PORTS))
    blocks[place] = block
  end
  return block, FIELDS[offset]
end

-- Of an outside endpoint that is packed: the block, and the port's field in it.
local function member_of(protocol, outside)
  local port = parse('>I2', outside, #outside - 1)
  local number = pack('>I2', (port - port % BLOCK_PORTS - FIRST_PORT) / BLOCK_PORTS)
  return char(protocol) .. sub(outside, 1, -3) .. number, char(port % BLOCK_PORTS)
end

-- The block of an outside endpoint that is packed: address and port.
local function block_of(protocol, outside)
  if #outside == 6 then return block_of_number(protocol, (parse('>I6', outside))) end
  local member, field = member_of(protocol, outside)
  return block_at(member), field
end

-- The row is read with all others that are wanted of the block by then.
local function want(block, field)
  local wanted = block.wanted
  if wanted then wanted[#wanted + 1] = field
  elseif block.one then block.wanted = { block.key, block.one, field }
  else block.one = field end
end

local function read_wanted(block)
  local wanted, rows = block.wanted, block.rows
  block.wanted = false
  local values = call('HMGET', unpack(wanted))
  for i = 2, #wanted do
    local field = wanted[i]
    if rows[field] == nil then rows[field] = values[i - 1] end
  end
end

-- A row, or the lease; false where there is none.
local function row_of(block, field)
  local row = block.rows[field]
  if row ~= nil then return row end
  if block.wanted then
    read_wanted(block)
    row = block.rows[field]
    if row ~= nil then return row end
  end
  row = call('HGET', block.key, field)
  block.rows[field] = row
  return row
end

-- All of the block, with what this script is about to write.
local function read_block(block)
  local fields = call('HGETALL', block.key)
  local rows, known = {}, block.rows
  for i = 1, #fields, 2 do
    if known[fields[i]] == nil then known[fields[i]] = fields[i + 1] end
  end
  for field, row in pairs(known) do rows[field] = row or nil end
  return rows
end

-- Of a quarantine mark: its end and the last holder's inside endpoint.
local function mark_of(row) return parse('>I6', row, 2), sub(row, 8) end

local function is_free(row)
  if not row then return true end
  return byte(row) < BOUND and instant_at(row, 2) <= now_ms
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
  put(block, field, mark)
  look_again(block, until_ms)
  keep_block(block, QUARANTINE_MS + TTL_MARGIN_MS)
  return mark
end

-- A row that nothing leads to any more: nobody was told, so everybody is told now.
local function orphan(block, field, inside)
  local number = parse('>I2', block.member, #block.member - 1)
  local port = FIRST_PORT + number * BLOCK_PORTS + byte(field)
  local outside = sub(block.member, 2, -3) .. pack('>I2', port)
  tell_void(byte(block.member), outside, '', new_generation())
  count_port(block, inside, -1)
  quarantine(block, field, inside)
end

-- Reads the lease: incarnation and end, or nil where there is none.
local function lease_of(bytes)
  if not bytes then return nil end
  return parse('>c8I6', bytes)
end

local function write_lease(block, incarnation)
  local until_ms = now_ms + LEASE_MS
  put(block, 'L', pack('>c8I6', incarnation, until_ms))
  look_again(block, until_ms)
  keep_block(block, LEASE_MS + TTL_MARGIN_MS)
end

-- Ends a lease whose time is over. Its holder may have used any rowless port up to the end
-- (provisional flows): all of them begin in quarantine. Keeps `rows` up to date.
local function expire_lease(block, rows)
  local _, until_ms = lease_of(rows.L)
  if not until_ms or until_ms > now_ms then return false end
  call('HDEL', block.key, 'L')
  tell_lease(block, '')
  rows.L, block.rows.L = nil, false
  for offset = 0, BLOCK_PORTS - 1 do
    local field = char(offset)
    if is_free(rows[field]) then rows[field] = quarantine(block, field, '') end
  end
  return true
end
