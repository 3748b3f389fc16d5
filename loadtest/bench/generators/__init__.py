"""Who sends the requests and counts the answers: closed loop, open loop, or wrk with crowd.lua."""
