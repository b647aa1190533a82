#!lua
--- @command deployment
--- @purpose Tells what the deployment goes by, and what its members say of what is next.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request nothing
--- @result running 0 terms, the layout that is written soon or 0 (1), the number of members (2),
---   each: name with its length (2) in front, stance(1), problems with their length (2) in front
--- @result notInitialised 1
--- @cost 6 calls, and 1 per member that expired
--- @include shard
--- @include feed
--- @include requests
--- @include members

local RUNNING, NOT_INITIALISED = '\0', '\1'

local function stance_of(name, member, sha)
  local stance, problems = SILENT, ''
  if member.of == sha then stance, problems = member.stance, member.problems end
  return pack('>I2c0BI2c0', #name, name, stance, #problems, problems)
end

local function deployment()
  if not holds then return NOT_INITIALISED end
  settle()
  -- So that replicas are waited for: what an old master says must not count.
  note_written()
  local list, sha = {}, next_text and sha_of(next_text) or nil
  for name, member in pairs(members) do list[#list + 1] = stance_of(name, member, sha) end
  return RUNNING .. pack_terms() .. char(layout_ms and layout + 1 or 0)
    .. pack('>I2', #list) .. table.concat(list)
end

return answer_all(deployment)
