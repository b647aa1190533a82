#!lua
--- @command close
--- @purpose Check-and-delete: removes the flow (or the whole binding) of exactly this identity if
---   its deadline passed, or somebody ended it. A binding's last flow takes the binding along, and
---   its port goes into quarantine. In grace nobody's idle time counts, nor by a configuration
---   that is out of force.
--- @key s:{tag} the shard of the inside endpoint
--- @arg policy see parts/shard.lua
--- @args request identity(12) reason(1: 0 idle, 1 cancel), then inside and remote, each with its
---   length (1) in front, 0 for none
--- @result closed 0
--- @result alive 1 flags(1) reset(1) life(4)
--- @result stale 2
--- @result gone 3
--- @result notYet 4
--- @cost 1 call per block, 2 more where something is closed in it. A flow that is not the row's
---   first one: 3 more; a whole binding with more than one: all of its flows read. Per script: 15
---   calls more.
--- @include shard
--- @include feed
--- @include grace
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block
--- @include entry

local CLOSED, ALIVE, STALE, GONE, NOT_YET = '\0', '\1', '\2', '\3', '\4'
local CANCEL = 1

local function close_whole(binding, identity, cancel)
  if binding.id ~= identity then return STALE end
  local all = survey(binding)
  if all.live > 0 and not cancel then
    local own = binding.flowed and NOTHING or binding.first
    return pack_state(ALIVE, own.flags, own.seen_ms, own.rst_ms, all.last_ms)
  end
  if not cancel and not may_close() then return NOT_YET end
  unbind(binding)
  return CLOSED
end

local function close(request)
  local identity, reason, inside, remote = parse('>c12BBc0Bc0', request)
  local binding, cancel = binding_of(inside), reason == CANCEL
  if not binding then return GONE end
  if remote == '' then return close_whole(binding, identity, cancel) end
  local flow = record_of(binding, remote)
  if not flow then return GONE end
  if flow.id ~= identity then return STALE end
  local until_ms = deadline_ms(binding.protocol, flow)
  if until_ms > now_ms and not cancel then
    return pack_state(ALIVE, flow.flags, flow.seen_ms, flow.rst_ms, until_ms)
  end
  if not cancel and not may_close() then return NOT_YET end
  if binding.more then delete_flows(binding, { remote }) end
  if not binding.more and (not binding.first or binding.remote == remote) then
    unbind(binding)
  elseif cancel then
    tell_void(binding.protocol, binding.outside, remote, new_generation())
  end
  return CLOSED
end

local insides = {}
each_request(function(request) insides[#insides + 1] = parse('>Bc0', request, 14) end)
read_entries(insides)
note_grace()
return answer_all(close)
