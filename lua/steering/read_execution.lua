-- Read the record of one execution.
--
-- ARGV   field: of the execution among those of its run
-- Reply  the record, or nil
-- Leaves everything as it was.

--- @keys run executions
--- @args field
return redis.call('HGET', executions, field)
