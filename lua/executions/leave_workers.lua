-- Let go of a worker: what it held waits for others at once.
--
-- ARGV   id: of the worker; is_orderly: 1 if it hands its executions back, 0 if its process is known to be gone
-- Reply  WON | LOST (no such worker, or its lease had expired)
-- Leaves the worker unknown, and each of its executions waiting.

--- @include lib/announce
--- @include lib/key_types
--- @include lib/replies
--- @include lib/worker_loss

--- @keys meta workers ready queued lost gated channel
--- @args id is_orderly
expect_sorted_sets(workers, ready, queued, gated)
expect_hashes(lost)
read_clock(meta)
for _, worker in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
  if string.sub(worker, 1, #id + 1) == id .. '\0' then
    if let_go(meta, workers, queued, ready, lost, gated, worker, NOW, is_orderly == '1', {}) > 0 then announce(channel, '') end
    return WON
  end
end
return LOST
