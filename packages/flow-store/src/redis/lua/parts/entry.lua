-- An inside endpoint's entry, `{tag}<inside endpoint>`: the outside endpoint that it is bound
-- to, an IPv4 one as the decimal number address * 65536 + port (of which Redis makes no string), an
-- IPv6 one packed. It leads to the port's row, which is the truth: where that is not bound to this
-- very inside endpoint there is no binding.
--
-- What flows there are beside the row's first one are in `x:{tag}:<inside endpoint>`, a hash from
-- remote endpoint to record.
-- Its key has no letter in front: one of 14 bytes takes 16 of memory, one of 15 takes 32.
local ENTRY_PREFIX, FLOWS_PREFIX = TAG, 'x:' .. TAG .. ':'

local function protocol_of(inside) return byte(inside, 4) end

-- The outside endpoint, packed, that an entry's value names; nil where it names none.
local function outside_of(pointer)
  if not pointer then return nil end
  if #pointer == 18 then return pointer end
  local outside = tonumber(pointer)
  return outside and outside % 1 == 0 and outside >= 0 and pack('>I6', outside) or nil
end

local function pointer_to(outside)
  if #outside == 18 then return outside end
  return string.format('%.0f', (parse('>I6', outside)))
end

-- The binding of the inside endpoint at this outside endpoint, as read_row gives it and where it
-- is; nil where the port is not its own.
local function binding_at(inside, outside)
  local block, field = block_of(protocol_of(inside), outside)
  local row = row_of(block, field)
  if not is_bound(row) then return nil end
  local binding = read_row(row)
  if binding.inside ~= inside then return nil end
  binding.protocol, binding.outside = protocol_of(inside), outside
  binding.block, binding.field = block, field
  return binding
end

-- Entries that were read together, by inside endpoint: what they lead to, false for nothing.
local pointers = {}

local function read_entries(insides)
  local keys = {}
  for i = 1, #insides do keys[i] = ENTRY_PREFIX .. insides[i] end
  local values = call('MGET', unpack(keys))
  for i = 1, #insides do
    local outside = outside_of(values[i])
    pointers[insides[i]] = outside or false
    if outside then want(block_of(protocol_of(insides[i]), outside)) end
  end
end

local function binding_of(inside)
  local outside = pointers[inside]
  if outside == nil then outside = outside_of(call('GET', ENTRY_PREFIX .. inside)) end
  return outside and binding_at(inside, outside)
end

-- Whether the inside endpoint of a bound row is led to this row.
local function leads_here(inside, block, field)
  local binding = binding_of(inside)
  return binding and binding.block == block and binding.field == field
end

-- The record of the flow with this remote endpoint, '' for a binding's own; nil where none is.
local function record_of(binding, remote)
  if binding.flowed == (remote == '') then return nil end
  if remote == binding.remote then return binding.first end
  local bytes = binding.more and call('HGET', FLOWS_PREFIX .. binding.inside, remote)
  if not bytes then return nil end
  local record = read_record(bytes)
  record.is_further = true
  return record
end

local function write_row(binding) put(binding.block, binding.field, pack_row(binding)) end

-- Writes a record that is there, or a new one: into the row, where there is room.
local function write_record(binding, remote, record)
  if not record.is_further and (remote == binding.remote or not binding.first) then
    binding.first, binding.remote = record, remote
    return write_row(binding)
  end
  local key = FLOWS_PREFIX .. binding.inside
  if not binding.more then
    -- What is left of another binding.
    call('DEL', key)
    binding.more = true
    write_row(binding)
  end
  record.is_further = true
  call('HSET', key, remote, pack_record(record))
end

-- Calls `look` with the remote endpoint and the record of each flow of a binding.
local function each_flow(binding, look)
  if binding.first then look(binding.remote, binding.first) end
  if not binding.more then return end
  local fields = call('HGETALL', FLOWS_PREFIX .. binding.inside)
  for i = 1, #fields, 2 do
    local record = read_record(fields[i + 1])
    record.is_further = true
    look(fields[i], record)
  end
end

