#!lua
--- @command open
--- @purpose Opens flows and bindings: adds a flow to the binding of its inside endpoint, or binds
---   the inside endpoint to the outside endpoint proposed, out of a leased block. What is there
---   already is answered, with the sighting merged into it. The opener's nonce makes it idempotent.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request nonce(4) flags(1) age(4) rstAge(4) replaces(12, zeros: none) incarnation(8), then
---   inside, remote and proposal, each with its length (1) in front, 0 for none. A proposal's port
---   may be below 64: then it is the first of the shard's blocks, and the store chooses a port;
---   between address and port stands then which of the shard's blocks are reserved, a byte each.
--- @result created 0 entry
--- @result exists 1 entry
--- @result portTaken 2
--- @result limit 3
--- @result leaseLost 4
--- @result noBinding 5
--- @result exhausted 6
--- @cost new binding: 3 calls; flow on a binding: 3 calls and all of the endpoint's flows read;
---   exists: 1 to 3 calls. 4 per block; where the store chooses, 2 more per block passed by. Per
---   script: 9 calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry
--- @include opening
--- @include unleased

local CREATED, EXISTS, PORT_TAKEN, LIMIT, LEASE_LOST, NO_BINDING, EXHAUSTED =
  '\0', '\1', '\2', '\3', '\4', '\5', '\6'

-- No port is below 1,024: the store is to choose one of the address.
local function is_any(proposal) return byte(proposal, -2) == 0 end

-- Also notes which port is proposed: a block is read once, with all rows that the batch may need.
local function read_request(bytes)
  local nonce, flags, age_ms, rst_age_ms, replaces, incarnation, inside, remote, proposal =
    parse('>I4BI4I4c12c8Bc0Bc0Bc0', bytes)
  local protocol, block, field = protocol_of(inside), nil, nil
  if proposal ~= '' and not is_any(proposal) then
    block, field = block_of(protocol, proposal)
    local wanted = block.wanted
    if wanted then wanted[#wanted + 1] = field
    else block.wanted = { block.key, 'L', field } end
  end
  return {
    nonce = nonce, replaces = replaces, incarnation = incarnation,
    inside = inside, remote = remote, proposal = proposal,
    block = block, field = field,
    seen = sighting(flags, age_ms, rst_age_ms),
    protocol = protocol, key = entry_key(inside), was_there = false,
  }
end

local function read_wanted(block)
  local wanted, rows = block.wanted, block.rows
  if not wanted then return end
  block.wanted = nil
  local values = call('HMGET', unpack(wanted))
  for i = 2, #wanted do
    local field = wanted[i]
    if rows[field] == nil then rows[field] = values[i - 1] end
  end
end

-- Writes a new binding, and for TCP its first flow, in place of a dead one if there is one;
-- `former` is the port's row so far.
local function bind(r, outside, block, field, former)
  local generation, state = new_generation(), first_state(r.seen)
  local id = pack('>I8I4', generation, r.nonce)
  local binding, flow = pack_record(id, state), nil
  if r.was_there then call('DEL', r.key) end
  if r.remote == '' then
    binding = binding .. outside
    call('HSET', r.key, 'b', binding)
  else
    binding, flow = id .. NO_STATE .. outside, binding
    call('HSET', r.key, 'b', binding, r.remote, flow)
  end
  write_row(block, field, id, r.inside, former)
  tell_void(r.protocol, outside, '', generation)
  written(r, block, state, nil)
  return pack_entry(CREATED, r.inside, binding, deadline_ms(r.protocol, state), flow)
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
  if is_any(r.proposal) then return bind_any(r) end
  local block, field = r.block, r.field
  read_wanted(block)
  local former = row_of(block, field)
  local incarnation, until_ms = lease_of(row_of(block, 'L'))
  local is_lost = not incarnation or until_ms <= now_ms
  if is_lost and in_grace() then write_lease(block, r.incarnation)
  elseif is_lost or incarnation ~= r.incarnation then return LEASE_LOST end
  if not may_take(block, field, r.inside, former) then return PORT_TAKEN end
  return bind(r, r.proposal, block, field, former)
end

-- Somebody's flow (or binding) is there: this opener's, or another's. It learns the sighting.
local function answer_live(r, binding, record)
  local until_ms = deadline_ms(r.protocol, record)
  local result = parse('>I4', record.id, 9) == r.nonce and CREATED or EXISTS
  local before_ms = latest_ms(r.protocol, record.seen_ms, record.rst_ms)
  if learn(r, binding.outside, record) then
    call('HSET', r.key, r.remote ~= '' and r.remote or 'b', record.bytes)
    local block = block_of(r.protocol, binding.outside)
    written(r, block, record, before_ms)
    until_ms = deadline_ms(r.protocol, record)
  end
  local flow = r.remote ~= '' and record.bytes
  return pack_entry(result, r.inside, binding.bytes, until_ms, flow)
end

local function add_flow(r, binding)
  local state = first_state(r.seen)
  local flow = pack_record(new_identity(r.nonce), state)
  call('HSET', r.key, r.remote, flow)
  local block = block_of(TCP, binding.outside)
  written(r, block, state, 0)
  return pack_entry(CREATED, r.inside, binding.bytes, deadline_ms(TCP, state), flow)
end

-- The entry's flows are all dead: the same inside endpoint revives it on the same port, if the
-- block still says that the port is its own. In grace others may know that it lives: it is not
-- replaced, but goes on by `go_on`.
local function revive(r, binding, go_on)
  r.was_there = true
  local block, field = block_of(r.protocol, binding.outside)
  local row = row_of(block, field)
  if row ~= bound_row(binding.id, r.inside) then return bind_proposal(r) end
  if in_grace() then return go_on() end
  return bind(r, binding.outside, block, field, row)
end

local function open_tcp(r)
  local fields = call('HMGET', r.key, 'b', r.remote)
  if not fields[1] then return bind_proposal(r) end
  local binding = read_binding(fields[1])
  local flow = fields[2] and read_record(fields[2])
  if flow and deadline_ms(TCP, flow) > now_ms then
    local other = parse('>I4', flow.id, 9) ~= r.nonce
    if other and flow.id == r.replaces then
      -- Whoever carried the last incarnation must not take the next one's packets for its own.
      tell_void(TCP, binding.outside, r.remote, new_generation())
      return add_flow(r, binding)
    end
    return answer_live(r, binding, flow)
  end
  local entry = read_entry(r.inside)
  local function go_on()
    if not in_grace() then delete_flows(r.inside, entry.dead) end
    local kept = in_grace() and entry.flows or entry.live
    if kept >= FLOWS_PER_ENDPOINT_MAX then return LIMIT end
    return add_flow(r, binding)
  end
  if entry.live == 0 then return revive(r, binding, go_on) end
  return go_on()
end

local function open(r)
  if r.protocol == TCP then return open_tcp(r) end
  local record = call('HGET', r.key, 'b')
  if not record then return bind_proposal(r) end
  local binding = read_binding(record)
  local function go_on() return answer_live(r, binding, binding) end
  if deadline_ms(r.protocol, binding) <= now_ms then return revive(r, binding, go_on) end
  return go_on()
end

local requests = {}
for i = 2, #ARGV do requests[i - 1] = read_request(ARGV[i]) end
note_grace()
return answer_all(open, requests)
