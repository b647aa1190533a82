-- How many outside ports of the shard each subscriber (an inside address of a domain) has: its
-- bound rows, counted by the script that writes or ends them. `n:{tag}:<last byte of the address>`
-- is a hash from domain(3) and address to that number; 256 of them, so that each stays a listpack.
-- Kept only where the deployment limits it; meta field n is 1 where all rows are counted.
local COUNT_KEYS = 256

local function count_key_at(byte) return 'n:' .. TAG .. ':' .. char(byte) end

local function count_key(subscriber) return count_key_at(byte(subscriber, -1)) end

local function subscriber_of(inside)
  return sub(inside, 1, 3) .. sub(inside, 5, -3)
end

-- A port is bound to the inside endpoint (by 1), or no longer is (by -1).
local function count_port(inside, by)
  if BINDINGS_PER_SUBSCRIBER_MAX == 0 then return end
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
  for byte = 0, COUNT_KEYS - 1 do call('DEL', count_key_at(byte)) end
end
