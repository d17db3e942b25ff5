-- Read of which runs the deletion has begun and is not at its end.
--
-- Reply  their ids
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta deletions
expect_whole('HLEN', deletions)
return redis.call('HKEYS', deletions)
