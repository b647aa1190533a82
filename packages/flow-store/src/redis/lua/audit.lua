#!lua
--- @command audit
--- @purpose Checks one entry, one endpoint's further flows, one block, or the shard's counts,
---   against all that must agree: row and entry name each other, further flows are known to their
---   row, the index names the block in time, TTLs are there and outlive what they guard,
---   subscribers have as many rows as is counted (in a shard of more than 64 blocks: as many in no
---   block).
---   What does not agree is taken away by check-and-delete, its port begins a quarantine and all
---   are told; what only is looked at too late, or would stay for ever, is put right, and wrong
---   counts are counted anew. Not in grace.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request 'e' or 'x' and an inside endpoint, 'p' and a block's member, or 's'
--- @result audited 0 findings(2), a bit each, as in audit.ts
--- @result notYet 1
--- @cost 4 calls per entry, 4 and 1 per bound row for a block, 1 per block and 256 for the counts.
---   Per script: 9 calls more.
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

local AUDITED, NOT_YET = '\0', '\1'
local UNREADABLE, WITHOUT_ROW, WITHOUT_TTL, WITHOUT_ENTRY, NOT_INDEXED, LOOKED_AT_LATE,
  GOES_EARLY, COUNTED_WRONG = 1, 2, 4, 8, 16, 32, 64, 128
-- All rows are read in one script, some 5 us each, once per walk and shard: 5 ms of Redis at most.
local COUNTED_BLOCKS_MAX = 64

-- What a key is given that would stay for ever: the longest life.
local LONGEST_TTL_MS = LIFE_TCP_LONGEST_MS + TTL_MARGIN_MS

-- Of an entry or a hash of flows that stays, whether it would for ever.
local function audit_ttl(key, block)
  if call('PTTL', key) ~= -1 then return 0 end
  extend(key, LONGEST_TTL_MS)
  keep_block(block, LONGEST_TTL_MS + QUARANTINE_MS)
  return WITHOUT_TTL
end

local function audit_entry(inside)
  local key = ENTRY_PREFIX .. inside
  -- Of another type it is an error, which is a table.
  local pointer = redis.pcall('GET', key)
  if not pointer then return 0 end
  local outside = type(pointer) == 'string' and outside_of(pointer)
  if not outside then
    call('DEL', key)
    return UNREADABLE
  end
  local binding = binding_at(inside, outside)
  if binding then return audit_ttl(key, binding.block) end
  -- Its port may be another's, or become it: who uses this entry must stop.
  call('DEL', key)
  tell_void(protocol_of(inside), outside, '', new_generation())
  local block, field = block_of(protocol_of(inside), outside)
  if not row_of(block, field) then quarantine(block, field, inside) end
  return WITHOUT_ROW
end

local function audit_flows(inside)
  local key = FLOWS_PREFIX .. inside
  if call('EXISTS', key) == 0 then return 0 end
  local binding = binding_of(inside)
  if binding and binding.more then return audit_ttl(key, binding.block) end
  call('DEL', key)
  return WITHOUT_ROW
end

-- Looks at a bound row; gives its next deadline, or nil where nothing leads to it.
local function due_of_row(block, field, row)
  local inside = holder_of(row)
  if not leads_here(inside, block, field) then return nil, inside end
  local first_ms = survey(binding_of(inside)).first_ms
  -- What is dead is the sweep's.
  return max(now_ms, first_ms < math.huge and first_ms or now_ms), inside
end

local function audit_rows(block, rows)
  local findings, due_ms, keep_for_ms = 0, math.huge, 0
  for field, row in pairs(rows) do
    if field == 'L' then
      local _, until_ms = lease_of(row)
      due_ms = math.min(due_ms, until_ms)
    elseif is_bound(row) then
      local next_ms, inside = due_of_row(block, field, row)
      if next_ms then
        due_ms = math.min(due_ms, next_ms)
        keep_for_ms = max(keep_for_ms, call('PTTL', ENTRY_PREFIX .. inside))
      else
        orphan(block, field, inside)
        findings = WITHOUT_ENTRY
      end
    else
      due_ms = math.min(due_ms, (mark_of(row)))
    end
  end
  return findings, due_ms, keep_for_ms
