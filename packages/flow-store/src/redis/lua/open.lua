#!lua
--- @command open
--- @purpose Opens flows and bindings: adds a flow to the binding of its inside endpoint, or binds
---   the inside endpoint to the outside endpoint proposed, out of a leased block. What is there
---   already is answered, with the sighting merged into it. The opener's nonce makes it idempotent.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request protocol(1) proposal nonce(4) flags(1) age(4) rstAge(4) incarnation(8) inside
---   remote replaces(12, zeros: none); proposal, inside and remote each with its length (1) in
---   front, 0 for none. A proposal's port may be below 64: then it is the first of the shard's
---   blocks, and the store chooses a port; between address and port stands then which of the
---   shard's blocks are reserved, a byte each.
--- @result created 0 entry
--- @result exists 1 entry
--- @result portTaken 2
--- @result limit 3
--- @result leaseLost 4
--- @result noBinding 5
--- @result exhausted 6
--- @cost new binding: 1 call; flow on a binding: 3 calls, 3 more where the row has one already;
---   exists: 1 or 2 calls, 1 more where that flow is over. 3 per block; where the store chooses,
---   2 more per block passed by. Per script: 13 calls more.
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
--- @include unleased

local CREATED, EXISTS, PORT_TAKEN, LIMIT, LEASE_LOST, NO_BINDING, EXHAUSTED =
  '\0', '\1', '\2', '\3', '\4', '\5', '\6'
-- Ports below it are none: the store is to choose.
local ANY_BELOW = 256

-- By place in the batch: where the request begins, and of what is proposed block and field, and an
-- IPv4 outside endpoint as a number. All rows that the batch may need are read once per block.
local starts, numbers, proposed, fields = {}, {}, {}, {}

local function read_proposals()
  local at, i = 1, 1
  while at <= #BATCH do
    local length, protocol, size, number = parse('>I3BBI6', BATCH, at)
    starts[i] = at
    if size == 6 and number % 65536 >= ANY_BELOW then
      local block, field = block_of_number(protocol, number)
      numbers[i], proposed[i], fields[i] = number, block, field
      if not block.wanted then want(block, 'L') end
      want(block, field)
    end
    at, i = at + 3 + length, i + 1
  end
end

local function read_request(at)
  local size = byte(BATCH, at + 4)
  local nonce, flags, age_ms, rst_age_ms, incarnation, inside, remote, replaces =
    parse('>I4BI4I4c8Bc0Bc0c12', BATCH, at + 5 + size)
  return {
    nonce = nonce, replaces = replaces, incarnation = incarnation, inside = inside,
    remote = remote, protocol = byte(BATCH, at + 3), proposal = sub(BATCH, at + 5, at + 4 + size),
    seen = sighting(flags, age_ms, rst_age_ms),
  }
end

-- Whether the block's lease is held, and by whom.
local function holder_now(block)
  if block.holder == nil then
    local incarnation, until_ms = lease_of(row_of(block, 'L'))
    block.holder = until_ms and until_ms > now_ms and incarnation
  end
  return block.holder
end

-- Writes a new binding and its first flow; `former` is the port's row so far.
local function bind(r, outside, block, field, former)
  local generation, state = new_generation(), first_state(r.seen)
  local binding = new_binding(r, outside, block, field, pack('>I8I4', generation, r.nonce))
  state.id, binding.first = binding.id, state
  write_binding(binding, latest_ms(r.protocol, state.seen_ms, state.rst_ms), former)
  tell_void(r.protocol, outside, '', generation)
  local until_ms = deadline_ms(r.protocol, state)
  look_again(block, until_ms)
  return pack_entry(CREATED, binding, block.rows[field], until_ms, binding.flowed and state)
end

-- Binds a port of a block that nobody leases; none while blocks are not granted either.
local function bind_any(r)
  if not may_grant() then return NO_BINDING end
  -- Before an inside endpoint's address stand domain and protocol, behind it the port.
  local length = #r.inside - 6
  local address, first = sub(r.proposal, 1, length), byte(r.proposal, -1)
  local reserved = sub(r.proposal, length + 1, -3)
  local port, block = choose_port(char(r.protocol) .. address, first, r.nonce, reserved)
  if not port then return EXHAUSTED end
  local field = char(port % BLOCK_PORTS)
  return bind(r, address .. pack('>I2', port), block, field, row_of(block, field))
end

-- There is no binding: takes the proposed port if the lease holds and the port is free for it. In
-- grace a holder is believed whose lease was lost or ran out; its opening restores it.
local function bind_proposal(r)
  if r.proposal == '' then return NO_BINDING end
  if byte(r.proposal, -2) == 0 then return bind_any(r) end
  local block, field = block_of(r.protocol, r.proposal)
  local former, holder = row_of(block, field), holder_now(block)
  if not holder and in_grace() then
    write_lease(block, r.incarnation)
    tell_lease(block, r.incarnation)
    block.holder = r.incarnation
  elseif holder ~= r.incarnation then
    return LEASE_LOST
  end
  if not may_take(block, field, r.inside, former) then return PORT_TAKEN end
  return bind(r, r.proposal, block, field, former)
end

-- Somebody's flow (or binding) is there: this opener's, or another's. It learns the sighting.
local function answer_stored(r, binding, record)
  local result = parse('>I4', record.id, 9) == r.nonce and CREATED or EXISTS
  local before_ms = latest_ms(r.protocol, record.seen_ms, record.rst_ms)
  if learn(r, binding, record) then written(binding, record, before_ms) end
  return pack_stored(result, binding, record)
