-- Answers ARGV[2..], one packed request each, with one packed string each.
local function answer_all(answer)
  local replies = {}
  for i = 2, #ARGV do replies[i - 1] = answer(ARGV[i]) end
  finish()
  return replies
end
