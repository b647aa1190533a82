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
--- @cost 1 call per binding looked at (all of its flows read), 1 more if it lives, 3 per block in
---   which something is over, 9 per script; entries are deleted and blocks indexed together. A look
---   is a flow, a mark or, where there is neither, a block; stops after the port at which it took
---   the last of looksMax. To count anew: 1 call per block of the shard, and 1 per bound row; only
---   after a limit was set, or after the reaper was away for so long that blocks went by their TTL
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry
--- @include recount

local SWEPT = '\0'
local NONE_DUE = 281474976710655
local BOUND = 98
-- unpack takes no more than about 8,000.
local ARGS_MAX = 1000

local count = { flows = 0, bindings = 0, orphans = 0, freed = 0, leases = 0, recounts = 0 }
local looks_taken = 0
-- What is done once for all blocks of the call; `scores` by member: when to look at the block next.
local dead_keys, scores, unindexed = {}, {}, {}
local mark_ms = now_ms + QUARANTINE_MS
local MARK = 'q' .. pack('>I6', mark_ms)

local function in_parts(args, send)
  for i = 1, #args, ARGS_MAX do send(unpack(args, i, math.min(i + ARGS_MAX - 1, #args))) end
end

local function record_deadline(protocol, bytes)
  return deadline_of(protocol, byte(bytes, 13), instant_at(bytes, 14), instant_at(bytes, 20))
end

-- Of a UDP or ICMP binding, which is its only flow: its record, and when it ends, as the first and
-- as the last one.
local function look_at_binding(protocol, inside)
  looks_taken = looks_taken + 1
  local bytes = call('HGET', ENTRY_PREFIX .. inside, 'b')
  if not bytes then return nil end
  local until_ms = record_deadline(protocol, bytes)
  if until_ms <= now_ms then return bytes end
  return bytes, until_ms, until_ms
end

