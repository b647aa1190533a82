-- Who takes part in the deployment. The directory has a tag, a time and a meta key of its own,
-- like a shard. `c:{tag}`: the configuration's text, the only key without TTL. `m:{tag}`: a hash
-- from a member's name to incarnation(8) untilMs(6) addresses.
local CONFIG = 'c:' .. TAG
local MEMBERS = 'm:' .. TAG

-- A member is its incarnation, then name and addresses with their lengths (2) in front.
local function pack_member(incarnation, name, addresses)
  return struct.pack('>c8I2c0I2c0', incarnation, #name, name, #addresses, addresses)
end

local function read_member(bytes)
  return struct.unpack('>c8I2c0I2c0', bytes)
end

-- Counts until a lease length from now.
local function hear(incarnation, name, addresses)
  local value = struct.pack('>c8I6', incarnation, now_ms + LEASE_MS) .. addresses
  redis.call('HSET', MEMBERS, name, value)
  extend(MEMBERS, LEASE_MS)
end

-- The members heard lately, with their number (2) in front; forgets the others.
local function list_members()
  local fields = redis.call('HGETALL', MEMBERS)
  local members = {}
  for i = 1, #fields, 2 do
    local incarnation, until_ms = struct.unpack('>c8I6', fields[i + 1])
    if until_ms > now_ms then
      members[#members + 1] = pack_member(incarnation, fields[i], string.sub(fields[i + 1], 15))
    else
      redis.call('HDEL', MEMBERS, fields[i])
    end
  end
  return struct.pack('>I2', #members) .. table.concat(members)
end
