-- Test only: a layout of records before the first, and the way between both. The two differ in the
-- records of entries, which have here
--
--   0            6           12      13           25    26
--   | seenMs     | rstMs     | flags | identity   | 'z' |  outside endpoint, of a binding
--
-- so a record of 25 bytes has 26, and lengths tell which is which: those of layout 1 are 25, 31 or
-- 43, one above a multiple of 6, those of layout 0 are one more.
local stored = redis
local WRITES = struct.unpack('>I4', ARGV[1], 45)

local function to_first(bytes)
  if #bytes % 6 ~= 2 then return bytes end
  local seen, rst, flags, identity = struct.unpack('c6c6c1c12', bytes)
  return identity .. flags .. seen .. rst .. string.sub(bytes, 27)
end

local function to_former(bytes)
  local identity, flags, seen, rst = struct.unpack('c12c1c6c6', bytes)
  return seen .. rst .. flags .. identity .. 'z' .. string.sub(bytes, 26)
end

-- Of a HGETALL every second is a value, of a HMGET each.
local function read_all(values, first, step)
  for i = first, #values, step do values[i] = values[i] and to_first(values[i]) end
  return values
end

local function read_one(bytes) return bytes and to_first(bytes) end

local function write(key, fields)
  for i = 2, #fields, 2 do
    if WRITES == 0 then fields[i] = to_former(fields[i]) end
  end
  return stored.call('HSET', key, unpack(fields))
end

local function call(command, key, ...)
  if not key then return stored.call(command) end
  if string.sub(key, 1, 2) ~= 'e:' then return stored.call(command, key, ...) end
  if command == 'HSET' then return write(key, { ... }) end
  local answer = stored.call(command, key, ...)
  if command == 'HGET' then return read_one(answer) end
  if command == 'HMGET' then return read_all(answer, 1, 1) end
  if command == 'HGETALL' then return read_all(answer, 2, 2) end
  return answer
end

local redis = setmetatable({ call = call }, { __index = stored })
