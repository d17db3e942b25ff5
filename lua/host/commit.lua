-- Commit a batch: what it does to each of its scopes, all or nothing.
--
-- ARGV   commit: its id; digest: of what it says; fence: the token of its writer; kept: how many commits are remembered;
--        updates: of each scope its field, the version that it has ('' = it is created), its head ('' = the same), the
--        index from which on rows are removed, and the one below which they are ('' = none), 1 if it is deleted, how many
--        rows are appended, and these
-- Reply  {WON} | {LOST} (it was committed before) | {EXISTS} (another batch was, under this id) | {FENCED, current token} |
--        {CONFLICT, number of an update, version of its scope, 0 = there is none} | {GONE, number of an update} (a scope of
--        this name was deleted) | {DROPPED, number of an update, index of the first visible row} (rows that were dropped
--        would come back)
-- Leaves every scope at its next version, and the id remembered; nothing when not won.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/gathering
--- @include lib/host_fence
--- @include lib/host_scopes
--- @include lib/replies

local FENCED, GONE, DROPPED = 2, 3, 4
-- how many ids one commit forgets at most; it adds fewer, but for those of scopes that it deletes
local FORGOTTEN = 100

local function take_update()
  return {
    field = take(),
    previous = tonumber(take()),
    head = take(),
    truncate = tonumber(take()),
    drop = tonumber(take()),
    deletes = take() == '1',
    append = take_list(),
  }
end

--- @keys meta host_fence host_scopes host_heads host_names host_rows host_commits host_order
--- @args commit digest fence kept updates:update*
local landed = redis.call('HGET', host_commits, commit)
if landed and not string.find(landed, '^%x+\n$') then damaged(host_commits, 'commit ' .. commit .. ' cannot be read') end
if landed then return { landed == digest .. '\n' and LOST or EXISTS } end
expect_whole('HLEN', host_commits)
local token, _, commits = fence_at(host_fence)
if token ~= tonumber(fence) then return { FENCED, token } end
-- keys of another type refuse this before the first write
expect_whole('HLEN', host_heads)
expect_whole('HLEN', host_rows)
expect_whole('ZCARD', host_names)
expect_whole('ZCARD', host_order)

for number, update in ipairs(updates) do
  local scope = scope_at(host_scopes, update.field)
  if (scope and scope.version) ~= update.previous then return { CONFLICT, number, scope and scope.version or 0 } end
  if not scope and redis.call('ZSCORE', host_order, 'd' .. update.field) then return { GONE, number } end
  if scope and update.truncate and update.truncate < scope.first then return { DROPPED, number, scope.first } end
  update.scope = scope
end

-- What is added comes before what is removed: no key is touched again that may have become empty.
local records, heads, places, rows, order = {}, {}, {}, {}, {}
local gone, gone_rows = {}, {}
commits = commits + 1

local function remove_rows(field, first, last)
  for index = first, last - 1 do gone_rows[#gone_rows + 1] = row_field(field, index) end
end

for _, update in ipairs(updates) do
  local field, before = update.field, update.scope or { first = 0, last = 0 }
  if update.deletes then
    gone[#gone + 1] = field
    remove_rows(field, before.first, before.last)
    order[#order + 1], order[#order + 2] = commits, 'd' .. field
  else
    local from = math.min(update.truncate or before.last, before.last)
    local first = math.min(math.max(before.first, update.drop or 0), from)
    local last = from + #update.append
    for i, row in ipairs(update.append) do
      rows[#rows + 1] = row_field(field, from + i - 1)
      rows[#rows + 1] = row
    end
    remove_rows(field, before.first, first)
    remove_rows(field, math.max(last, first), before.last)
    records[#records + 1] = field
    records[#records + 1] = scope_text({
      version = (update.previous or 0) + 1, first = first, last = last, commit = commit,
    })
    if update.head ~= '' then heads[#heads + 1], heads[#heads + 2] = field, update.head end
    if not update.scope then places[#places + 1], places[#places + 2] = 0, field end
  end
end
order[#order + 1], order[#order + 2] = commits, 'c' .. commit

if #gone == #updates then
  --- @include lib/when_full
  write_even_when_full(host_fence)
end
gather()
mutate('HSET', host_commits, commit, digest .. '\n')
in_chunks('ZADD', host_order, order)
mutate('HSET', host_fence, 'commits', numeral(commits))
if #rows > 0 then in_chunks('HSET', host_rows, rows) end
if #records > 0 then in_chunks('HSET', host_scopes, records) end
if #heads > 0 then in_chunks('HSET', host_heads, heads) end
if #places > 0 then in_chunks('ZADD', host_names, places) end
if #gone_rows > 0 then in_chunks('HDEL', host_rows, gone_rows) end
if #gone > 0 then
  in_chunks('HDEL', host_scopes, gone)
  in_chunks('HDEL', host_heads, gone)
  in_chunks('ZREM', host_names, gone)
end
local oldest = redis.call('ZRANGE', host_order, 0, FORGOTTEN - 1, 'WITHSCORES')
local old, old_commits = {}, {}
for i = 1, #oldest, 2 do
  if tonumber(oldest[i + 1]) > commits - tonumber(kept) then break end
  old[#old + 1] = oldest[i]
  if string.sub(oldest[i], 1, 1) == 'c' then old_commits[#old_commits + 1] = string.sub(oldest[i], 2) end
end
if #old > 0 then
  in_chunks('ZREM', host_order, old)
  if #old_commits > 0 then in_chunks('HDEL', host_commits, old_commits) end
end
count_gathered()
return { WON }
