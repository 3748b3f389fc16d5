-- Bytes of seats by kind and state, as booking/seats/bytes.py has them.
local ALL = '.:;,hHiIsStTbBcC'  -- four kinds in each of four states
local STATES = '.hsb'

-- The state of a seat (`.`, `h`, `s` or `b`); nil for what is no seat or never for sale.
local function state_of(byte)
  local at = byte ~= '' and string.find(ALL, byte, 1, true)
  if at then
    local state = math.ceil(at / 4)
    return string.sub(STATES, state, state)
  end
end

-- These bytes of seats in another state; each keeps its kind.
local function in_state(text, state)
  if not string.find(text, '[^.hsb]') then
    return string.rep(state, #text)
  end
  local kinds = 4 * (string.find(STATES, state, 1, true) - 1)
  return (string.gsub(text, '.', function(byte)
    local at = kinds + (string.find(ALL, byte, 1, true) - 1) % 4 + 1
    return string.sub(ALL, at, at)
  end))
end
