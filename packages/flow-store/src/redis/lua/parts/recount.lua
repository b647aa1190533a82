-- The truth about what subscribers have: the bound rows of all of the shard's blocks.

-- Calls `visit` with each bound row's inside endpoint and its block; says whether a block that the
-- index names was gone, with rows that were counted.
local function each_bound_row(members, visit)
  local any_gone = false
  for _, member in ipairs(members) do
    -- The second member of a block that a sweep has to go on with is one byte longer.
    if #member % 2 == 1 then
      local block = block_at(member)
      local rows = read_block(block)
      any_gone = any_gone or not next(rows)
      for field, row in pairs(rows) do
        if field ~= 'L' and is_bound(row) then visit(holder_of(row), block) end
      end
    end
  end
  return any_gone
end

-- Counts anew, whatever the counts said.
local function recount()
  drop_counts()
  each_bound_row(call('ZRANGE', INDEX, 0, -1), function(inside, block)
    count_port(inside, 1)
    keep_count(inside, call('PTTL', block.key))
  end)
end
