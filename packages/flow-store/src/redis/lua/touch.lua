#!lua
--- @command touch
--- @purpose Merges what a gateway saw into the flow (or binding) of exactly this identity.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request protocol(1) outside with its length (1) in front, identity(12) flags(1) age(4)
---   rstAge(4) the inside endpoint's length (1) that of inside and remote together (1) inside
---   remote
--- @result merged 0 flags(1) reset(1) life(4)
--- @result stale 1
--- @result gone 2
--- @cost 2 calls per block, 1 where nothing is new; a flow that is not the row's first one: 2 more;
---   where a TTL has to move 1 more, and then 2 per block. Per script: 5 calls more, 7 where a
---   deadline shrank.
--- @include shard
--- @include feed
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block
--- @include entry

local MERGED, STALE, GONE = '\0', '\1', '\2'

-- By place in the batch: where what follows the outside endpoint begins, its block and field. All
-- rows that the batch needs are read once per block.
local starts, touched, fields = {}, {}, {}

local function read_requests()
  local at, i = 1, 1
  while at <= #BATCH do
    local length, protocol, size, number = parse('>I3BBI6', BATCH, at)
    local block, field
    if size == 6 then block, field = block_of_number(protocol, number)
    else block, field = block_of(protocol, sub(BATCH, at + 5, at + 4 + size)) end
    starts[i], touched[i], fields[i] = at + 5 + size, block, field
    want(block, field)
    at, i = at + 3 + length, i + 1
  end
end

-- The outside endpoint of a block's port.
local function outside_at(block, field)
  local number = parse('>I2', block.member, #block.member - 1)
  return sub(block.member, 2, -3) .. pack('>I2', number * BLOCK_PORTS + FIRST_PORT + byte(field))
end

-- Others hear of a closing, the sweep of a deadline that shrank.
local function tell_on(block, field, remote, was_closing, closes, before_ms, until_ms)
  if remote ~= '' and closes and not was_closing then
    tell_closing(byte(block.member), outside_at(block, field), remote)
  end
  if until_ms < before_ms then look_again(block, until_ms) end
end

local function touch_slowly(i)
  local identity, flags, age_ms, rst_age_ms, size, tail = parse('>c12BI4I4BBc0', BATCH, starts[i])
  local inside, remote = sub(tail, 1, size), sub(tail, size + 1)
  local block, field = touched[i], fields[i]
  local binding = binding_at(inside, outside_at(block, field))
  local record = binding and record_of(binding, remote)
  if not record then return GONE end
  local protocol = binding.protocol
  local before_ms = deadline_ms(protocol, record)
  if before_ms <= now_ms then return GONE end
  if record.id ~= identity then return STALE end
  local was_closing = is_closing(record.flags, record.seen_ms, record.rst_ms)
  local latest_before_ms = latest_ms(protocol, record.seen_ms, record.rst_ms)
  local until_ms = before_ms
  if merge(record, sighting(flags, age_ms, rst_age_ms)) then
    until_ms = deadline_ms(protocol, record)
    write_record(binding, remote, record)
    local closes = is_closing(record.flags, record.seen_ms, record.rst_ms)
    tell_on(block, field, remote, was_closing, closes, before_ms, until_ms)
    keep_entry(binding, latest_ms(protocol, record.seen_ms, record.rst_ms), latest_before_ms)
  end
  return pack_state(MERGED, record.flags, record.seen_ms, record.rst_ms, until_ms)
end

local function reply_merged(flags, until_ms)
  formats[#formats + 1] = 'I6I4'
  values[used + 1], values[used + 2] = 7 * 2 ^ 24 + flags * 256, life_of(until_ms)
  used = used + 2
end

-- Flags by OR, times by max, as `merge` does. Nearly every touch is of a row's only flow, or of a
-- binding without flows, and no RST was seen: what that takes stands here as it is, without a call
-- of `instant_ms`, `latest_ms` or `is_kept`.
local function touch(i)
  local block, field = touched[i], fields[i]
  local row = block.rows[field]
  if row == nil then row = row_of(block, field) end
  if not row or byte(row) < BOUND then return reply(GONE) end
  local generation, nonce, seen_flags, age_ms, rst_age_ms, size, tail =
    parse('>I8I4BI4I4BBc0', BATCH, starts[i])
  local kind, its_generation, its_nonce, flags, seen_ms = parse('>BI8I4BI6', row)
  if kind ~= PLAIN and kind ~= SINGLE or rst_age_ms ~= NO_AGE or sub(row, 21) ~= tail then
    return reply(touch_slowly(i))
  end
  local protocol = byte(block.member)
  local life_ms = lives[protocol * 64 + flags] or look_up_life(protocol, flags)
  local before_ms = seen_ms + life_ms
  if before_ms <= now_ms then return reply(GONE) end
  if generation ~= its_generation or nonce ~= its_nonce then return reply(STALE) end
  local flags_now, seen_now_ms = bor(flags, seen_flags % 64), seen_ms
  if age_ms ~= NO_AGE then seen_now_ms = max(seen_ms, now_ms > age_ms and now_ms - age_ms or 1) end
  if flags_now == flags and seen_now_ms == seen_ms then return reply_merged(flags, before_ms) end
  put(block, field, pack('>BI8I4BI6c0', kind, generation, nonce, flags_now, seen_now_ms, tail))
  local until_ms =
    seen_now_ms + (lives[protocol * 64 + flags_now] or look_up_life(protocol, flags_now))
  if until_ms < before_ms or flags_now >= BOTH_FIN then
    tell_on(block, field, sub(tail, size + 1), flags >= BOTH_FIN, flags_now >= BOTH_FIN, before_ms,
      until_ms)
  end
  local longest_ms = protocol == TCP and LIFE_TCP_LONGEST_MS or life_ms
  if (seen_ms + longest_ms) % TTL_STEP_MS + seen_now_ms - seen_ms >= TTL_STEP_MS then
    local binding = { inside = sub(tail, 1, size), block = block }
    keep_entry(binding, seen_now_ms + longest_ms, seen_ms + longest_ms)
  end
  reply_merged(flags_now, until_ms)
end

read_requests()
for i = 1, #starts do touch(i) end
return close_answer()
