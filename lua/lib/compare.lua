-- The compare of a compare-and-swap: a digest or a record in a hash, as the caller has read it.

--- @include lib/counts

-- whether what is stored is what is expected, '' for nothing
local function is_as_read(key, expected, stored)
  if stored == expected and stored ~= '' then return true end
  if not stored then
    expect_whole('HLEN', key)
    return expected == ''
  end
  -- none of them is empty, or the beginning of another one
  if stored == '' or #stored < #expected and string.sub(expected, 1, #stored) == stored then
    --- @include lib/damage
    damaged(key, 'a digest or a record in it was cut short')
  end
  return false
end
