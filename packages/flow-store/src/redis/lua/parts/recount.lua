-- The truth about what subscribers have: the bound rows of all of the shard's blocks. They are
-- counted some at a time, in the order of their members, so that no call holds the server for long.
-- What changes meanwhile in a block that was counted is counted by whoever changes it.

-- Calls `visit` with the inside endpoint of each of the block's bound rows. Gives how many rows
-- there are.
local function each_bound_row(block, visit)
  local rows = 0
  for field, row in pairs(read_block(block)) do
    if field ~= 'L' and is_bound(row) then visit(holder_of(row)) end
    rows = rows + 1
  end
  return rows
end

local BLOCKS_AT_ONCE = 8

local function begin_recount()
  drop_counts()
  counted_to = ''
  call('ZUNIONSTORE', ORDER, 1, INDEX, 'WEIGHTS', 0)
end

-- Counts on, until so many rows were looked at; says whether all are counted.
local function count_on(rows_max)
  local looked_at = 0
  while looked_at < rows_max do
    local after = counted_to == '' and '-' or '(' .. counted_to
    local members = call('ZRANGE', ORDER, after, '+', 'BYLEX', 'LIMIT', 0, BLOCKS_AT_ONCE)
    if #members == 0 then return true end
    for _, member in ipairs(members) do
      counted_to, looked_at = member, looked_at + 2
      -- The second member of a block that a sweep has to go on with is one byte longer.
      if #member % 2 == 1 then
        local block = block_at(member)
        local ttl_ms = call('PTTL', block.key)
        each_bound_row(block, function(inside)
          count_port(block, inside, 1)
          keep_count(inside, ttl_ms)
          looked_at = looked_at + 1
        end)
      end
      if looked_at >= rows_max then break end
    end
  end
  return false
end
