#!lua
--- @command feed
--- @purpose Reads what happened to a shard's outside endpoints since a gateway last heard, and
---   notes that the gateway was heard, and by which configuration. A feed that does not have what
---   was last heard answers a gap, and so does a shard that went into grace since.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request incarnation(8) nonce(4) grace(6) tag(4), then the id that was last heard, with
---   its length (1) in front, 0 for none
--- @result events 0 tail: id with its length (1) in front, tag(4) grace(6); inGrace(1) more(1),
---   then packed events (see parts/feed.lua)
--- @result gap 1 tail, inGrace(1)
--- @cost nothing new: no call; else 2 calls. Per script: 8 calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests

local EVENTS, GAP = '\0', '\1'
local BATCHES_MAX = 64

local function pack_tail(id, tag)
  return string.char(#id) .. id
    .. struct.pack('>I4I6B', tag, grace_since_ms or 0, in_grace() and 1 or 0)
end

local function read(bytes)
  local incarnation, nonce, grace_ms, tag, last = struct.unpack('>c8I4I6I4Bc0', bytes)
  look_for_tail()
  if not tail_id then
    tell_begin(nonce)
    publish()
  end
  if grace_ms ~= (grace_since_ms or 0) then return GAP .. pack_tail(tail_id, tail_tag) end
  if last == tail_id and tag == tail_tag then return EVENTS .. pack_tail(last, tag) .. '\0' end
  local heard = last ~= '' and redis.call('XRANGE', FEED, last, last) or {}
  if not heard[1] or tag_of(heard[1][2][2]) ~= tag then
    return GAP .. pack_tail(tail_id, tail_tag)
  end
  local batches = redis.call('XRANGE', FEED, '(' .. last, '+', 'COUNT', BATCHES_MAX)
  local payloads = {}
  for i = 1, #batches do payloads[i] = batches[i][2][2] end
  local upto = batches[#batches][1]
  local more = upto ~= tail_id and '\1' or '\0'
  return EVENTS .. pack_tail(upto, tag_of(payloads[#payloads])) .. more .. table.concat(payloads)
end

hear()
note_grace()
if not is_outdated() then
  local meta, n = more_meta, #more_meta
  meta[n + 1], meta[n + 2], meta[n + 3], meta[n + 4] = 'v', text_of(VERSION), 'vh', text_of(now_ms)
end
return answer_all(read)
