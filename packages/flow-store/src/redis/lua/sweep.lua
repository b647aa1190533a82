#!lua flags=allow-oom
--- @command sweep
--- @purpose Looks at the blocks of a shard whose earliest deadline may have passed: deletes dead
---   flows and bindings, marks orphaned rows, frees ports whose quarantine is over, ends leases.
---   What moved on is given its new deadline, like a timer that finds its flow extended. Counts
---   subscribers' ports anew where rows are gone that nobody ended. Runs where memory is full, too:
---   it is what frees it.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request looksMax(4)
--- @result swept 0 blocks(4) flowsDeleted(4) bindingsDeleted(4) rowsOrphaned(4) portsFreed(4)
---   leasesExpired(4) inGrace(1) overdueMs(6) nextDueMs(6, all ones: none) looks(4)
---   recounts(1)
--- @cost 3 calls per block, 4 more in which something is over; 1 per binding that lives; with more
---   flows than one all of them read; 13 per script; blocks are indexed together. A look is a flow,
---   a mark or, where there is neither, a block; stops after the port at which it took the last of
---   looksMax. To count anew, with the looks that are left, 64 at
---   least: 2 calls per block, 2 per bound row, and once 1 for all blocks; only after a limit was
---   set, or after the reaper was away for so long that blocks went by their TTL
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block
--- @include entry
--- @include recount

local SWEPT = '\0'
local NONE_DUE = 281474976710655

local count = { flows = 0, bindings = 0, orphans = 0, freed = 0, leases = 0, recounts = 0 }
local looks_taken = 0
-- Of the block that is looked at: its rows by offset, those that are bound, and the fields to
-- write. The tables serve all blocks, as growing them takes a tenth of a sweep: what is in them
-- beyond what is counted is of no block any more.
local rows, offsets, insides, keys, writes = {}, {}, {}, {}, {}
local protocol, writes_n, over_n, over_mask = nil, 1, 0, 0
-- What is done once for all blocks of the call; `scores` by member: when to look at the block next.
local scores, unindexed = {}, {}
local mark_ms = now_ms + QUARANTINE_MS
local MARK = 'q' .. pack('>I6', mark_ms)
local LONGEST_TTL_MS = LIFE_TCP_LONGEST_MS + QUARANTINE_MS + TTL_MARGIN_MS

-- What a binding that lives on needs. Its TTL was set by the timeouts of its time, which may have
-- grown since.
local function keep_on(block, inside, last_ms, more)
  local ttl_ms = last_ms - now_ms + TTL_MARGIN_MS
  call('PEXPIRE', ENTRY_PREFIX .. inside, text_of(ttl_ms), 'GT')
  if more then extend(FLOWS_PREFIX .. inside, ttl_ms) end
  keep_block(block, ttl_ms + QUARANTINE_MS)
  keep_count(inside, ttl_ms + QUARANTINE_MS)
end

-- Of a binding that has more flows than one: when the first of those that live ends, nil where
-- none does.
local function sweep_flows(block, field, row)
  local binding = read_row(row)
  binding.protocol, binding.block, binding.field = protocol, block, field
  local all = survey(binding)
  looks_taken = looks_taken + max(1, all.stored)
  count.flows = count.flows + #all.dead
  if all.live == 0 then
    -- One is counted with the binding.
    count.flows = count.flows - 1
    drop(FLOWS_PREFIX .. binding.inside)
    return nil
  end
  delete_flows(binding, all.dead)
  keep_on(block, binding.inside, all.last_ms, binding.more)
  return all.first_ms
end

-- Counts are wrong where they were not kept so far, or where a block is gone by its TTL. Some are
-- counted even where all looks were taken, lest it takes for ever.
local function keep_counts_right(block_is_gone, rows_max)
  local kept = read_counts_state()
  if BINDINGS_PER_SUBSCRIBER_MAX == 0 then
    if not kept then return false end
    drop_counts()
    call('HDEL', META, 'n')
    counts_state = false
    return false
  end
  if kept == '1' and not block_is_gone then return false end
  look_for_counting()
  if block_is_gone or not counted_to then begin_recount() end
  local is_done = count_on(max(rows_max, 4 * BLOCK_PORTS))
  if is_done then
    count.recounts = 1
    call('DEL', ORDER)
  else
    extend(ORDER, LONGEST_TTL_MS)
  end
  -- Where rows are there is a meta key, which has its TTL.
  counts_state = is_done and '1' or 'c' .. counted_to
  if call('EXISTS', META) == 1 then call('HSET', META, 'n', counts_state) end
  return not is_done
end

-- By the field of a port: its offset.
local OFFSETS = {}
for offset = 0, BLOCK_PORTS - 1 do OFFSETS[FIELDS[offset]] = offset end

-- Sorts what the block holds. Gives the last offset that has a row, and the lease.
local function sort_rows(fields)
  local last, lease = -1, nil
  for offset = 0, BLOCK_PORTS - 1 do rows[offset] = false end
  for i = 1, #fields, 2 do
    local offset = OFFSETS[fields[i]]
    if not offset then
      lease = fields[i + 1]
    else
      rows[offset] = fields[i + 1]
      if offset > last then last = offset end
    end
  end
  return last, lease