-- Of a binding: how many of its flows live, when the last and the first of them end, how many are
-- stored, and the remote endpoints of the dead ones. One without flows is its own only flow.
local function survey(binding)
  local all = { live = 0, last_ms = 0, first_ms = math.huge, stored = 0, dead = {} }
  local function add(remote, record)
    local until_ms = deadline_ms(binding.protocol, record)
    all.stored = all.stored + 1
    if until_ms > now_ms then
      all.live = all.live + 1
      all.last_ms, all.first_ms = max(all.last_ms, until_ms), math.min(all.first_ms, until_ms)
    else
      all.dead[#all.dead + 1] = remote
    end
  end
  each_flow(binding, add)
  return all
end

-- Takes flows out, a thousand to a call: unpack takes no more than about 8,000.
local function delete_flows(binding, remotes)
  local key, further = FLOWS_PREFIX .. binding.inside, {}
  for _, remote in ipairs(remotes) do
    if remote == binding.remote then binding.first, binding.remote = nil, ''
    else further[#further + 1] = remote end
  end
  for i = 1, #further, 1000 do
    call('HDEL', key, unpack(further, i, math.min(i + 999, #further)))
  end
  if #further > 0 then binding.more = call('EXISTS', key) == 1 end
  if #remotes > 0 then write_row(binding) end
end

-- Entries are kept in steps of some 9 minutes, so that few touches of UDP have to move a TTL.
local TTL_STEP_MS = 524288

local function kept_until(until_ms) return until_ms - until_ms % TTL_STEP_MS + TTL_STEP_MS end

local function is_kept(latest_ms, before_ms)
  return kept_until(latest_ms) <= kept_until(before_ms)
end

-- The TTL that an entry with this latest deadline needs.
local function ttl_of(latest_ms) return max(0, kept_until(latest_ms) - now_ms) + TTL_MARGIN_MS end

-- The TTLs that a flow with this latest deadline needs: the block outlives its entries by the
-- quarantine. `before_ms` is the one that the flow had, for which the keys are kept already; 0
-- where it is new.
local function keep_entry(binding, latest_ms, before_ms)
  if is_kept(latest_ms, before_ms) then return note_written() end
  local ttl_ms = ttl_of(latest_ms)
  call('PEXPIRE', ENTRY_PREFIX .. binding.inside, text_of(ttl_ms), 'GT')
  if binding.more then extend(FLOWS_PREFIX .. binding.inside, ttl_ms) end
  keep_block(binding.block, ttl_ms + QUARANTINE_MS)
  keep_count(binding.inside, ttl_ms + QUARANTINE_MS)
end

-- A bound row that leads to the inside endpoint is written: what leads to it, and all TTLs.
-- `former` is the port's row so far: where it is bound, it is this very endpoint's, and counted.
local function write_binding(binding, latest_ms, former)
  local ttl_ms = ttl_of(latest_ms)
  local key = ENTRY_PREFIX .. binding.inside
  call('SET', key, pointer_to(binding.outside), 'PX', text_of(ttl_ms))
  pointers[binding.inside] = binding.outside
  write_row(binding)
  if not is_bound(former) then count_port(binding.block, binding.inside, 1) end
  keep_block(binding.block, ttl_ms + QUARANTINE_MS)
  keep_count(binding.inside, ttl_ms + QUARANTINE_MS)
end

-- The port of a binding that is over begins a quarantine.
local function leave_port(binding)
  tell_void(binding.protocol, binding.outside, '', new_generation())
  count_port(binding.block, binding.inside, -1)
  quarantine(binding.block, binding.field, binding.inside)
end

-- Ends a binding.
local function unbind(binding)
  drop(ENTRY_PREFIX .. binding.inside)
  pointers[binding.inside] = false
  if binding.more then drop(FLOWS_PREFIX .. binding.inside) end
  leave_port(binding)
end

-- In answers, of a flow whose identity is known: flags, whether an RST is the last thing seen, and
-- what is left of its life.
local function pack_state(code, flags, seen_ms, rst_ms, until_ms)
  return code .. pack('>BBI4', flags, rst_ms > seen_ms and 1 or 0, life_of(until_ms))
end

-- In answers, after the code: which flow it is about (0: none, 1: the row's first one, 2: the one
-- that follows), what is left of the life, that flow's record, the outside endpoint with its length
-- in front (0: the one that was asked for), and the row.
local function pack_entry(code, binding, row, until_ms, flow)
  local which = flow and (flow.is_further and 2 or 1) or 0
  return code .. pack('>BI4', which, life_of(until_ms))
    .. (which == 2 and pack_record(flow) or '')
    .. char(#binding.outside) .. binding.outside .. row
end
