-- Delete a realm profile.
--
-- Reply  {WON, the deleted record} | {CONFLICT, current revision} | {NOT_FOUND}
-- Leaves no profile of this name, and the clock of its revisions where it was; nothing changes when not won.

--- @include lib/replies
--- @include lib/revisions

--- @keys meta profiles profile_revisions
--- @args name expected
local record = redis.call('HGET', profiles, name)
if not record then
  expect_whole('HLEN', profiles)
  return { NOT_FOUND }
end
if revision_of(record) ~= expected then return { CONFLICT, revision_of(record) } end

delete_document(profiles, profile_revisions, name)
return { WON, record }
