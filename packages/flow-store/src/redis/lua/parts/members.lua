-- The directory: who takes part in the deployment, which configuration holds, which one is next,
-- which layout of records is written. It has a tag, a time and a meta key of its own, like a shard.
--
--   c:{tag}   the configuration that holds, its text
--   d:{tag}   a hash: n the next one's text, ns since when it waits; l the layout that is written,
--             ls since when the one above it may be. Like c:{tag} it has no TTL.
--   m:{tag}   a hash from a member's name to incarnation(8) untilMs(6) layout(1) stance(1)
--             next(20), its problems with their length (2) in front, and its addresses
--
-- A stance is a member's, of the next configuration whose SHA-1 it names. The same as
-- model/model-directory.ts.
local CONFIG = 'c:' .. TAG
local CHANGE = 'd:' .. TAG
local MEMBERS = 'm:' .. TAG
local SILENT, GOES_BY_BOTH = 0, 1
local NOTHING = string.rep('\0', 20)

local holds = call('GET', CONFIG)
local change = call('HMGET', CHANGE, 'n', 'ns', 'l', 'ls')
local next_text, next_ms = change[1], tonumber(change[2] or '')
-- Deployments are older than numbers of layouts: then it is the first one.
local layout, layout_ms = tonumber(change[3] or '1'), tonumber(change[4] or '')

-- Those heard lately, by name; forgets the others.
local members = {}

local function read_members()
  local fields = call('HGETALL', MEMBERS)
  for i = 1, #fields, 2 do
    local incarnation, until_ms, reads, stance, of, problems, at =
      parse('>c8I6BBc20I2c0', fields[i + 1])
    if until_ms > now_ms then
      members[fields[i]] = { incarnation = incarnation, layout = reads, stance = stance, of = of,
        problems = problems, addresses = sub(fields[i + 1], at) }
    else
      call('HDEL', MEMBERS, fields[i])
    end
  end
end

-- A member is its incarnation, then name and addresses with their lengths (2) in front.
local function read_member(bytes)
  return parse('>c8I2c0I2c0', bytes)
end

-- Counts until a lease length from now.
local function hear(name, member)
  members[name] = member
  local value = pack('>c8I6BBc20I2c0', member.incarnation, now_ms + LEASE_MS, member.layout,
    member.stance, member.of, #member.problems, member.problems) .. member.addresses
  call('HSET', MEMBERS, name, value)
  extend(MEMBERS, LEASE_MS)
end

local function sha_of(text)
  local bytes = string.gsub(redis.sha1hex(text), '%x%x', function(hex)
    return char(tonumber(hex, 16))
  end)
  return bytes
end

-- Whether all live members are so; where there is none they are.
local function all(is_so)
  for _, member in pairs(members) do
    if not is_so(member) then return false end
  end
  return true
end

-- What was published holds once every live member goes by both. Reapers are no members, and ask at
-- least as often as a silence is long: so it waits for one.
local function settle_config()
  if not next_text or now_ms < next_ms + SILENCE_MS then return end
  local sha = sha_of(next_text)
  if not all(function(m) return m.stance == GOES_BY_BOTH and m.of == sha end) then return end
  call('SET', CONFIG, next_text)
  call('HDEL', CHANGE, 'n', 'ns')
  holds, next_text = next_text, false
end

-- What every live member reads is written, after a silence, too.
local function settle_layout()
  local is_ripe = next(members) and all(function(m) return m.layout > layout end)
  if not is_ripe then
    if layout_ms then call('HDEL', CHANGE, 'ls') end
    layout_ms = nil
  elseif not layout_ms then
    layout_ms = now_ms
    call('HSET', CHANGE, 'ls', text_of(now_ms))
  elseif now_ms >= layout_ms + SILENCE_MS then
    layout, layout_ms = layout + 1, nil
    call('HSET', CHANGE, 'l', layout)
    call('HDEL', CHANGE, 'ls')
  end
end

local function settle()
  if not holds then return end
  settle_config()
  settle_layout()
end

-- In answers: the texts with their lengths (2) in front, none where nothing is next; the layout.
local function pack_terms()
  return pack('>I2c0I2c0B', #holds, holds, #(next_text or ''), next_text or '', layout)
end

-- The members heard lately, with their number (2) in front.
local function list_members()
  local list = {}
  for name, m in pairs(members) do
    list[#list + 1] = pack('>c8I2c0I2c0', m.incarnation, #name, name, #m.addresses, m.addresses)
  end
  return pack('>I2', #list) .. table.concat(list)
end

read_members()
