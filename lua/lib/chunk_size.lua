-- How many values are passed on at once: unpack stops at 7,999.

local CHUNK = 4000
