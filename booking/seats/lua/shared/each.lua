-- One act for each of several orders of a call.

-- Adds an answer for each order. Where the act fails at the first order, nothing has been written yet, and the call
-- fails. Any other order at which it fails is answered `later`, so that it becomes the first one of another call.
local function answer_each(answers, orders, act, later)
  answers[2] = act(orders[1])
  for n = 2, #orders do
    local done, answer = pcall(act, orders[n])
    answers[n + 1] = done and answer or later
  end
  return answers
end
