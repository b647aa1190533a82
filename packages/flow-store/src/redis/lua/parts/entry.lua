-- An inside endpoint's entry, `e:{tag}:<inside endpoint>`: a hash with the binding's record in
-- field 'b' (a flow's record, then the outside endpoint), and for TCP one flow's record per remote
-- endpoint. A binding of TCP lives as long as its longest flow.
local ENTRY_PREFIX = 'e:' .. TAG .. ':'

local function entry_key(inside) return ENTRY_PREFIX .. inside end

local function protocol_of(inside) return byte(inside, 4) end

local function read_binding(bytes)
  local binding = read_record(bytes)
  binding.outside = sub(bytes, RECORD_BYTES + 1)
  return binding
end

-- All of an entry: its binding, when the longest and the first of its live flows end, how many
-- they are, and the fields of the dead ones. For UDP and ICMP the binding is its only flow.
local function read_entry(inside)
  local protocol = protocol_of(inside)
  local fields = call('HGETALL', entry_key(inside))
  local entry = { live = 0, last_ms = 0, first_ms = math.huge, dead = {}, flows = #fields / 2 - 1 }
  for i = 1, #fields, 2 do
    local field, bytes = fields[i], fields[i + 1]
    if field == 'b' then entry.binding = read_binding(bytes) end
    if protocol ~= TCP or field ~= 'b' then
      local until_ms = deadline_ms(protocol, read_record(bytes))
      if until_ms > now_ms then
        entry.live = entry.live + 1
        entry.last_ms = max(entry.last_ms, until_ms)
        entry.first_ms = math.min(entry.first_ms, until_ms)
      else
        entry.dead[#entry.dead + 1] = field
      end
    end
  end
  if not entry.binding then return nil end
  return entry
end

-- Deletes dead flows, a thousand to a call: unpack takes no more than about 8,000.
local function delete_flows(inside, fields)
  for i = 1, #fields, 1000 do
    call('HDEL', entry_key(inside), unpack(fields, i, math.min(i + 999, #fields)))
  end
end

-- Entries are kept in steps of some 9 minutes, so that few touches of UDP have to move a TTL.
local TTL_STEP_MS = 524288

local function kept_until(until_ms) return until_ms - until_ms % TTL_STEP_MS + TTL_STEP_MS end

local function is_kept(latest_ms, before_ms)
  return kept_until(latest_ms) <= kept_until(before_ms)
end

-- The TTLs that a flow with this latest deadline needs: the block outlives its entries by the
-- quarantine. `before_ms` is the one that the flow had, for which the keys are kept already; 0
-- where the flow is new, nil where the entry is: it has no TTL, which to GT is more than any.
local function keep_entry(inside, block, latest_ms, before_ms)
  if before_ms and is_kept(latest_ms, before_ms) then return note_written() end
  local ttl_ms = max(0, kept_until(latest_ms) - now_ms) + TTL_MARGIN_MS
  if before_ms then call('PEXPIRE', entry_key(inside), text_of(ttl_ms), 'GT')
  else call('PEXPIRE', entry_key(inside), text_of(ttl_ms)) end
  extend(block.key, ttl_ms + QUARANTINE_MS)
  keep_count(inside, ttl_ms + QUARANTINE_MS)
end

-- Removes an entry and puts its port into quarantine, if the port still is this binding's.
local function unbind(inside, binding)
  call('DEL', entry_key(inside))
  tell_void(protocol_of(inside), binding.outside, '', new_generation())
  local block, field = block_of(protocol_of(inside), binding.outside)
  if call('HGET', block.key, field) == bound_row(binding.id, inside) then
    count_port(inside, -1)
    quarantine(block, field, inside)
  end
end

-- Whether the entry that a bound row names is there and still is the same binding.
local function names_its_entry(row)
  local id, inside = holder_of(row)
  local bytes = call('HGET', entry_key(inside), 'b')
  return bytes and sub(bytes, 1, 12) == id
end

-- One byte each: of an inside endpoint, and of a binding, with IPv4 and IPv6 addresses.
local LENGTH = { [10] = '\10', [22] = '\22', [31] = '\31', [43] = '\43' }

-- In answers, after the code: inside endpoint and binding as they are stored, each with its length
-- (1) in front, what is left of the life, and the record of the flow asked for if it lives. Then
-- the life is that flow's: the others need not be read.
local function pack_entry(code, inside, binding, until_ms, flow)
  return code .. LENGTH[#inside] .. inside .. LENGTH[#binding] .. binding .. pack_life(until_ms)
    .. (flow or '')
end
