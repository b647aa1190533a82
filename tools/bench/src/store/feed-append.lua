#!lua
--- @command feed-append
--- @purpose Of the benchmark alone: tells events by the feed's own part, as openings do, and writes
---   them as one batch.
--- @key s:{tag} the shard
--- @arg policy see parts/shard.lua
--- @args request count(2), and the first event's number (6): one after the other, each is about the
---   outside endpoint of its number
--- @result told 0
--- @cost 1 call. Per script: 5 calls more.
--- @include shard
--- @include feed
--- @include requests

local function append(bytes)
  local events, first = parse('>I2I6', bytes)
  for number = first, first + events - 1 do
    tell_void(17, pack('>I6', number), '', new_generation())
  end
  return '\0'
end

return answer_all(append)
