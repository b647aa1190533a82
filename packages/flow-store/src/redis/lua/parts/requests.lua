-- Closes a script that may have written. %.0f: Lua prints such numbers in exponent form.
local function finish()
  publish()
  if keep_ms == 0 then return end
  write_looks()
  local time, generation = string.format('%.0f', now_us), string.format('%.0f', last_generation)
  redis.call('HSET', META, 't', time, 'g', generation)
  if #more_meta > 0 then redis.call('HSET', META, unpack(more_meta)) end
  if tail_id then redis.call('HSET', META, 'fi', tail_id, 'ft', string.format('%.0f', tail_tag)) end
  extend(META, keep_ms)
  extend(INDEX, keep_ms)
  write_ttls()
end

-- Answers ARGV[2..], one packed request each, with one packed string each.
local function answer_all(answer)
  local replies = {}
  for i = 2, #ARGV do replies[i - 1] = answer(ARGV[i]) end
  finish()
  return replies
end
