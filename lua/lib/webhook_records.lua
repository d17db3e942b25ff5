-- Webhooks by name: "<revision> <document>", the secret of each in a hash of its own, and how far each is:
-- "<number> <end of the turn (ms)> <dropped letters> <holder of the turn> <document>". Dead letters stand in lexical order:
-- length and name of the webhook, a state (d is dead, r is to be delivered again), the cursor in twenty digits, a document.

--- @include lib/counters
--- @include lib/counts
--- @include lib/damage

-- how many letters a turn is given at a time
local MOST_AGAIN = 20

-- the revision of a webhook as decimal text, '0' if there is none
local function webhook_revision(key, stored)
  if not stored then return '0' end
  return string.match(stored, '^(%d+) ') or damaged(key, 'a webhook cannot be read')
end

-- A webhook whose secret or progress is gone, and whose loss was accepted, is as one that is not there: it may be made anew.
local function is_there(webhook_secrets, webhook_progress, name)
  local found = true
  for _, key in ipairs({ webhook_secrets, webhook_progress }) do
    if redis.call('HEXISTS', key, name) == 0 then
      expect_whole('HLEN', key)
      found = false
    end
  end
  return found
end

local function read_progress(key, stored)
  local number, ends, dropped, holder, at = string.match(stored, '^(%d+) (%d+) (%d+) (%S+) ()')
  if not number then damaged(key, 'the progress of a webhook cannot be read') end
  return { number = number, ends = tonumber(ends), dropped = dropped, holder = holder,
    document = string.sub(stored, at) }
end

-- a webhook and its progress, nil if there is none
local function known_webhook(webhooks, webhook_progress, name)
  local stored, text = redis.call('HGET', webhooks, name), redis.call('HGET', webhook_progress, name)
  if not stored then
    expect_whole('HLEN', webhooks)
    return nil
  end
  if not text then damaged(webhook_progress, 'the progress of a webhook is gone') end
  return stored, read_progress(webhook_progress, text)
end

local function progress_text(number, ends, dropped, holder, document)
  return table.concat({ number, decimal(ends), dropped, holder, document }, ' ')
end

-- the letters of a webhook in a state, from a cursor in twenty digits on
local function letters_of(key, name, state, cursor, most)
  local prefix = #name .. ':' .. name .. state
  return redis.call('ZRANGE', key, '[' .. prefix .. cursor, '(' .. prefix .. ':', 'BYLEX', 'LIMIT', 0, most)
end

local function count_letters(key, name, state)
  local prefix = #name .. ':' .. name .. state
  return redis.call('ZLEXCOUNT', key, '[' .. prefix, '(' .. prefix .. ':')
end
