-- Closes a script that may have written. %.0f: Lua prints such numbers in exponent form.
local function finish()
  publish()
  if keep_ms == 0 then return end
  write_puts()
  write_looks()
  local time, generation = string.format('%.0f', now_us), string.format('%.0f', last_generation)
  call('HSET', META, 't', time, 'g', generation)
  if #more_meta > 0 then call('HSET', META, unpack(more_meta)) end
  if tail_id then call('HSET', META, 'fi', tail_id, 'ft', string.format('%.0f', tail_tag)) end
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
