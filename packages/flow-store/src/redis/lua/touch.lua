#!lua
--- @command touch
--- @purpose Merges what a gateway saw into the flow (or binding) of exactly this identity.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request identity(12) flags(1) age(4) rstAge(4), then inside and remote, each with its
---   length (1) in front, 0 for none
--- @result merged 0 flow
--- @result stale 1
--- @result gone 2
--- @cost nothing new: 1 call; else 3 calls. 2 per block. Per script: 7 calls more, 8 where a
---   deadline shrank.
--- @include shard
--- @include feed
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry

local MERGED, STALE, GONE = '\0', '\1', '\2'

local function touch(bytes)
  local identity, flags, age_ms, rst_age_ms, inside, remote =
    struct.unpack('>c12BI4I4Bc0Bc0', bytes)
  local protocol, key = protocol_of(inside), entry_key(inside)
  local whole, binding, bytes_now = remote == '', nil, nil
  if whole then
    binding = redis.call('HGET', key, 'b')
    bytes_now = binding
  else
    local fields = redis.call('HMGET', key, 'b', remote)
    binding, bytes_now = fields[1], fields[2]
  end
  if not binding or not bytes_now then return GONE end
  local record = read_record(bytes_now)
  local before_ms = deadline_ms(protocol, record)
  if before_ms <= now_ms then return GONE end
  if record.id ~= identity then return STALE end
  local was_closing = not whole and is_closing(record)
  if not merge(record, sighting(flags, age_ms, rst_age_ms)) then
    return MERGED .. pack_stored(record, before_ms)
  end
  local outside = string.sub(binding, RECORD_BYTES + 1)
  if not whole and not was_closing and is_closing(record) then
    tell_closing(protocol, outside, remote)
  end
  record.bytes = pack_record(identity, record)
  if whole then redis.call('HSET', key, 'b', record.bytes .. outside)
  else redis.call('HSET', key, remote, record.bytes) end
  local after_ms = deadline_ms(protocol, record)
  local block = block_of(protocol, outside)
  keep_entry(inside, block, after_ms)
  if after_ms < before_ms then look_again(block, after_ms) end
  return MERGED .. pack_stored(record, after_ms)
end

return answer_all(touch)
