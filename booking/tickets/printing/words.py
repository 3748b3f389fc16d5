"""What tickets and calendar entries say, `ticket.toml` of each language."""

import msgspec

from chassis.languages import texts


class TicketWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind`: what the page is. `proof`: what its holder has to show. `notes`: at its foot, a line each.
    `void`: in the place of the code."""

    kind: str
    area: str
    row: str
    seat: str
    entry: str
    standing: str
    category: str
    proof: str
    void: str
    order: str
    notes: list[str]


WORDS = texts("ticket.toml", TicketWords)


def words_of(words: TicketWords) -> list[str]:
    """Every text of them."""
    fields = msgspec.structs.asdict(words).values()
    return [text for field in fields for text in ([field] if isinstance(field, str) else field)]
