-- The state of a seat, by its byte.

-- The state (`.`, `h`, `s` or `b`), and whether the seat is accessible.
local function state_of(byte)
  if byte == ':' then
    return '.', true
  end
  local state = string.lower(byte)
  return state, state ~= byte
end
