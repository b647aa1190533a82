#!lua
--- @command fragment
--- @purpose Keeps how the fragments of a datagram are translated, as the gateway told that carried
---   its first one, for the others. Where the source is rewritten it gives the datagram an
---   identification of its own: a count per address, destination and protocol, the shard its low
---   bits, so that no other shard gives the same.
--- @key s:{tag} the shard of the datagram
--- @arg policy see parts/shard.lua
--- @args request told(1: 0 asks, 1 tells, 2 tells and wants an identification), identification(2)
---   (its shard, if one is wanted), start(2), address with its length (1) in front, then the
---   datagram
--- @result known 0 identification(2) address
--- @result unknown 1
--- @cost asked: 1 call; told: 2; told and wanted: 4. Per script: 2 calls more.
--- @include shard
--- @include feed
--- @include requests

local KNOWN, UNKNOWN = '\0', '\1'
local ASKS, WANTS = 0, 2
-- The same as in @flowstore/flow, datagram.ts; the conformance suite holds both to it.
local FRAGMENT_LIFE_MS, DATAGRAM_LIFE_MS = 15000, 120000
local ASSOCIATION_PREFIX, COUNT_PREFIX = 'a:' .. TAG .. ':', 'y:' .. TAG .. ':'
local SEQUENCES, SHARDS, SPLIT = 512, 64, 32768

-- A value that was written with `keep` and is not over: what is past its time counts as absent.
local function recall(key)
  local value = call('GET', key)
  if not value or parse('>I6', value) <= now_ms then return nil end
  return sub(value, 7)
end

local function keep(key, value, life_ms)
  call('SET', key, pack('>I6', now_ms + life_ms) .. value, 'PX', text_of(life_ms))
end

-- The next of the datagrams from the address to where this one goes.
local function identification_of(address, datagram, shard, start)
  local length = #address
  local destination = sub(datagram, 5 + length, 4 + 2 * length)
  local key = COUNT_PREFIX .. sub(datagram, 4, 4) .. address .. destination
  local last = recall(key)
  local sequence = (last and parse('>I2', last) + 1 or start) % SEQUENCES
  keep(key, pack('>I2', sequence), DATAGRAM_LIFE_MS)
  return SPLIT + sequence * SHARDS + shard
end

local function fragment(bytes)
  local told, identification, start, address, place = parse('>BI2I2Bc0', bytes)
  local datagram = sub(bytes, place)
  local key = ASSOCIATION_PREFIX .. datagram
  local known = recall(key)
  if told == ASKS then return known and KNOWN .. known or UNKNOWN end
  if not known or sub(known, 3) ~= address then
    if told == WANTS then
      identification = identification_of(address, datagram, identification, start)
    end
    known = pack('>I2', identification) .. address
  end
  keep(key, known, FRAGMENT_LIFE_MS)
  return KNOWN .. known
end

return answer_all(fragment)
