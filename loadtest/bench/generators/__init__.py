"""Load generators: closed loop, open loop, or wrk with crowd.lua."""
