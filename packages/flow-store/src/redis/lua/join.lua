#!lua
--- @command join
--- @purpose Makes a gateway a member, if it runs with the deployment's configuration or the next
---   one, and reads the layout that is written. A name that is taken goes over to the newcomer's
---   incarnation.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request member (see parts/members.lua), layout(1), then the configuration's text with its
---   length (2) in front
--- @result joined 0 members, terms
--- @result configMismatch 1 terms
--- @result notInitialised 2
--- @result layoutMismatch 3 layout(1)
--- @cost 14 calls, and 1 per member that expired
--- @include shard
--- @include feed
--- @include requests
--- @include members

local JOINED, CONFIG_MISMATCH, NOT_INITIALISED, LAYOUT_MISMATCH = '\0', '\1', '\2', '\3'

local function join(bytes)
  local incarnation, name, addresses, at = read_member(bytes)
  local reads, text = parse('>BI2c0', bytes, at)
  if not holds then return NOT_INITIALISED end
  if reads ~= layout and reads ~= layout + 1 then return LAYOUT_MISMATCH .. char(layout) end
  local has_next = text == next_text
  if text ~= holds and not has_next then return CONFIG_MISMATCH .. pack_terms() end
  hear(name, {
    incarnation = incarnation, addresses = addresses, layout = reads, problems = '',
    stance = has_next and GOES_BY_BOTH or SILENT, of = has_next and sha_of(text) or NOTHING,
  })
  settle()
  return JOINED .. list_members() .. pack_terms()
end

return answer_all(join)
