#!lua
--- @command sweep
--- @purpose Looks at the blocks of a shard whose earliest deadline may have passed: deletes dead
---   flows and bindings, marks orphaned rows, frees ports whose quarantine is over, ends leases.
---   What moved on is given its new deadline, like a timer that finds its flow extended.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request blocksMax(4)
--- @result swept 0 blocks(4) flowsDeleted(4) bindingsDeleted(4) rowsOrphaned(4) portsFreed(4)
---   leasesExpired(4) inGrace(1) overdueMs(6) nextDueMs(6, all ones: none)
--- @cost per block 2 calls and 1 per binding (all of its flows read), 5 per deletion; stops after
---   the block in which it has read 4,096 flows
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
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

-- Gives the instant at which the block needs a look next, nil if nothing is left of it.
local function sweep_block(block)
  local rows = read_block(block)
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
  local blocks = 0
  for i = 1, #due, 2 do
    local block = block_at(due[i])
    local next_ms = sweep_block(block)
    if next_ms then redis.call('ZADD', INDEX, next_ms, block.member)
    else redis.call('ZREM', INDEX, block.member) end
    blocks = blocks + 1
    if flows_read >= FLOWS_READ_MAX then break end
  end
  local first = redis.call('ZRANGE', INDEX, 0, 0, 'WITHSCORES')
  local next_due_ms = first[2] and math.max(0, tonumber(first[2]) - now_ms) or NONE_DUE
  return SWEPT .. struct.pack('>I4I4I4I4I4I4BI6I6', blocks, count.flows, count.bindings,
    count.orphans, count.freed, count.leases, 0, overdue_ms, next_due_ms)
end

note_grace()
return answer_all(sweep)
