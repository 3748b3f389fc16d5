"""What a charge pays for, in the form that providers keep beside a charge: words and short texts.

Stripe allows 50 words of 500 characters; ours are seven at most, and 20 seats need 160, their categories 419.
"""

from collections.abc import Mapping
from uuid import UUID

from booking.providers.protocol import Charge, Purchase


def metadata_of(charge: Charge) -> dict[str, str]:
    """`payment_id`, `order_id`; with the purchase `order_no`, `user_id`, `session_id`, `seats` (`12,13`), and
    `categories` of these (`adult,child`) if they have any."""
    known = {"payment_id": str(charge.payment_id), "order_id": str(charge.order_id)}
    bought = charge.purchase
    if bought is not None:
        known["order_no"] = bought.order_no
        known["user_id"] = str(bought.user_id)
        known["session_id"] = str(bought.session_id)
        known["seats"] = ",".join(map(str, bought.seats))
        if bought.categories:
            known["categories"] = ",".join(bought.categories)
    return known


def order_id_of(metadata: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(metadata["order_id"])
    except (KeyError, ValueError):
        return None


def purchase_of(metadata: Mapping[str, str]) -> Purchase | None:
    """None unless all of it is there and in our form: whoever has the account's key may have changed it."""
    try:
        return Purchase(
            order_no=metadata["order_no"],
            user_id=UUID(metadata["user_id"]),
            session_id=UUID(metadata["session_id"]),
            seats=[int(seat) for seat in metadata["seats"].split(",")],
            categories=tuple(filter(None, metadata.get("categories", "").split(","))),
        )
    except (KeyError, ValueError):
        return None
