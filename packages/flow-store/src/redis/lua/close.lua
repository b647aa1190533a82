#!lua
--- @command close
--- @purpose Check-and-delete: removes the flow (or the whole binding) of exactly this identity if
---   its deadline passed, or somebody ended it. A binding's last flow takes the binding along, and
---   its port goes into quarantine. In grace nobody's idle time counts.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request identity(12) reason(1: 0 idle, 1 cancel), then inside and remote, each with its
---   length (1) in front, 0 for none
--- @result closed 0
--- @result alive 1 flow
--- @result stale 2
--- @result gone 3
--- @result notYet 4
--- @cost 1 call where nothing is closed; 3 for a flow of several; 5 with the binding. Whole TCP
---   bindings: all of the endpoint's flows read. 2 per block. Per script: 9 calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include block
--- @include entry

local CLOSED, ALIVE, STALE, GONE, NOT_YET = '\0', '\1', '\2', '\3', '\4'
local CANCEL = 1

local function close_whole(inside, identity, cancel)
  local entry = read_entry(inside)
  if not entry then return GONE end
  if entry.binding.id ~= identity then return STALE end
  if entry.live > 0 and not cancel then
    return ALIVE .. pack_stored(entry.binding, entry.last_ms)
  end
  if not cancel and in_grace() then return NOT_YET end
  unbind(inside, entry.binding)
  return CLOSED
end

local function close(bytes)
  local identity, reason, inside, remote = struct.unpack('>c12BBc0Bc0', bytes)
  local cancel = reason == CANCEL
  if remote == '' then return close_whole(inside, identity, cancel) end
  local key = entry_key(inside)
  local fields = redis.call('HMGET', key, 'b', remote)
  if not fields[1] or not fields[2] then return GONE end
  local flow = fields[2]
  if string.sub(flow, 1, IDENTITY_BYTES) ~= identity then return STALE end
  local until_ms = deadline_of(TCP, state_in(flow))
  if until_ms > now_ms and not cancel then return ALIVE .. flow .. pack_life(until_ms) end
  if not cancel and in_grace() then return NOT_YET end
  local binding = read_binding(fields[1])
  if redis.call('HLEN', key) == 2 then
    unbind(inside, binding)
    return CLOSED
  end
  redis.call('HDEL', key, remote)
  if cancel then tell_void(TCP, binding.outside, remote, new_generation()) end
  return CLOSED
end

note_grace()
return answer_all(close)
