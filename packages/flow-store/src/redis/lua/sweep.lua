#!lua
--- @command sweep
--- @purpose Looks at the blocks of a shard whose earliest deadline may have passed: deletes dead
---   flows and bindings, marks orphaned rows, frees ports whose quarantine is over, ends leases.
---   What moved on is given its new deadline, like a timer that finds its flow extended. Counts
---   subscribers' ports anew where rows are gone that nobody ended.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request blocksMax(4)
--- @result swept 0 blocks(4) flowsDeleted(4) bindingsDeleted(4) rowsOrphaned(4) portsFreed(4)
---   leasesExpired(4) inGrace(1) overdueMs(6) nextDueMs(6, all ones: none)
--- @cost per block 2 calls and 1 per binding (all of its flows read), 5 per deletion; stops after
---   the block in which it has read 4,096 flows. To count anew: 1 call per block of the shard, and
---   1 per bound row; only after a limit was set, or after the reaper was away for so long that
---   blocks went by their TTL
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry

local SWEPT = '\0'
local FLOWS_READ_MAX = 4096
local NONE_DUE = 281474976710655

local count = { flows = 0, bindings = 0, orphans = 0, freed = 0, leases = 0 }
local flows_read = 0

-- Looks at a bound row; gives the instant of its next deadline, nil if it is a mark now.
local function sweep_binding(block, field, row)
  local id, inside = holder_of(row)
  local entry = read_entry(inside)
  if not entry or entry.binding.id ~= id then
    orphan(block, field, inside)
    count.orphans = count.orphans + 1
    return nil
  end
  flows_read = flows_read + math.max(1, entry.flows)
  count.flows = count.flows + #entry.dead
  if entry.live == 0 then
    count.bindings = count.bindings + 1
    unbind(inside, entry.binding)
    return nil
  end
  delete_flows(inside, entry.dead)
  return entry.first_ms
end

-- Counts the bound rows of all blocks anew: the truth, whatever the counts said.
local function recount()
  drop_counts()
  for _, member in ipairs(redis.call('ZRANGE', INDEX, 0, -1)) do
    local block = block_at(member)
    for field, row in pairs(read_block(block)) do
      if field ~= 'L' and is_bound(row) then
        local _, inside = holder_of(row)
        count_port(inside, 1)
        keep_count(inside, redis.call('PTTL', block.key))
      end
    end
  end
end

-- Counts are wrong where they were not kept so far, or where a block is gone by its TTL.
local function keep_counts_right(block_is_gone)
  local kept = redis.call('HGET', META, 'n')
  if BINDINGS_PER_SUBSCRIBER_MAX > 0 then
    if kept == '1' and not block_is_gone then return end
    recount()
    -- Where rows are there is a meta key, which has its TTL.
    if redis.call('EXISTS', META) == 1 then redis.call('HSET', META, 'n', '1') end
  elseif kept then
    drop_counts()
    redis.call('HDEL', META, 'n')
  end
end

-- Gives the instant at which the block needs a look next, nil if nothing is left of it; and whether
-- nothing was there to begin with.
local function sweep_block(block)
  local rows = read_block(block)
  if not next(rows) then return nil, true end
  local mark_ms = now_ms + QUARANTINE_MS
  local next_ms = math.huge
  for offset = 0, BLOCK_PORTS - 1 do
    local field = string.char(offset)
    local row = rows[field]
    if row and is_bound(row) then
      next_ms = math.min(next_ms, sweep_binding(block, field, row) or mark_ms)
    elseif row then
      local until_ms = mark_of(row)
      if until_ms > now_ms then
        next_ms = math.min(next_ms, until_ms)
      else
        redis.call('HDEL', block.key, field)
        rows[field] = nil
        count.freed = count.freed + 1
      end
    end
  end
  if expire_lease(block, rows) then
    count.leases = count.leases + 1
    next_ms = math.min(next_ms, mark_ms)
  elseif rows.L then
    local _, until_ms = lease_of(rows.L)
    next_ms = math.min(next_ms, until_ms)
  end
  return next_ms < math.huge and next_ms or nil
end

local function sweep(bytes)
  if not may_sweep() then
    return SWEPT .. struct.pack('>I4I4I4I4I4I4BI6I6', 0, 0, 0, 0, 0, 0, 1, 0, NONE_DUE)
  end
  local blocks_max = struct.unpack('>I4', bytes)
  local due = redis.call('ZRANGEBYSCORE', INDEX, '-inf', now_ms, 'WITHSCORES',
    'LIMIT', 0, blocks_max)
  local overdue_ms = due[2] and now_ms - tonumber(due[2]) or 0
  local blocks, any_gone = 0, false
  for i = 1, #due, 2 do
    local block = block_at(due[i])
    local next_ms, gone = sweep_block(block)
    any_gone = any_gone or gone
    if next_ms then redis.call('ZADD', INDEX, next_ms, block.member)
    else redis.call('ZREM', INDEX, block.member) end
    blocks = blocks + 1
    if flows_read >= FLOWS_READ_MAX then break end
  end
  keep_counts_right(any_gone)
  local first = redis.call('ZRANGE', INDEX, 0, 0, 'WITHSCORES')
  local next_due_ms = first[2] and math.max(0, tonumber(first[2]) - now_ms) or NONE_DUE
  return SWEPT .. struct.pack('>I4I4I4I4I4I4BI6I6', blocks, count.flows, count.bindings,
    count.orphans, count.freed, count.leases, 0, overdue_ms, next_due_ms)
end

note_grace()
return answer_all(sweep)
