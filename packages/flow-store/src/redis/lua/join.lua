#!lua
--- @command join
--- @purpose Makes a gateway a member, if it runs with the deployment's configuration. A name that
---   is taken goes over to the newcomer's incarnation.
--- @key s:{tag} the directory
--- @arg policy see parts/shard.lua
--- @args request member (see parts/members.lua), then the configuration's text with its length (4)
---   in front
--- @result joined 0 members
--- @result configMismatch 1 the stored configuration's text
--- @result notInitialised 2
--- @cost 12 calls, and 1 per member that expired
--- @include shard
--- @include feed
--- @include requests
--- @include members

local JOINED, CONFIG_MISMATCH, NOT_INITIALISED = '\0', '\1', '\2'

local function join(bytes)
  local incarnation, name, addresses, at = read_member(bytes)
  local text = struct.unpack('>I4c0', bytes, at)
  local stored = redis.call('GET', CONFIG)
  if not stored then return NOT_INITIALISED end
  if stored ~= text then return CONFIG_MISMATCH .. stored end
  hear(incarnation, name, addresses)
  return JOINED .. list_members()
end

return answer_all(join)