end

-- What an entry holds that leads to the block's port of offset 0, as a number, nil for IPv6; and
-- that port.
local function place_of(block)
  local member = block.member
  local port = parse('>I2', member, #member - 1) * BLOCK_PORTS + FIRST_PORT
  return #member == 7 and parse('>I4', member, 2) * 65536 + port or nil, port
end

-- Ends a lease whose time is over. Its holder may have used any rowless port up to the end
-- (provisional flows): all of them begin in quarantine. The same as expire_lease, gathered.
local function end_lease(gone)
  local taken = {}
  for i = 1, #gone do taken[OFFSETS[gone[i]]] = true end
  gone[#gone + 1] = 'L'
  count.leases = count.leases + 1
  for offset = 0, BLOCK_PORTS - 1 do
    if not rows[offset] or taken[offset] then
      writes[writes_n + 1], writes[writes_n + 2] = FIELDS[offset], MARK
      writes_n = writes_n + 2
    end
  end
end

-- Looks at a bound row to which its inside endpoint leads. Gives the instant of its next deadline.
local function sweep_bound(block, offset, row, inside, key)
  local kind, until_ms = byte(row), nil
  if kind == PLAIN or kind == SINGLE then
    looks_taken = looks_taken + 1
    local flags, a, b, c, d, e, f = byte(row, 14, 20)
    until_ms = ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
      + (lives[protocol * 64 + flags] or look_up_life(protocol, flags))
    if until_ms > now_ms then keep_on(block, inside, until_ms, false) end
  elseif band(kind, MORE) ~= 0 then
    until_ms = sweep_flows(block, FIELDS[offset], row) or 0
  else
    looks_taken = looks_taken + 1
    until_ms = deadline_of(protocol, state_in(row, kind))
    if until_ms > now_ms then keep_on(block, inside, until_ms, false) end
  end
  if until_ms > now_ms then return until_ms end
  over_n, over_mask = over_n + 1, over_mask + 2 ^ offset
  -- Of those that are read by now one less is needed.
  keys[over_n] = key
  if BINDINGS_PER_SUBSCRIBER_MAX > 0 then count_port(block, inside, -1) end
  writes[writes_n + 1], writes[writes_n + 2] = FIELDS[offset], MARK .. inside
  writes_n = writes_n + 2
  return mark_ms
end

-- Looks at the bound rows that were found: reads, together, what leads to them. Gives the earliest
-- of their deadlines, and the port to go on with where the looks were used up.
local function sweep_all_bound(block, n, looks_max)
  local pointers, first, port = call('MGET', unpack(keys, 1, n)), place_of(block)
  local next_ms = NONE_DUE
  for k = 1, n do
    local offset, pointer, at_ms = offsets[k], pointers[k], mark_ms
    if looks_taken >= looks_max then return next_ms, offset end
    local place = first and first + offset
      or sub(block.member, 2, 17) .. pack('>I2', port + offset)
    if pointer and (#pointer < 18 and tonumber(pointer) or pointer) == place then
      at_ms = sweep_bound(block, offset, rows[offset], insides[k], keys[k])
    else
      looks_taken = looks_taken + 1
      count.orphans = count.orphans + 1
      orphan(block, FIELDS[offset], insides[k])
    end
    if at_ms < next_ms then next_ms = at_ms end
  end
  return next_ms
end

-- Looks at the ports from `from` on, until the looks are used up. Gives the earliest deadline of
-- those looked at, and the port to go on with, nil at the block's end. `gone` are the ports that
-- are free.
local function sweep_rows(block, from, last, looks_max, gone)
  local n, next_ms, go_on = 0, NONE_DUE, nil
  for offset = from, last do
    local row = rows[offset]
    if row then
      -- A row takes one look at least.
      if looks_taken + n >= looks_max then
        go_on = offset
        break
      end
      local kind = byte(row)
      if kind >= BOUND then
        n = n + 1
        local inside = (kind == PLAIN or kind == SINGLE) and sub(row, 21, 30) or holder_of(row)
        offsets[n], insides[n], keys[n] = offset, inside, ENTRY_PREFIX .. inside
      else
        looks_taken = looks_taken + 1
        local at_ms = instant_at(row, 2)
        if at_ms <= now_ms then gone[#gone + 1] = FIELDS[offset]
        elseif at_ms < next_ms then next_ms = at_ms end
      end
    end
  end
  if n == 0 then return next_ms, go_on end
  local bound_ms, bound_go_on = sweep_all_bound(block, n, looks_max)
  return math.min(next_ms, bound_ms), bound_go_on or go_on
end

-- Writes what was noted of the block, and deletes what led to the bindings that are over.
local function write_rows(block, gone)
  if over_n > 0 then call('DEL', unpack(keys, 1, over_n)) end
  if #gone > 0 then call('HDEL', block.key, unpack(gone)) end
  if writes_n > 1 then
    writes[1] = block.key
    call('HSET', unpack(writes, 1, writes_n))
    keep_block(block, QUARANTINE_MS + TTL_MARGIN_MS)
  end
end

-- Looks at the block from a port on. Gives when it is to be looked at next for what was looked at;
-- the port to go on with, nil at the block's end; and whether the block is there.
local function sweep_block(block, from, looks_max)
  local fields, gone = call('HGETALL', block.key), {}
  local last, lease = sort_rows(fields)
  protocol, writes_n, over_n, over_mask = byte(block.member), 1, 0, 0
  local next_ms, go_on = sweep_rows(block, from, last, looks_max, gone)
  count.freed = count.freed + #gone
  count.bindings, count.flows = count.bindings + over_n, count.flows + over_n
  local lease_ms, is_ended = lease and instant_at(lease, 9), false
  if lease_ms and lease_ms > now_ms then
    next_ms = math.min(next_ms, lease_ms)
  elseif lease_ms and not go_on then
    is_ended = true
    -- With the last port, lest one whose mark is over was freed after the lease's end.
    end_lease(gone)
    next_ms = math.min(next_ms, mark_ms)
  end
  if over_n > 0 then tell_voids(block, over_mask) end
  if is_ended then tell_lease(block, '') end
  write_rows(block, gone)
  return next_ms, go_on, #fields > 0
end

-- A block that a call did not look at to its end has a second member in the index: its own and one
-- byte more, so that its length is even. That one is due as the block was, and its score's fraction
-- says which port to go on with. The block's own score meanwhile stands for the ports that were
-- looked at, and falls where a deadline of theirs shrinks. So nothing has to be remembered.
local function place_of_member(member, score)
  if #member % 2 == 1 then return member, 0 end
  return sub(member, 1, -2), score % 1 * BLOCK_PORTS
end

-- Notes when to look at the block again, after a look from a port on to its end.
local function note_next(member, from, next_ms)
  if from > 0 then
    local score = scores[member] or call('ZSCORE', INDEX, member)
    local is_there = call('EXISTS', BLOCK_PREFIX .. member) == 1
    next_ms = is_there and math.min(next_ms, tonumber(score or NONE_DUE)) or NONE_DUE
    unindexed[#unindexed + 1] = member .. GO_ON
  end
  if next_ms == NONE_DUE then
    scores[member], unindexed[#unindexed + 1] = nil, member
  else
    scores[member] = next_ms
  end
end

local function write_index()
  local indexed = {}
  for member, score in pairs(scores) do
    indexed[#indexed + 1], indexed[#indexed + 2] = string.format('%.4f', score), member
  end
  in_parts(unindexed, function(...) call('ZREM', INDEX, ...) end)
  in_parts(indexed, function(...) call('ZADD', INDEX, ...) end)
end

-- Looks at the blocks that are due, the longest overdue in front; says how many, how long the first
-- is overdue, and whether one was gone. Scores change at the end alone, so pages follow each other.
local function sweep_due(looks_max)
  local looked_at, overdue_ms, any_gone, wanted = 0, 0, false, 0
  repeat
    wanted = math.ceil((looks_max - looks_taken) / BLOCK_PORTS)
    local due = call('ZRANGEBYSCORE', INDEX, '-inf', '(' .. text_of(now_ms + 1), 'WITHSCORES',
      'LIMIT', looked_at, wanted)
    if looked_at == 0 and due[2] then overdue_ms = now_ms - math.floor(tonumber(due[2])) end
    for i = 1, #due, 2 do
      local score, looks_before = tonumber(due[i + 1]), looks_taken
      local member, from = place_of_member(due[i], score)
      local next_ms, go_on, is_there = sweep_block(block_at(member), from, looks_max)
      if looks_taken == looks_before then looks_taken = looks_taken + 1 end
      if go_on then
        note_next(member, from, math.min(next_ms, mark_ms))
        scores[member .. GO_ON] = math.floor(score) + go_on / BLOCK_PORTS
      else
        note_next(member, from, next_ms)
      end
      any_gone = any_gone or from == 0 and not is_there
      looked_at = looked_at + 1
      if looks_taken >= looks_max then break end
    end
  until #due < 2 * wanted or looks_taken >= looks_max
  write_index()
  return looked_at, overdue_ms, any_gone
end

local function answer(blocks, in_grace, overdue_ms, next_due_ms)
  return SWEPT .. pack('>I4I4I4I4I4I4BI6I6I4B', blocks, count.flows, count.bindings,
    count.orphans, count.freed, count.leases, in_grace, overdue_ms, next_due_ms, looks_taken,
    count.recounts)
end

local function sweep(bytes)
  if not may_sweep() then return answer(0, 1, 0, NONE_DUE) end
  local looks_max = parse('>I4', bytes)
  local blocks, overdue_ms, any_gone = sweep_due(looks_max)
  local counts_on = keep_counts_right(any_gone, looks_max - looks_taken)
  local first = call('ZRANGE', INDEX, 0, 0, 'WITHSCORES')
  local next_due_ms = first[2] and max(0, math.floor(tonumber(first[2])) - now_ms) or NONE_DUE
  if counts_on then next_due_ms = 0 end
  return answer(blocks, 0, overdue_ms, next_due_ms)
end

note_grace()
return answer_all(sweep)
