-- Grace: the time after the shard's server changed, or no gateway was heard for a while, in which
-- what gateways hold is taken for truer than what is stored. Ends a lease length after the first
-- gateway was heard in it. The same as model/model-grace.ts.
--
-- Meta fields: r the server's run id, h when a gateway was heard last (none: none ever was), gs
-- since when there is or was grace (none: there was none), gh when a gateway was first heard in it,
-- gk gs of the last grace in which the store knows all that it ever knew.
local heard_ms, grace_since_ms, first_heard_ms, kept_ms
-- The latest configuration that a gateway read the feed by, and when one last did: meta fields v
-- and vh.
local latest_version, latest_version_ms
local run_id, grace_changed = nil, false

local function is_unheard() return grace_since_ms ~= nil and first_heard_ms == nil end

local function begin_grace(at_ms)
  grace_since_ms, first_heard_ms, grace_changed = at_ms, nil, true
end

-- Whether at that instant, and since then, the store knew all.
local function knew_all(at_ms)
  if not grace_since_ms then return true end
  return at_ms >= first_heard_ms + LEASE_MS
    and (kept_ms == grace_since_ms or at_ms >= grace_since_ms + QUARANTINE_MS)
end

-- Whether the server changed or there was a silence, once per script and before anything goes by
-- it: a `find` that finds all need not know.
local function look_for_grace()
  if run_id then return end
  local about = call('INFO', 'server')
  -- By its place: a pattern is tried at each byte before it.
  local _, before_id = string.find(about, 'run_id:', 1, true)
  run_id = sub(about, before_id + 1, before_id + 40)
  local stored = call('HMGET', META, 'r', 'h', 'gs', 'gh', 'v', 'vh', 'gk')
  heard_ms, grace_since_ms = tonumber(stored[2] or ''), tonumber(stored[3] or '')
  first_heard_ms = tonumber(stored[4] or '')
  latest_version, latest_version_ms = tonumber(stored[5] or '0'), tonumber(stored[6] or '0')
  kept_ms = tonumber(stored[7] or '')
  if stored[1] ~= run_id then
    begin_grace(now_ms)
  elseif heard_ms and now_ms - heard_ms > SILENCE_MS and not is_unheard() then
    local is_kept = knew_all(heard_ms)
    begin_grace(heard_ms + SILENCE_MS)
    if is_kept then kept_ms = grace_since_ms end
  end
end

local function in_grace()
  look_for_grace()
  if not grace_since_ms then return false end
  return not first_heard_ms or now_ms < first_heard_ms + LEASE_MS
end

-- What was bound when grace began may be unknown to the store: its quarantine is waited for.
local function may_grant()
  if in_grace() then return false end
  return not grace_since_ms or now_ms >= grace_since_ms + QUARANTINE_MS
end

-- A silence that was shorter than a lease took nothing away: no lease was swept, and for a TTL's
-- margin no key went by its TTL, whose holder may go on without a store. So what has neither lease
-- nor row was nobody's when it began, and nobody got it since.
local function may_grant_untouched()
  look_for_grace()
  if not grace_since_ms or kept_ms ~= grace_since_ms then return false end
  return (first_heard_ms or now_ms) <= grace_since_ms + LEASE_MS
    and now_ms <= grace_since_ms - SILENCE_MS + TTL_MARGIN_MS
end

-- Whether gateways go by a later configuration than this call's: who stood still meanwhile must end
-- nothing by timeouts that are out of force, since flows may be reported more seldom by now. One
-- that was published may never hold: a lease length later nobody goes by it any more.
local function is_outdated()
  look_for_grace()
  return VERSION < latest_version and now_ms - latest_version_ms <= LEASE_MS
end

-- For being idle.
local function may_close() return not is_outdated() and not in_grace() end

-- After a silence longer than a lease nobody holds anything any more.
local function may_sweep()
  if is_outdated() then return false end
  return not in_grace() or is_unheard() and now_ms > grace_since_ms + LEASE_MS
end

local function hear()
  look_for_grace()
  heard_ms, grace_changed = now_ms, true
  if is_unheard() then first_heard_ms = now_ms end
end

-- Ends what is known of grace: a deployment that begins has none.
local function mark_fresh()
  look_for_grace()
  heard_ms, grace_since_ms, first_heard_ms, kept_ms, grace_changed = nil, nil, nil, nil, true
end

-- To be called by scripts that write, before they end.
local function note_grace()
  look_for_grace()
  if not grace_changed then return end
  local function text(ms) return ms and string.format('%.0f', ms) or '' end
  more_meta = { 'r', run_id, 'h', text(heard_ms), 'gs', text(grace_since_ms),
    'gh', text(first_heard_ms), 'gk', text(kept_ms) }
  extend(META, FEED_KEEP_MS + TTL_MARGIN_MS)
end
