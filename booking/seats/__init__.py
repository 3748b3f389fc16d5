"""The seats in Redis (or Valkey). Redis may refuse a buyer; only PostgreSQL may give a seat.

Redis filters, PostgreSQL decides. Use cases call `SeatHolds` (holds.py). Its results are values (Held,
SoldOut, Taken, LimitReached, Repeated); if Redis is not available it raises Unavailable. PostgreSQL is
reached through one protocol (claims.py), which store.py implements.

    holds = SeatHolds(RedisCalls(Servers(url), load_scripts(LUA)), truth)
    answer = await holds.hold_best(...)      # an intent of 10 s
    ... INSERT the order and its claims into PostgreSQL ...
    # committed: nothing more to do; the sweeper moves the intent to the order's own deadline
    # refused:   await holds.correct(session_id, claims); await holds.release(session_id, order_id)
    # paid:      await holds.sell(session_id, order_id)   after the commit
    # cancelled: await holds.release(session_id, order_id) after the commit

Call release, sell, correct, block and unblock after PostgreSQL has committed. If they raise Unavailable,
the sweeper and the reconciler correct Redis later.
"""
