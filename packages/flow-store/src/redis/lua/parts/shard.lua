-- What every script of a shard starts from: its keys, the policy, its time, its generations.
--
-- KEYS[1] is the shard's meta key `s:{tag}`; every other key is built from its tag, so that one
-- script stays within one slot. ARGV[1] is the policy, 12 unsigned 32-bit numbers: how long a flow
-- lives after it was seen last (timeout and slack: TCP established, TCP transitory, UDP, ICMP),
-- the quarantine (clock skew included), the lease, the margin of TTLs, flows per endpoint, how long
-- the feed keeps its events, how long a silence of all gateways may be, and bindings per
-- subscriber (0: they are not counted); the 12th, the layout to write, is a bridge's (release.ts).
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
  BINDINGS_PER_SUBSCRIBER_MAX = parse('>I4I4I4I4I4I4I4I4I4I4I4', ARGV[1])

-- Shard time never goes back: it is the larger of what was written last and the server's clock,
-- which is read once (on Redis 7.0 it moves while a script runs).
-- All of the meta key that any part needs is read at once: of grace, and whether ports are counted.
local stored_meta = call('HMGET', META, 't', 'g', 'fi', 'ft', 'r', 'h', 'gs', 'gh', 'n')
local clock = call('TIME')
local now_us = max(tonumber(stored_meta[1] or '0'), clock[1] * 1000000 + clock[2])
local now_ms = math.floor(now_us / 1000)
local last_generation = tonumber(stored_meta[2] or '0')
-- Where the feed ends: the id and the tag of its last batch; no id before it began.
local tail_id, tail_tag = stored_meta[3] or nil, tonumber(stored_meta[4] or '0')

-- An identity: generation (8 bytes) and the opener's nonce (4), as records hold it.
local function new_generation()
  last_generation = max(last_generation + 1, now_us)
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

-- What is noted here is written once per script: requests of a batch share blocks. By key, the TTL
-- that is needed, and fields with their values; by a block's member, the instant of the next look.
local ttls, puts, looks = {}, {}, {}
local TTL_SPARE_MS = 5000

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
local function write_ttls()
  for key, ttl_ms in pairs(ttls) do
    if call('PTTL', key) < ttl_ms then
      call('PEXPIRE', key, text_of(ttl_ms + TTL_SPARE_MS))
    end
  end
end

-- Who reads the key in the same script has to know what is noted for it.
local function put(key, field, value)
  local noted = puts[key]
  if not noted then puts[key] = { key, field, value }
  else noted[#noted + 1], noted[#noted + 2] = field, value end
end

-- Before the TTLs: a key may begin with this.
local function write_puts()
  for _, noted in pairs(puts) do call('HSET', unpack(noted)) end
  puts = {}
end

-- The sweep looks at the block at this instant at the latest. It may come too early and sleep
-- again, so a deadline that was extended needs no call.
local function look_again(block, at_ms)
  local noted = looks[block.member]
  if not noted or at_ms < noted then looks[block.member] = at_ms end
end

-- A thousand to a call: unpack takes no more than about 8,000.
local function write_looks()
  local args, used = {}, 0
  for member, at_ms in pairs(looks) do
    args[used + 1], args[used + 2] = text_of(at_ms), member
    used = used + 2
  end
  looks = {}
  for i = 1, used, 2000 do
    call('ZADD', INDEX, 'LT', unpack(args, i, math.min(i + 1999, used)))
  end
end
