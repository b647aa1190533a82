#!lua
--- @command reassert
--- @purpose Puts back flows and bindings that a gateway holds and the store has lost, under their
---   old identity. In grace only; what is stored wins, but for its own former incarnation.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request identity(12) flags(1) age(4) rstAge(4), then inside, remote and outside, each with
---   its length (1) in front, 0 for none
--- @result restored 0 flow
--- @result exists 1 entry
--- @result tooLate 2
--- @cost there already: 1 to 6 calls; put back: 9 calls. Per script: 8 calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry
--- @include opening

local RESTORED, EXISTS, TOO_LATE = '\0', '\1', '\2'

-- Writes the binding that was lost; of TCP the first flow's identity is the binding's own.
local function restore(r)
  local block, field = block_of(r.protocol, r.outside)
  local former = row_of(block, field)
  if not may_take(block, field, r.inside, former) then return nil end
  local bytes = r.id .. NO_STATE .. r.outside
  if r.remote == '' then bytes = pack_record(r.id, first_state(r.seen)) .. r.outside end
  redis.call('DEL', r.key)
  redis.call('HSET', r.key, 'b', bytes)
  write_row(block, field, r.id, r.inside, former)
  -- Of TCP the first flow may be older than the one that came first: it is told again, too.
  if r.remote == '' then tell_void(r.protocol, r.outside, '', (struct.unpack('>I8', r.id))) end
  return read_binding(bytes)
end

local function stored(r, binding)
  local entry = read_entry(r.inside)
  local fields = r.remote ~= '' and redis.call('HGET', r.key, r.remote)
  local flow = fields and read_record(fields)
  if flow then
    local until_ms = deadline_ms(TCP, flow)
    if until_ms > now_ms then
      return pack_entry(EXISTS, r.inside, binding.bytes, until_ms, flow.bytes)
    end
  end
  return pack_entry(EXISTS, r.inside, binding.bytes, entry.last_ms)
end

local function generation_of(id) return (struct.unpack('>I8', id)) end

-- A binding and its former incarnation are one mapping: it goes on under the later identity.
local function rename(r, binding)
  local block, field = block_of(r.protocol, r.outside)
  local row = row_of(block, field)
  if row ~= bound_row(binding.id, r.inside) then return end
  write_row(block, field, r.id, r.inside, row)
  binding.id = r.id
  binding.bytes = pack_record(r.id, binding) .. r.outside
end

-- Opened twice, at a master that was replaced and at the next: one connection all the same.
local function add(r, record)
  local before_ms = latest_ms(r.protocol, record.seen_ms, record.rst_ms)
  if not learn(r, r.outside, record) then return end
  redis.call('HSET', r.key, r.remote ~= '' and r.remote or 'b', record.bytes)
  written(r, block_of(r.protocol, r.outside), record, before_ms)
end

local function reassert(bytes)
  if not in_grace() then return TOO_LATE end
  local r, flags, age_ms, rst_age_ms = {}, 0, 0, 0
  r.id, flags, age_ms, rst_age_ms, r.inside, r.remote, r.outside =
    struct.unpack('>c12BI4I4Bc0Bc0Bc0', bytes)
  r.seen, r.protocol = sighting(flags, age_ms, rst_age_ms), protocol_of(r.inside)
  r.key = entry_key(r.inside)
  local bytes_b = redis.call('HGET', r.key, 'b')
  local before_ms = bytes_b and 0 or nil
  local binding = bytes_b and read_binding(bytes_b) or restore(r)
  if not binding then return TOO_LATE end
  if binding.outside ~= r.outside then return stored(r, binding) end
  local record = binding
  if r.remote ~= '' then
    local bytes_f = redis.call('HGET', r.key, r.remote)
    record = bytes_f and read_record(bytes_f) or nil
  end
  -- Its former incarnation came back with data that is older.
  if record and generation_of(record.id) < generation_of(r.id) then
    if r.remote ~= '' then record = nil else rename(r, binding) end
  end
  if record and record.id ~= r.id then
    if not is_closing(flags, r.seen.seen_ms, r.seen.rst_ms) then add(r, record) end
    return stored(r, binding)
  end
  last_generation = math.max(last_generation, generation_of(r.id))
  if record then
    before_ms = before_ms and latest_ms(r.protocol, record.seen_ms, record.rst_ms)
    learn(r, r.outside, record)
  else
    record = first_state(r.seen)
    record.bytes = pack_record(r.id, record)
  end
  redis.call('HSET', r.key, r.remote ~= '' and r.remote or 'b', record.bytes)
  local until_ms = deadline_ms(r.protocol, record)
  local block = block_of(r.protocol, r.outside)
  written(r, block, record, before_ms)
  return RESTORED .. pack_stored(record, until_ms)
end

note_grace()
return answer_all(reassert)
