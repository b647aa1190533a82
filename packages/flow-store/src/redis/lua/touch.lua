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
--- @cost nothing new: 1 call; else 6 calls, 7 where the deadline shrank. Per script: 7 calls more.
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
  local whole = remote == ''
  local field = whole and 'b' or remote
  local fields = redis.call('HMGET', key, 'b', field)
  if not fields[1] or not fields[2] then return GONE end
  local record = read_record(fields[2])
  local before_ms = deadline_ms(protocol, record)
  if before_ms <= now_ms then return GONE end
  if record.id ~= identity then return STALE end
  local was_closing = not whole and is_closing(record)
  if not merge(record, sighting(flags, age_ms, rst_age_ms)) then
    return MERGED .. pack_stored(record, before_ms)
  end
  local outside = read_binding(fields[1]).outside
  if not whole and not was_closing and is_closing(record) then
    tell_closing(protocol, outside, remote)
  end
  redis.call('HSET', key, field, pack_record(identity, record) .. (whole and outside or ''))
  local after_ms = deadline_ms(protocol, record)
  local block = block_of(protocol, outside)
  keep_entry(inside, block, after_ms)
  if after_ms < before_ms then look_again(block, after_ms) end
  return MERGED .. pack_stored(record, after_ms)
end

return answer_all(touch)
