#!lua
--- @command fresh
--- @purpose Marks a shard of a new deployment: it is not in grace, for nobody can hold anything.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request nothing
--- @result marked 0
--- @cost 7 calls
--- @include shard
--- @include feed
--- @include grace
--- @include requests

local MARKED = '\0'

local function fresh()
  mark_fresh()
  note_grace()
  return MARKED
end

return answer_all(fresh)
