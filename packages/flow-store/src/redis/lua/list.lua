#!lua flags=no-writes
--- @command list
--- @purpose Lists what is bound on a block of outside ports: each binding, with the flow that its
---   row holds where it has a flow per remote endpoint. Flows that are not in rows are not told.
--- @key s:{tag} the shard of the block
--- @arg policy see parts/shard.lua
--- @args request protocol(1), outside address, number of the block(2)
--- @result flows 0 and of each: its port's offset(1), what is left of its life(4), and the row with
---   its length(1) in front
--- @cost 1 call, up to 16 rows. Per script: 2 calls more. Writes nothing.
--- @include shard
--- @include feed
--- @include requests
--- @include flow
--- @include subscriber
--- @include row
--- @include block

local FLOWS = '\0'

local function list(member)
  local protocol, found = byte(member), { FLOWS }
  local fields = call('HGETALL', BLOCK_PREFIX .. member)
  for i = 1, #fields, 2 do
    local field, row = fields[i], fields[i + 1]
    local kind = field ~= 'L' and byte(row) or 0
    if kind >= BOUND and (band(kind, FLOWED) == 0 or band(kind, FIRST) ~= 0) then
      local until_ms = deadline_of(protocol, state_in(row, kind))
      if until_ms > now_ms then
        found[#found + 1] = field .. pack('>I4B', life_of(until_ms), #row) .. row
      end
    end
  end
  reply(table.concat(found))
end

each_request(list)
return packed_answer()
