"""The schedule of retries: growing intervals, about three days in total."""

import random

DELAYS_S = (5, 60, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 20 * 3600)
ATTEMPTS_MAX = len(DELAYS_S) + 1
JITTER = 0.1  # random share of a delay, so that deliveries that failed together spread out
GIVE_UP_HOURS = 76  # longer than the schedule, for deliveries that had to wait for a free place
DISABLE_AFTER_HOURS = 5 * 24  # of failures without a success
RETRY_AFTER_MAX_S = 3600


def delay_s(attempt: int, retry_after_s: float | None = None) -> float | None:
    """Seconds to wait after this attempt (from 1) has failed; None after the last attempt.

    retry_after_s: the receiver's Retry-After; a longer wait than planned is allowed, up to a maximum.
    """
    if attempt > len(DELAYS_S):
        return None
    planned = DELAYS_S[attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(planned, min(retry_after_s or 0.0, RETRY_AFTER_MAX_S))
