-- How many outside ports of the shard each subscriber (an inside address of a domain) has: its
-- bound rows, counted by the script that writes or ends them. `n:{tag}:<last byte of the address>`
-- is a hash from domain(3) and address to that number; 256 of them, so that each stays a listpack.
-- Kept only where the deployment limits it. Meta field n says whether all rows are counted: 1 they
-- are, 0 that is not sure, and 'c' and a block's member: they are being counted anew, block by
-- block in the order of `n:{tag}`, a sorted set of the blocks by member, so far up to this one.
local COUNT_KEYS = 256
local ORDER = 'n:' .. TAG
local counted_to, is_known = nil, false

local function look_for_counting()
  if is_known then return end
  is_known = true
  if is_counting() then counted_to = sub(counts_state, 2) end
end

-- By bytes, as Redis sorts members: Lua goes by the server's locale.
local function is_after(member, other)
  for i = 1, #member do
    local a, b = byte(member, i), byte(other, i) or -1
    if a ~= b then return a > b end
  end
  return false
end

-- Whether rows of the block are counted by now, so that changes of theirs have to be.
local function counts_yet(block)
  look_for_counting()
  return not counted_to or not is_after(block.member, counted_to)
end

local function count_key_at(byte) return 'n:' .. TAG .. ':' .. char(byte) end

local function count_key(subscriber) return count_key_at(byte(subscriber, -1)) end

local function subscriber_of(inside)
  return sub(inside, 1, 3) .. sub(inside, 5, -3)
end

-- A port of the block is bound to the inside endpoint (by 1), or no longer is (by -1).
local function count_port(block, inside, by)
  if BINDINGS_PER_SUBSCRIBER_MAX == 0 or not counts_yet(block) then return end
  local subscriber = subscriber_of(inside)
  local key = count_key(subscriber)
  if call('HINCRBY', key, subscriber, by) <= 0 then call('HDEL', key, subscriber) end
end

-- A count outlives the rows that it counts; by far, so that few bindings have to extend it.
local function keep_count(inside, ttl_ms)
  if BINDINGS_PER_SUBSCRIBER_MAX == 0 then return end
  local key = count_key(subscriber_of(inside))
  if call('PTTL', key) < ttl_ms then call('PEXPIRE', key, ttl_ms + TTL_MARGIN_MS) end
end

local function drop_counts()
  local keys = { ORDER }
  for byte = 0, COUNT_KEYS - 1 do keys[#keys + 1] = count_key_at(byte) end
  call('DEL', unpack(keys))
end
