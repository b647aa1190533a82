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
--- @cost nothing new: 1 call; else 2; 3 where a flow closes or a deadline shrank; 4 where a TTL has
---   to move, and then 2 per block. Per script: 6 calls more, 7 where a deadline shrank.
--- @include shard
--- @include feed
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry

local MERGED, STALE, GONE = '\0', '\1', '\2'

-- What few touches need, and the binding for: others hear of a closing, the sweep of a deadline
-- that shrank, and TTLs move. `before` and `after` are flags, seenMs, rstMs.
local function follow_up(inside, remote, before, after)
  local protocol = protocol_of(inside)
  local outside = sub(call('HGET', entry_key(inside), 'b'), RECORD_BYTES + 1)
  local block = block_of(protocol, outside)
  if remote ~= '' and is_closing(unpack(after)) and not is_closing(unpack(before)) then
    tell_closing(protocol, outside, remote)
  end
  local until_ms = deadline_of(protocol, unpack(after))
  if until_ms < deadline_of(protocol, unpack(before)) then look_again(block, until_ms) end
  local latest_before_ms = latest_ms(protocol, before[2], before[3])
  keep_entry(inside, block, latest_ms(protocol, after[2], after[3]), latest_before_ms)
end

-- Flags by OR, times by max, as `merge` does. The record alone is read: an entry that has flows has
-- a binding.
local function touch(bytes)
  local identity, seen_flags, age_ms, rst_age_ms, inside, remote =
    parse('>c12BI4I4Bc0Bc0', bytes)
  local protocol, key = byte(inside, 4), ENTRY_PREFIX .. inside
  local field = remote == '' and 'b' or remote
  local record = call('HGET', key, field)
  if not record then return GONE end
  local id, flags, seen_ms, rst_ms = parse('>c12BI6I6', record)
  local before_ms = deadline_of(protocol, flags, seen_ms, rst_ms)
  if before_ms <= now_ms then return GONE end
  if id ~= identity then return STALE end
  local flags_now, seen_now_ms, rst_now_ms = bor(flags, seen_flags % 64),
    max(seen_ms, instant_ms(age_ms)), max(rst_ms, instant_ms(rst_age_ms))
  if flags_now == flags and seen_now_ms == seen_ms and rst_now_ms == rst_ms then
    return MERGED .. sub(record, 1, RECORD_BYTES) .. pack_life(before_ms)
  end
  local merged = pack('>c12BI6I6', id, flags_now, seen_now_ms, rst_now_ms)
  if remote == '' then call('HSET', key, field, merged .. sub(record, RECORD_BYTES + 1))
  else call('HSET', key, field, merged) end
  local until_ms = deadline_of(protocol, flags_now, seen_now_ms, rst_now_ms)
  if until_ms < before_ms
    or is_closing(flags_now, seen_now_ms, rst_now_ms) ~= is_closing(flags, seen_ms, rst_ms)
    or not is_kept(latest_ms(protocol, seen_now_ms, rst_now_ms),
      latest_ms(protocol, seen_ms, rst_ms))
  then
    follow_up(inside, remote, { flags, seen_ms, rst_ms }, { flags_now, seen_now_ms, rst_now_ms })
  end
  note_written()
  return MERGED .. merged .. pack_life(until_ms)
end

return answer_all(touch)
