-- Closes a script that may have written. %.0f: Lua prints such numbers in exponent form.
local function finish()
  publish()
  if keep_ms == 0 then return end
  write_puts()
  write_looks()
  local meta = more_meta
  local function note(field, text) meta[#meta + 1], meta[#meta + 2] = field, text end
  note('t', string.format('%.0f', now_us))
  note('g', string.format('%.0f', last_generation))
  if has_published then
    note('fi', tail_id)
    note('ft', string.format('%.0f', tail_tag))
  end
  call('HSET', META, unpack(meta))
  extend(META, keep_ms)
  extend(INDEX, keep_ms)
  write_ttls()
end

-- Answers each request with one packed string: those given, or ARGV[2..] as they are.
local function answer_all(answer, requests)
  local replies = {}
  requests = requests or { unpack(ARGV, 2) }
  for i = 1, #requests do replies[i] = answer(requests[i]) end
  finish()
  return replies
end
