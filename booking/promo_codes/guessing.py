"""Looks up a promo code, and limits wrong guesses.

A miss is a code that the show does not have. After USER_MISSES_MAX misses of a user within MISSES_WITHIN_S,
or as many from an address as the settings allow, no code is looked up: valid and invalid codes get the same
answer. A code that exists is never a miss, even if its order fails.

PostgreSQL counts for all processes, in the transaction that looks the code up; without PostgreSQL there are
no orders either. The codes of one user, and those from one address, are looked up one after the other, so
parallel guesses have no advantage.
"""

import math
from uuid import UUID

from booking.domain.problems import PromoCodesTried, PromoCodeUnknown
from booking.domain.promotion import normalise_code
from booking.promo_codes import store
from booking.promo_codes.store import PromoCode
from booking.refusals import refusals
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import Unavailable

log = logs.get("booking")

USER_MISSES_MAX = 10
MISSES_WITHIN_S = 600.0


class PromoGuesses:
    """`await find(show_id, text, user_id=…, address=…)` → the code.

    address_max: misses allowed from one address within MISSES_WITHIN_S. It is higher than a user's limit: an
    office, a school or a mobile network is one address, and many people there mistype the same code.
    """

    def __init__(self, pool: Pool, *, address_max: int) -> None:
        self._pool = pool
        self._address_max = address_max

    async def find(
        self, show_id: UUID, text: str, *, user_id: UUID, address: str | None
    ) -> PromoCode:
        """address: None counts misses by user only. Raises PromoCodeUnknown, PromoCodesTried."""
        code = normalise_code(text)
        try:
            with refusals():
                async with transaction(self._pool) as tx:
                    found = await self._judge(tx, show_id, code, user_id, address)
        except TimeoutError:
            raise Unavailable("The database did not answer in time.") from None
        if found is None:
            log.info("promo_code_missed", user=user_id, show=show_id)
            raise PromoCodeUnknown()
        return found

    async def _judge(
        self, tx: Connection, show_id: UUID, code: str | None, user_id: UUID, address: str | None
    ) -> PromoCode | None:
        """None is a miss; it counts once the transaction commits."""
        await store.lock_promo_misses(tx, user_id, address)
        again_in_s = await store.promo_refused_for_s(
            tx,
            user_id,
            address,
            user_max=USER_MISSES_MAX,
            address_max=self._address_max,
            within_s=MISSES_WITHIN_S,
        )
        if again_in_s is not None:
            raise PromoCodesTried(max(1, math.ceil(again_in_s)))
        found = await store.find_promo_code(tx, show_id, code) if code is not None else None
        if found is None:
            await store.insert_promo_miss(tx, user_id, address, within_s=MISSES_WITHIN_S)
        return found

    async def prune(self) -> None:
        """Deletes misses that are too old to count."""
        async with connection(self._pool) as db:
            await store.prune_promo_misses(db, within_s=MISSES_WITHIN_S)