-- Of a TCP binding: its record, when the first and the last of its live flows end, none where all
-- are dead, and the dead ones.
local function look_at_flows(inside)
  local fields = call('HGETALL', ENTRY_PREFIX .. inside)
  local bytes, first_ms, last_ms, dead
  for i = 1, #fields, 2 do
    if fields[i] == 'b' then
      bytes = fields[i + 1]
    else
      local until_ms = record_deadline(TCP, fields[i + 1])
      if until_ms <= now_ms then
        dead = dead or {}
        dead[#dead + 1] = fields[i]
      else
        first_ms = math.min(first_ms or until_ms, until_ms)
        last_ms = max(last_ms or until_ms, until_ms)
      end
    end
  end
  looks_taken = looks_taken + math.max(1, #fields / 2 - 1)
  if not bytes then return nil end
  return bytes, first_ms, last_ms, dead
end

-- What a binding that lives on needs. Its TTL was set by the timeouts of its time, which may have
-- grown since.
local function keep_on(block, inside, last_ms, dead)
  local key = ENTRY_PREFIX .. inside
  if dead then
    in_parts(dead, function(...) call('HDEL', key, ...) end)
    count.flows = count.flows + #dead
  end
  local ttl_ms = last_ms - now_ms + TTL_MARGIN_MS
  call('PEXPIRE', key, text_of(ttl_ms), 'GT')
  extend(block.key, ttl_ms + QUARANTINE_MS)
  keep_count(inside, ttl_ms + QUARANTINE_MS)
end

-- Looks at a bound row; gives the instant of its next deadline, or nil and, where its binding is
-- over, its mark from now on and its outside endpoint.
local function sweep_binding(block, protocol, field, row)
  local inside = sub(row, 14)
  local bytes, first_ms, last_ms, dead
  if protocol == TCP then bytes, first_ms, last_ms, dead = look_at_flows(inside)
  else bytes, first_ms, last_ms = look_at_binding(protocol, inside) end
  if not bytes or sub(bytes, 1, IDENTITY_BYTES) ~= sub(row, 2, 13) then
    orphan(block, field, inside)
    count.orphans = count.orphans + 1
    return nil, nil
  end
  if first_ms then
    keep_on(block, inside, last_ms, dead)
    return first_ms
  end
  count.flows = count.flows + (protocol == TCP and #(dead or {}) or 1)
  count.bindings = count.bindings + 1
  dead_keys[#dead_keys + 1] = ENTRY_PREFIX .. inside
  count_port(inside, -1)
  return nil, MARK .. inside, sub(bytes, RECORD_BYTES + 1)
end

-- Counts are wrong where they were not kept so far, or where a block is gone by its TTL.
local function keep_counts_right(block_is_gone)
  local kept = stored_meta[9]
  if BINDINGS_PER_SUBSCRIBER_MAX > 0 then
    if kept == '1' and not block_is_gone then return end
    recount()
    count.recounts = 1
    -- Where rows are there is a meta key, which has its TTL.
    if call('EXISTS', META) == 1 then call('HSET', META, 'n', '1') end
  elseif kept then
    drop_counts()
    call('HDEL', META, 'n')
  end
end

-- Ends a lease whose time is over. Its holder may have used any rowless port up to the end
-- (provisional flows): all of them begin in quarantine. The same as expire_lease, gathered.
local function end_lease(fields, gone, marked)
  local taken = {}
  for i = 1, #fields, 2 do taken[fields[i]] = true end
  for _, field in ipairs(gone) do taken[field] = nil end
  gone[#gone + 1] = 'L'
  count.leases = count.leases + 1
  for offset = 0, BLOCK_PORTS - 1 do
    local field = char(offset)
    if not taken[field] then marked[#marked + 1], marked[#marked + 2] = field, MARK end
  end
end

local function write_block(block, gone, marked)
  if #gone > 0 then call('HDEL', block.key, unpack(gone)) end
  if #marked == 0 then return end
  call('HSET', block.key, unpack(marked))
  extend(block.key, QUARANTINE_MS + TTL_MARGIN_MS)
end

-- Looks at one port or the lease. Gives the instant of its next deadline, and what ended with it:
-- the mark that it gets and its outside endpoint, or that it is free.
local function sweep_row(block, protocol, field, row)
  if byte(row) == BOUND then
    local at_ms, mark, outside = sweep_binding(block, protocol, field, row)
    return at_ms or mark_ms, mark, outside
  end
  looks_taken = looks_taken + 1
  local at_ms = instant_at(row, 2)
  return at_ms, nil, nil, at_ms <= now_ms
end

-- Looks at the ports from `from` on, until the looks are used up. Gives the earliest deadline of
-- those looked at; the port to go on with, nil at the block's end; and whether the block is there.
local function sweep_block(block, from, looks_max)
  local fields = call('HGETALL', block.key)
  local protocol, next_ms, rows, last = byte(block.member), NONE_DUE, {}, -1
  for i = 1, #fields, 2 do
    local offset = fields[i] == 'L' and 'L' or byte(fields[i])
    rows[offset] = fields[i + 1]
    if offset ~= 'L' and offset > last then last = offset end
  end
  local gone, marked, voided, go_on = {}, {}, {}, nil
  for offset = from, last do
    local row = rows[offset]
    if row then
      if looks_taken >= looks_max then
        go_on = offset
        break
      end
      local field = char(offset)
      local at_ms, mark, outside, is_free = sweep_row(block, protocol, field, row)
      if mark then
        marked[#marked + 1], marked[#marked + 2] = field, mark
        voided[#voided + 1] = outside
      end
      if is_free then gone[#gone + 1] = field
      elseif at_ms < next_ms then next_ms = at_ms end
    end
  end
  count.freed = count.freed + #gone
  local lease_ms = rows.L and instant_at(rows.L, 9)
  if lease_ms and lease_ms > now_ms then
    next_ms = math.min(next_ms, lease_ms)
  elseif lease_ms and not go_on then
    -- With the last port, lest one whose mark is over was freed after the lease's end.
    end_lease(fields, gone, marked)
    next_ms = math.min(next_ms, mark_ms)
  end
  if #voided > 0 then tell_voids(protocol, voided, new_generation()) end
  write_block(block, gone, marked)
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
  local blocks, overdue_ms, any_gone, wanted = 0, 0, false, 0
  repeat
    wanted = math.ceil((looks_max - looks_taken) / BLOCK_PORTS)
    local due = call('ZRANGEBYSCORE', INDEX, '-inf', '(' .. text_of(now_ms + 1), 'WITHSCORES',
      'LIMIT', blocks, wanted)
    if blocks == 0 and due[2] then overdue_ms = now_ms - math.floor(tonumber(due[2])) end
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
      blocks = blocks + 1
      if looks_taken >= looks_max then break end
    end
  until #due < 2 * wanted or looks_taken >= looks_max
  in_parts(dead_keys, function(...) call('DEL', ...) end)
  write_index()
  return blocks, overdue_ms, any_gone
end

local function answer(blocks, in_grace, overdue_ms, next_due_ms)
  return SWEPT .. pack('>I4I4I4I4I4I4BI6I6I4B', blocks, count.flows, count.bindings,
    count.orphans, count.freed, count.leases, in_grace, overdue_ms, next_due_ms, looks_taken,
    count.recounts)
end

local function sweep(bytes)
  if not may_sweep() then return answer(0, 1, 0, NONE_DUE) end
  local blocks, overdue_ms, any_gone = sweep_due(parse('>I4', bytes))
  keep_counts_right(any_gone)
  local first = call('ZRANGE', INDEX, 0, 0, 'WITHSCORES')
  local next_due_ms = first[2] and max(0, math.floor(tonumber(first[2])) - now_ms) or NONE_DUE
  return answer(blocks, 0, overdue_ms, next_due_ms)
end

note_grace()
return answer_all(sweep)
