#!lua
--- @command reassert
--- @purpose Puts back flows and bindings that a gateway holds and the store has lost, under their
---   old identity. In grace only; what is stored wins, but for its own former incarnation, and for
---   a binding of exactly the identity to be replaced that was opened in this very grace.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request identity(12) flags(1) age(4) rstAge(4) replaces(12, zeros: none), then inside,
---   remote and outside, each with its length (1) in front, 0 for none
--- @result restored 0 flags(1) reset(1) life(4)
--- @result exists 1 entry
--- @result tooLate 2
--- @cost 2 to 5 calls, 4 per block; 6 more where another binding goes. Per script: 13 calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block
--- @include entry
--- @include opening

local RESTORED, EXISTS, TOO_LATE = '\0', '\1', '\2'

local function generation_of(id) return (parse('>I8', id)) end

-- The binding that was lost, as its holder knew it; with flows, its identity is the first one's.
-- It is yet to be written.
local function restore(r)
  local block, field = block_of(r.protocol, r.outside)
  local former = row_of(block, field)
  if not may_take(block, field, r.inside, former) then return nil end
  local binding = new_binding(r, r.outside, block, field, r.id)
  binding.former, binding.remote = former, ''
  -- With flows the first one may be older than the one that came first: it is told again, too.
  if r.remote == '' then tell_void(r.protocol, r.outside, '', generation_of(r.id)) end
  return binding
end

-- Opened twice, at a master that was replaced and at the next: one connection all the same.
local function add(r, binding, record)
  local before_ms = latest_ms(r.protocol, record.seen_ms, record.rst_ms)
  if learn(r, binding, record) then written(binding, record, before_ms) end
end

-- What is told is stored under this identity by now: new ones come after it. `former` is the flow
-- whose place it takes, if any.
local function write(r, binding, record, former)
  note_generation(generation_of(r.id))
  local before_ms = record and latest_ms(r.protocol, record.seen_ms, record.rst_ms) or 0
  if not record then
    record = first_state(r.seen)
    record.id, record.is_further = r.id, former and former.is_further
    write_record(binding, r.remote, record)
  elseif not learn(r, binding, record) then
    write_record(binding, r.remote, record)
  end
  if binding.is_lost then
    write_binding(binding, latest_ms(r.protocol, record.seen_ms, record.rst_ms), binding.former)
  end
  written(binding, record, before_ms)
  local until_ms = deadline_ms(r.protocol, record)
  return pack_state(RESTORED, record.flags, record.seen_ms, record.rst_ms, until_ms)
end

-- Whether the binding that is to be replaced was opened in this grace by who did not know that the
-- endpoint has another one, on which a connection lives. That is kept, and what was opened in the
-- meantime is lost; but who opens the same connection anew has given up the former one, and so has
-- a socket of UDP, whose packets go the new way.
local function is_outranked(r, binding)
  if r.remote == '' or binding.id ~= r.replaces then return false end
  local since = grace_since_ms * 1000
  if generation_of(r.id) >= since or generation_of(binding.id) < since then return false end
  if record_of(binding, r.remote) then return false end
  local flags, seen_ms, rst_ms = r.seen.flags, r.seen.seen_ms, r.seen.rst_ms
  if seen_ms == NEVER and rst_ms == NEVER then seen_ms = now_ms end
  if is_closing(flags, seen_ms, rst_ms) then return false end
  if deadline_of(r.protocol, flags, seen_ms, rst_ms) <= now_ms then return false end
  local block, field = block_of(r.protocol, r.outside)
  return may_take(block, field, r.inside, row_of(block, field))
end

-- Its entry is written again, for the other binding.
local function displace(binding)
  if binding.more then call('DEL', FLOWS_PREFIX .. binding.inside) end
  leave_port(binding)
end

local function read_request(bytes)
  local id, flags, age_ms, rst_age_ms, replaces, inside, remote, outside =
    parse('>c12BI4I4c12Bc0Bc0Bc0', bytes)
  return { id = id, replaces = replaces, inside = inside, remote = remote, outside = outside,
    protocol = protocol_of(inside), seen = sighting(flags, age_ms, rst_age_ms) }
end

-- Of two identities of a flow the later one: they are one connection, opened at two masters, or the
-- former one came back with older data and its end was forgotten; nothing goes on of one that is
-- over. Whoever has the other one is told.
local function succeed(r, former)
  tell_void(r.protocol, r.outside, r.remote, generation_of(r.id))
  if is_closing(former.flags, former.seen_ms, former.rst_ms) then return nil end
  if deadline_ms(r.protocol, former) <= now_ms then return nil end
  former.id = r.id
  return former
end

local function reassert(bytes)
  if not in_grace() then return TOO_LATE end
  local r = read_request(bytes)
  local binding, record = binding_of(r.inside), nil
  if binding and binding.outside ~= r.outside and is_outranked(r, binding) then
    displace(binding)
    binding = nil
  end
  if binding then
    record = record_of(binding, r.remote)
    if binding.outside ~= r.outside then return pack_stored(EXISTS, binding, record) end
  else
    binding = restore(r)
    if not binding then return TOO_LATE end
    binding.is_lost = true
  end
  local former = record
  if record and generation_of(record.id) < generation_of(r.id) then
    -- A binding and its former incarnation are one mapping.
    if r.remote == '' then binding.id, record.id = r.id, r.id
    else record = succeed(r, record) end
  end
  if record and record.id ~= r.id then
    if not is_closing(r.seen.flags, r.seen.seen_ms, r.seen.rst_ms) then add(r, binding, record) end
    return pack_stored(EXISTS, binding, record)
  end
  return write(r, binding, record, former)
end

note_grace()
return answer_all(reassert)
