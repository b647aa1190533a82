-- ARGV[2] is the batch: all requests of the call, each with its length (3) in front. The answer is
-- one string of all replies, likewise. A string per request, and one per reply, cost a tenth of
-- what the script does: Lua looks each one up among all that it has.
local BATCH = ARGV[2] or ''

-- The answer as it grows: formats of struct.pack, and the values for them.
local formats, values, used = {}, {}, 0

local function reply(text)
  formats[#formats + 1] = 'I3c0'
  values[used + 1], values[used + 2] = #text, text
  used = used + 2
end

-- Closes a script that may have written. %.0f: Lua prints such numbers in exponent form.
local function finish()
  publish()
  if keep_ms == 0 then return end
  write_blocks()
  write_order()
  write_drops()
  local meta = more_meta
  local function note(field, text) meta[#meta + 1], meta[#meta + 2] = field, text end
  note('t', string.format('%.0f', now_us))
  if last_generation then note('g', string.format('%.0f', last_generation)) end
  if has_published then
    note('fi', tail_id)
    note('ft', string.format('%.0f', tail_tag))
  end
  call('HSET', META, unpack(meta))
  extend(META, keep_ms)
  extend(INDEX, keep_ms)
  write_ttls()
end

-- What ends a script that writes nothing.
local function packed_answer()
  return pack('>' .. table.concat(formats), unpack(values, 1, used))
end

local function close_answer()
  finish()
  return packed_answer()
end

local function each_request(visit)
  local at = 1
  while at <= #BATCH do
    local request
    request, at = parse('>I3c0', BATCH, at)
    visit(request)
  end
end

-- Answers each request with one packed string.
local function answer_all(answer)
  each_request(function(request) reply(answer(request)) end)
  return close_answer()
end
