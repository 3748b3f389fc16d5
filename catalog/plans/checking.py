"""The process that checks large plans for documents.py."""

import msgspec

from catalog.halls.checks import checked_hall
from catalog.halls.document import PlanDocument
from chassis.concurrency.answering import answer_questions
from chassis.http.bodies import decode
from chassis.problems import FieldError, ValidationFailed

PROGRAM = "catalog.plans.checking"


class Verdict(msgspec.Struct, frozen=True):
    """seats: of a document without errors."""

    errors: list[FieldError]
    seats: int = 0


def verdict_of(document: PlanDocument | bytes) -> Verdict:
    try:
        if isinstance(document, bytes):
            document = decode(PlanDocument, document)
        hall = checked_hall(document)
    except ValidationFailed as wrong:
        return Verdict(list(wrong.errors))
    return Verdict([], sum(area.capacity for area in hall.areas))


def answer(question: bytes) -> bytes:
    return msgspec.msgpack.encode(verdict_of(question))


if __name__ == "__main__":
    answer_questions(answer)
