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
--- @cost nothing new: 1 call; else 2 calls, 3 where a TTL has to move, and then 2 per block. Per
---   script: 7 calls more, 8 where a deadline shrank.
--- @include shard
--- @include feed
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry

local MERGED, STALE, GONE = '\0', '\1', '\2'

local function touch(bytes)
  local identity, seen_flags, age_ms, rst_age_ms, inside, remote =
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
  local flags, seen_ms, rst_ms = state_in(bytes_now)
  local before_ms = deadline_of(protocol, flags, seen_ms, rst_ms)
  if before_ms <= now_ms then return GONE end
  if string.sub(bytes_now, 1, IDENTITY_BYTES) ~= identity then return STALE end
  local record = { flags = flags, seen_ms = seen_ms, rst_ms = rst_ms }
  if not merge(record, sighting(seen_flags, age_ms, rst_age_ms)) then
    return MERGED .. string.sub(bytes_now, 1, RECORD_BYTES) .. pack_life(before_ms)
  end
  local outside = string.sub(binding, RECORD_BYTES + 1)
  local now_closing = is_closing(record.flags, record.seen_ms, record.rst_ms)
  if now_closing and not whole and not is_closing(flags, seen_ms, rst_ms) then
    tell_closing(protocol, outside, remote)
  end
  local merged = pack_record(identity, record)
  if whole then redis.call('HSET', key, 'b', merged .. outside)
  else redis.call('HSET', key, remote, merged) end
  local after_ms = deadline_ms(protocol, record)
  if after_ms < before_ms then look_again(block_of(protocol, outside), after_ms) end
  local latest = latest_ms(protocol, record.seen_ms, record.rst_ms)
  local latest_before = latest_ms(protocol, seen_ms, rst_ms)
  if is_kept(latest, latest_before) then note_written()
  else keep_entry(inside, block_of(protocol, outside), latest, latest_before) end
  return MERGED .. merged .. pack_life(after_ms)
end

return answer_all(touch)
