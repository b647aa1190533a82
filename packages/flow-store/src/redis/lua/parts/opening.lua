-- What opening and re-assertion share: taking a port, and merging what was seen.

-- The opening packet itself was seen, so an opening without any age was seen just now.
local function first_state(seen)
  if seen.seen_ms == NEVER and seen.rst_ms == NEVER then seen.seen_ms = now_ms end
  return seen
end

-- After a record was written: its keys are kept long enough, and its deadline is looked at.
-- `before_ms` as in keep_entry.
local function written(binding, record, before_ms)
  keep_entry(binding, latest_ms(binding.protocol, record.seen_ms, record.rst_ms), before_ms)
  look_again(binding.block, deadline_ms(binding.protocol, record))
end

-- Whether the port with this row is free for this inside endpoint. A bound row that nothing leads
-- to is not free: it goes into quarantine, from now on, unless it names this very endpoint. What is
-- in quarantine since a lease ran out is kept for its holder: who asks for it in grace.
local function may_take(block, field, inside, row)
  if not row then return true end
  if is_bound(row) then
    local holder = holder_of(row)
    if leads_here(holder, block, field) then return false end
    if holder == inside then return true end
    orphan(block, field, holder)
    return false
  end
  local until_ms, holder = mark_of(row)
  return until_ms <= now_ms or holder == inside or (holder == '' and in_grace())
end

-- Merges a sighting into a flow or binding; who else carries a flow that now closes is told. Says
-- whether the record learned anything.
local function learn(r, binding, record)
  local was_closing = is_closing(record.flags, record.seen_ms, record.rst_ms)
  if not merge(record, r.seen) then return false end
  local closes = not was_closing and is_closing(record.flags, record.seen_ms, record.rst_ms)
  if closes and r.remote ~= '' then tell_closing(r.protocol, binding.outside, r.remote) end
  write_record(binding, r.remote, record)
  return true
end

-- A binding that is to be written: the first flow's record is its own where it has no flows.
local function new_binding(r, outside, block, field, id)
  return {
    inside = r.inside, outside = outside, protocol = r.protocol, block = block, field = field,
    id = id, flowed = r.remote ~= '', more = false, remote = r.remote,
  }
end

-- The answer about a binding that is there, and its flow with the remote endpoint that was asked
-- for: one that is over, be it by what was just merged, is none.
local function pack_stored(code, binding, record)
  local row = binding.block.rows[binding.field]
  local until_ms = record and deadline_ms(binding.protocol, record) or 0
  if not binding.flowed or until_ms > now_ms then
    return pack_entry(code, binding, row, until_ms, binding.flowed and record)
  end
  return pack_entry(code, binding, row, survey(binding).last_ms)
end
