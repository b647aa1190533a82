-- The shard's feed, `f:{tag}`: a stream of batches, one per script call, each one field `e` of
-- packed events. What ends it is kept in the meta key, for the stream is trimmed by time.
--
--   void      'v' protocol(1) outside and remote, each with its length (1) in front, below(8)
--   voids     'w' protocol and address with their length (1) in front, block(2), ports(2), the i-th
--             bit for the block's i-th port, and below(8): void, for each of them
--   closing   'c' protocol(1) outside and remote, each with its length (1) in front
--   lease     'l' protocol and address with their length (1) in front, block(2), and the holder's
--             incarnation with its length (1) in front, empty for nobody
--   begin     'b' nonce(4)               the first batch of a feed: nothing is known of before
-- Formats of struct.pack, and the values for them.
local news_formats, news, has_published = {}, {}, false

-- Where the feed ends: the id and the tag of its last batch; no id before it began, and no tag
-- until somebody needs to know.
local tail_id, tail_tag

local function look_for_tail()
  if tail_tag then return end
  local stored = call('HMGET', META, 'fi', 'ft')
  tail_id, tail_tag = stored[1] or nil, tonumber(stored[2] or '0')
end

local function tell(packed)
  news_formats[#news_formats + 1], news[#news + 1] = 'c0', packed
end

-- Nothing cached of this outside endpoint (and remote endpoint, if any) below the generation may
-- be used any more.
local function tell_void(protocol, outside, remote, below)
  tell(pack('>BBBc0Bc0I8', 118, protocol, #outside, outside, #remote, remote, below))
end

-- Of an IPv4 endpoint as 'I3I7I8': this and the protocol * 256; address and port as one number, *
-- 256; below.
local VOID_IPV4 = 7733254

-- unpack takes no more than about 8,000.
local function gather_news()
  if #news < 4000 then return end
  news = { pack('>' .. table.concat(news_formats), unpack(news)) }
  news_formats = { 'c0' }
end

local function tell_begin(nonce) tell('b' .. pack('>I4', nonce)) end

local function tell_closing(protocol, outside, remote)
  tell(pack('>BBBc0Bc0', 99, protocol, #outside, outside, #remote, remote))
end

-- The same for many ports of a block, none of which has a remote endpoint of its own.
local function tell_voids(block, ports)
  local member = block.member
  tell(pack('>BBc0I2I8', 119, #member - 2, member, ports, new_generation()))
  gather_news()
end

-- Who leases the block from now on. Renewals change nothing, and are not told.
local function tell_lease(block, incarnation)
  local member = block.member
  tell(pack('>BBc0Bc0', 108, #member - 2, member, #incarnation, incarnation))
  gather_news()
end

-- The tag tells a batch from another one of the same id: it is the content's.
local function tag_of(payload)
  return tonumber(sub(redis.sha1hex(payload), 1, 8), 16)
end

-- Where to trim: by age, but never the last batch so far, which is what attentive readers heard.
local function trim_before()
  local since_ms = max(0, now_ms - FEED_KEEP_MS)
  local tail_ms = tail_id and tonumber(string.match(tail_id, '^%d+')) or since_ms
  if tail_ms < since_ms then return tail_id end
  return string.format('%.0f', since_ms)
end

-- Writes what this call has to tell, as one batch. Shard time gives the id, so it never goes back.
local function publish()
  if #news == 0 then return end
  local payload = pack('>' .. table.concat(news_formats), unpack(news))
  news_formats, news = {}, {}
  look_for_tail()
  local id = string.format('%.0f-*', now_ms)
  tail_id = call('XADD', FEED, 'MINID', '=', trim_before(), id, 'e', payload)
  tail_tag, has_published = tag_of(payload), true
  extend(FEED, FEED_KEEP_MS + TTL_MARGIN_MS)
end
