-- What every script of a shard starts from: its keys, the policy, its time, its generations.
--
-- KEYS[1] is the shard's meta key `s:{tag}`; every other key is built from its tag, so that one
-- script stays within one slot. ARGV[1] is the policy, 14 unsigned 32-bit numbers: how long a flow
-- lives after it was seen last (timeout and slack: TCP established, TCP transitory, UDP, ICMP),
-- the quarantine (clock skew included), the lease, the margin of TTLs, flows per endpoint, how long
-- the feed keeps its events, how long a silence of all gateways may be, and bindings per
-- subscriber (0: they are not counted); the 12th, the layout to write, is a bridge's (release.ts);
-- the 13th is how long a closing TCP flow lives, the last the configuration's version.
local META = KEYS[1]
-- What runs for every request goes by names of its own: a library's function is two lookups away.
local call, pack, parse = redis.call, struct.pack, struct.unpack
local byte, char, sub = string.byte, string.char, string.sub
local bor, max = bit.bor, math.max
local TAG = string.match(META, '{[^}]*}')
local INDEX = 'i:' .. TAG
local FEED = 'f:' .. TAG

local LIFE_ESTABLISHED_MS, LIFE_TRANSITORY_MS, LIFE_UDP_MS, LIFE_ICMP_MS, QUARANTINE_MS, LEASE_MS,
  TTL_MARGIN_MS, FLOWS_PER_ENDPOINT_MAX, FEED_KEEP_MS, SILENCE_MS,
  BINDINGS_PER_SUBSCRIBER_MAX, _, LIFE_CLOSING_MS, VERSION =
  parse('>I4I4I4I4I4I4I4I4I4I4I4I4I4I4', ARGV[1])

-- Shard time never goes back: it is the larger of what was written last and the server's clock,
-- which is read once (on Redis 7.0 it moves while a script runs).
-- What else is in the meta key each part reads when it needs it: a field costs half of a us, and a
-- call that finds or touches needs none.
local clock = call('TIME')
local now_us = max(tonumber(call('HGET', META, 't') or '0'), clock[1] * 1000000 + clock[2])
local now_ms = math.floor(now_us / 1000)

-- The generation that was given last; nil until somebody needs to know.
local last_generation

-- Generations given from here on are later than this one, too.
local function note_generation(generation)
  last_generation = max(last_generation or tonumber(call('HGET', META, 'g') or '0'), generation)
end

-- An identity: generation (8 bytes) and the opener's nonce (4), as records hold it.
local function new_generation()
  if not last_generation then note_generation(0) end
  local later = last_generation + 1
  last_generation = later > now_us and later or now_us
  return last_generation
end

local function new_identity(nonce)
  return pack('>I8I4', new_generation(), nonce)
end

-- The longest TTL this script asked for: index and meta must not go before any key of the shard.
-- 0: nothing was written.
local keep_ms = 0
-- Fields of the meta key that a part has to write, and their values.
local more_meta = {}

-- Redis writes out a number that it is given with %.17g, which costs as much as half a command;
-- those of a batch repeat.
local texts = {}

local function text_of(number)
  local text = texts[number]
  if not text then
    text = string.format('%.0f', number)
    texts[number] = text
  end
  return text
end

-- What is noted from here on is written once per script: requests of a batch share blocks. By key,
-- the TTL that is needed; and keys to be deleted.
local ttls, drops = {}, {}
local TTL_SPARE_MS = 5000

-- The blocks that this script came to, by member (block.lua), and in their order. A block notes
-- fields to write, the TTL that it needs, and when the sweep is to look at it.
local blocks, block_list = {}, {}

-- Something was written whose keys need no longer TTL than they have.
local function note_written()
  if keep_ms == 0 then keep_ms = 1 end
end

-- Every key that was written is given its TTL by this. A TTL is never shortened.
local function extend(key, ttl_ms)
  if ttl_ms > keep_ms then keep_ms = ttl_ms end
  local noted = ttls[key]
  if not noted or noted < ttl_ms then ttls[key] = ttl_ms end
end

-- A key that was just created (PTTL -1) always gets a TTL, which PEXPIRE GT would not do. A little
-- more than is needed, lest every script has to move it by a few ms.
local function write_ttl(key, ttl_ms)
  if call('PTTL', key) < ttl_ms then
    call('PEXPIRE', key, text_of(ttl_ms + TTL_SPARE_MS))
  end
end

local function write_ttls()
  for key, ttl_ms in pairs(ttls) do write_ttl(key, ttl_ms) end
end

-- For what is not made again in the same script.
local function drop(key) drops[#drops + 1] = key end

-- A thousand to a call: unpack takes no more than about 8,000.
local function in_parts(args, send)
  for i = 1, #args, 1000 do send(unpack(args, i, math.min(i + 999, #args))) end
end

local function write_drops()
  in_parts(drops, function(...) call('DEL', ...) end)
end

local function put(block, field, value)
  block.rows[field] = value
  if keep_ms == 0 then keep_ms = 1 end
  local noted = block.noted
  if noted then noted[#noted + 1], noted[#noted + 2] = field, value
  else block.noted = { block.key, field, value } end
end

local function keep_block(block, ttl_ms)
  if ttl_ms > keep_ms then keep_ms = ttl_ms end
  local noted = block.ttl_ms
  if not noted or noted < ttl_ms then block.ttl_ms = ttl_ms end
end

-- The sweep looks at the block at this instant at the latest. It may come too early and sleep
-- again, so a deadline that was extended needs no call.
local function look_again(block, at_ms)
  local noted = block.look_ms
  if not noted or at_ms < noted then block.look_ms = at_ms end
end

local function write_blocks()
  local looks = {}
  for i = 1, #block_list do
    local block = block_list[i]
    if block.noted then call('HSET', unpack(block.noted)) end
    if block.ttl_ms then write_ttl(block.key, block.ttl_ms) end
    if block.look_ms then
      looks[#looks + 1], looks[#looks + 2] = text_of(block.look_ms), block.member
    end
  end
  in_parts(looks, function(...) call('ZADD', INDEX, 'LT', ...) end)
end

-- Meta field n, see subscriber.lua; false where there is none, nil until somebody needs to know.
local counts_state

local function read_counts_state()
  if counts_state == nil then counts_state = call('HGET', META, 'n') end
  return counts_state
end

-- Whether the ports of subscribers are being counted.
local function is_counting()
  local state = read_counts_state()
  return state and byte(state) == 99
end

-- A block that came up while they are is to be counted, too.
local function write_order()
  local members = {}
  for i = 1, #block_list do
    if block_list[i].look_ms then
      members[#members + 1], members[#members + 2] = '0', block_list[i].member
    end
  end
  if #members == 0 or not is_counting() then return end
  in_parts(members, function(...) call('ZADD', 'n:' .. TAG, ...) end)
  extend('n:' .. TAG, keep_ms)
end
