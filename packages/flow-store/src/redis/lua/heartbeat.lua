#!lua
--- @command heartbeat
--- @purpose Keeps a member in the list for another lease length, and hears what it says of the next
---   configuration.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request member (see parts/members.lua), layout(1), stance(1), the SHA-1 of the
---   configuration that it is about (20), then its problems with their length (2) in front
--- @result alive 0 members, terms
--- @result unknown 1
--- @cost 14 calls, and 1 per member that expired; 2 more where a configuration begins to hold
--- @include shard
--- @include feed
--- @include requests
--- @include members

local ALIVE, UNKNOWN = '\0', '\1'

local function heartbeat(bytes)
  local incarnation, name, addresses, at = read_member(bytes)
  local reads, stance, of, problems = parse('>BBc20I2c0', bytes, at)
  local known = members[name]
  if not known or not holds or known.incarnation ~= incarnation then return UNKNOWN end
  hear(name, {
    incarnation = incarnation, addresses = addresses, layout = reads, stance = stance, of = of,
    problems = problems,
  })
  settle()
  return ALIVE .. list_members() .. pack_terms()
end

return answer_all(heartbeat)