end

-- Whether the counts are kept, and sure.
local function is_counted()
  return BINDINGS_PER_SUBSCRIBER_MAX > 0 and read_counts_state() == '1'
end

-- The next sweep counts anew.
local function doubt_counts()
  call('HSET', META, 'n', '0')
  counts_state = '0'
  return COUNTED_WRONG
end

-- Nobody has more rows in the block than is counted in all of the shard; else the next sweep counts
-- anew.
local function audit_block_counts(rows)
  if not is_counted() then return 0 end
  local bound = {}
  for field, row in pairs(rows) do
    if field ~= 'L' and is_bound(row) then
      local subscriber = subscriber_of(holder_of(row))
      bound[subscriber] = (bound[subscriber] or 0) + 1
    end
  end
  for subscriber, ports in pairs(bound) do
    if tonumber(call('HGET', count_key(subscriber), subscriber) or '0') < ports then
      return doubt_counts()
    end
  end
  return 0
end

local function audit_block(member)
  local block = block_at(member)
  local rows = read_block(block)
  if not next(rows) then return 0 end
  local counted_wrong = audit_block_counts(rows)
  local findings, due_ms, keep_for_ms = audit_rows(block, rows)
  findings = findings + counted_wrong
  local score = tonumber(call('ZSCORE', INDEX, member) or '')
  if not score then
    findings = findings + NOT_INDEXED
  elseif score > math.max(due_ms, now_ms) and not call('ZSCORE', INDEX, member .. GO_ON) then
    findings = findings + LOOKED_AT_LATE
  end
  local ttl_ms = call('PTTL', block.key)
  if ttl_ms == -1 then
    findings = findings + WITHOUT_TTL
    ttl_ms = LONGEST_TTL_MS + QUARANTINE_MS
  elseif ttl_ms < keep_for_ms then
    findings = findings + GOES_EARLY
    ttl_ms = keep_for_ms + QUARANTINE_MS
  end
  if findings > 0 then
    look_again(block, math.min(due_ms, now_ms))
    keep_block(block, ttl_ms)
  end
  return findings
end

-- Of each subscriber: what is counted less what is there, where that is not nothing.
local function differences(members)
  local differences = {}
  local function add(subscriber, by)
    local sum = (differences[subscriber] or 0) + by
    differences[subscriber] = sum ~= 0 and sum or nil
  end
  for _, member in ipairs(members) do
    -- The second member of a block that a sweep has to go on with is one byte longer.
    if #member % 2 == 1 then
      local rows = each_bound_row(block_at(member), function(inside)
        add(subscriber_of(inside), -1)
      end)
      if rows == 0 then return {} end
    end
  end
  for byte = 0, COUNT_KEYS - 1 do
    local counts = call('HGETALL', count_key_at(byte))
    for i = 1, #counts, 2 do add(counts[i], tonumber(counts[i + 1])) end
  end
  return differences
end

-- Where the counts are not sure, or a block went by its TTL, the next sweep counts anew.
local function audit_counts()
  if not is_counted() then return 0 end
  local members = call('ZRANGE', INDEX, 0, COUNTED_BLOCKS_MAX)
  if #members > COUNTED_BLOCKS_MAX or not next(differences(members)) then return 0 end
  return doubt_counts()
end

local function audit(bytes)
  if in_grace() then return NOT_YET end
  local kind, subject = sub(bytes, 1, 1), sub(bytes, 2)
  local findings = kind == 'e' and audit_entry(subject) or kind == 'x' and audit_flows(subject)
    or kind == 'p' and audit_block(subject) or audit_counts()
  return AUDITED .. pack('>I2', findings)
end

note_grace()
return answer_all(audit)
