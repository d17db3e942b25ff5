-- Tell the time of the fleet.
--
-- Reply  milliseconds since 1970
-- Leaves everything as it was.

--- @include lib/fleet_clock

--- @keys meta
read_clock(meta)
return math.max(NOW, renewed_field(meta, 'clock_ms'))