end

-- In the place of a former incarnation, if there is one.
local function add_flow(r, binding, former)
  local flow = first_state(r.seen)
  flow.id, flow.is_further = new_identity(r.nonce), former and former.is_further
  write_record(binding, r.remote, flow)
  written(binding, flow, 0)
  local row, until_ms = binding.block.rows[binding.field], deadline_ms(r.protocol, flow)
  return pack_entry(CREATED, binding, row, until_ms, flow)
end

-- The binding's flows are all dead: the same inside endpoint revives it on the same port.
local function revive(r, binding)
  if binding.more then call('DEL', FLOWS_PREFIX .. r.inside) end
  local block, field = binding.block, binding.field
  return bind(r, binding.outside, block, field, block.rows[field])
end

-- In grace others may know that what looks dead lives: nothing is replaced.
local function open_on(r, binding)
  local record = record_of(binding, r.remote)
  if record and deadline_ms(r.protocol, record) > now_ms then
    local other = parse('>I4', record.id, 9) ~= r.nonce
    if other and r.remote ~= '' and record.id == r.replaces then
      -- Whoever carried the last incarnation must not take the next one's packets for its own.
      tell_void(r.protocol, binding.outside, r.remote, new_generation())
      return add_flow(r, binding, record)
    end
    return answer_stored(r, binding, record)
  end
  if not binding.flowed then
    if in_grace() then return answer_stored(r, binding, record) end
    return revive(r, binding)
  end
  local all = survey(binding)
  if not in_grace() then
    if all.live == 0 then return revive(r, binding) end
    delete_flows(binding, all.dead)
    record = nil
  end
  local kept = in_grace() and all.stored or all.live
  if kept >= FLOWS_PER_ENDPOINT_MAX then return LIMIT end
  return add_flow(r, binding, record)
end

-- `pointer`: what the entry is known to be, nil where that is not known.
local function open_slowly(at, pointer)
  local r = read_request(at)
  if pointer == nil then pointer = call('GET', ENTRY_PREFIX .. r.inside) end
  local outside = outside_of(pointer)
  local binding = outside and binding_at(r.inside, outside)
  return reply(binding and open_on(r, binding) or bind_proposal(r))
end

-- The TTL of an entry of the batch, and the step of deadlines that it is for: nearly all share it.
local step_ms, batch_ttl_ms = 0, 0

local function batch_ttl(latest)
  local step = latest - latest % TTL_STEP_MS
  if step ~= step_ms then step_ms, batch_ttl_ms = step, ttl_of(latest) end
  return batch_ttl_ms
end

-- What `bind` does, for a port that is free, with one flow at most and no RST seen.
local function bind_free(block, field, protocol, number, nonce, flags, seen_ms, life_ms, inside,
  remote)
  local generation = new_generation()
  local which, kind = 0, PLAIN
  if remote ~= '' then which, kind = 1, SINGLE end
  local row = pack('>BI8I4BI6c0c0', kind, generation, nonce, flags, seen_ms, inside, remote)
  put(block, field, row)
  local until_ms = seen_ms + life_ms
  look_again(block, until_ms)
  -- Few values: each is put into a table and taken out again.
  local n = #news
  news_formats[#news_formats + 1] = 'I3I7I8'
  news[n + 1], news[n + 2], news[n + 3] = VOID_IPV4 + protocol * 256, number * 256, generation
  formats[#formats + 1] = 'I5I5c0'
  values[used + 1], values[used + 2], values[used + 3] =
    (7 + #row) * 65536 + which, life_of(until_ms) * 256, row
  used = used + 3
end

-- Nearly every opening is of a new binding, on a port that is free in a block that is leased. One
-- call finds that there is none, binds the inside endpoint, and gives it its TTL.
local function open(at, i)
  local block, field = proposed[i], fields[i]
  if not block then return open_slowly(at) end
  local row = block.rows[field]
  if row == nil then row = row_of(block, field) end
  if row and not is_free(row) then return open_slowly(at) end
  local nonce, flags, age_ms, rst_age_ms, incarnation, inside, remote =
    parse('>I4BI4I4c8Bc0Bc0', BATCH, at + 11)
  local holder = block.holder or holder_now(block)
  if holder ~= incarnation or rst_age_ms ~= NO_AGE or #inside ~= 10 then return open_slowly(at) end
  local protocol, number = byte(BATCH, at + 3), numbers[i]
  flags = flags % 64
  local seen_ms = age_ms == 0 and now_ms or instant_ms(age_ms)
  if seen_ms == NEVER then seen_ms = now_ms end
  local life_ms = lives[protocol * 64 + flags] or look_up_life(protocol, flags)
  local ttl_ms = batch_ttl(seen_ms + (protocol == TCP and LIFE_TCP_LONGEST_MS or life_ms))
  local pointer = call('SET', ENTRY_PREFIX .. inside, string.format('%d', number),
    'NX', 'GET', 'PX', text_of(ttl_ms))
  if pointer then return open_slowly(at, pointer) end
  bind_free(block, field, protocol, number, nonce, flags, seen_ms, life_ms, inside, remote)
  keep_block(block, ttl_ms + QUARANTINE_MS)
  if BINDINGS_PER_SUBSCRIBER_MAX > 0 then
    count_port(block, inside, 1)
    keep_count(inside, ttl_ms + QUARANTINE_MS)
  end
end

note_grace()
read_proposals()
for i = 1, #starts do open(starts[i], i) end
return close_answer()
