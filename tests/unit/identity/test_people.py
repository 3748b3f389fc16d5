"""E-mail addresses, names, phone numbers: boundaries of what is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import ValidationFailed
from identity.domain.people import (
    clean_name,
    clean_phone,
    normalise_email,
)

LABEL_63 = "d" * 63


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann.B+tickets@Example.COM \t", "ann.b+tickets@example.com"),
        ("o'neil_1-2@sub.domain.example.cn", "o'neil_1-2@sub.domain.example.cn"),
        ("a" * 64 + "@b.co", "a" * 64 + "@b.co"),
        (f"a@{LABEL_63}.com", f"a@{LABEL_63}.com"),
    ],
)
def test_an_address_has_one_stored_form(typed: str, stored: str) -> None:
    assert normalise_email(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@localhost",
        "ann@@example.com",
        "ann@b@example.com",
        "ann b@example.com",
        "ann@exam ple.com",
        "ann@example..com",
        "ann@.example.com",
        "ann@example.com.",
        "ann@-example.com",
        "ann@example-.com",
        ".ann@example.com",
        "ann.@example.com",
        "ann\x00@example.com",
        "ann\r\nBcc: all@example.com",
        "ann\u2028@example.com",
        '"ann b"@example.com',
        "ann<x>@example.com",
        "张三@example.com",
        "ann@例子.com",
        "a" * 65 + "@b.co",
        f"a@{LABEL_63}d.com",
        "a@" + ".".join([LABEL_63] * 4) + ".com",
    ],
)
def test_what_is_no_address_is_refused_by_name_of_its_field(typed: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        normalise_email(typed)
    assert [error.field for error in refused.value.errors] == ["email"]


def test_an_address_of_254_characters_is_the_longest() -> None:
    domain = f"{LABEL_63}.{LABEL_63}.{'e' * 57}.com"
    longest = f"{'a' * 64}@{domain}"
    assert len(longest) == 254
    assert normalise_email(longest) == longest
    with pytest.raises(ValidationFailed):
        normalise_email(f"{'a' * 64}@e{domain}")


@given(st.text())
def test_any_text_is_an_address_or_refused_and_an_address_is_its_own_form(text: str) -> None:
    try:
        stored = normalise_email(text)
    except ValidationFailed:
        return
    assert normalise_email(stored) == stored
    assert stored.isascii()
    assert stored.isprintable()


def test_names_are_stored_in_nfc_without_blanks_round_them() -> None:
    assert clean_name("  Zoe\u0308 ") == "Zoë"
    assert clean_name("王小明") == "王小明"
    assert clean_name("n" * 100) == "n" * 100
    assert clean_name("می\u200cخواهم") == "می\u200cخواهم"  # a joiner that is part of the word


@pytest.mark.parametrize(
    "name",
    [
        *("", "   ", "n" * 101, "a\x00b", "a\nb", "a\u2028b", "a\x1b[31mb"),
        *("a\u202egnp.exe", "\u2067a", "\u200b", "\u200b \u200d"),
    ],
)
def test_names_that_could_break_a_line_or_are_none_are_refused(name: str) -> None:
    with pytest.raises(ValidationFailed):
        clean_name(name)


@pytest.mark.parametrize("phone", ["13800138000", "+86 138-0013-8000", "12345", "+123456789012345"])
def test_phone_numbers_are_kept_as_typed(phone: str) -> None:
    assert clean_phone(f" {phone}\n") == phone


@pytest.mark.parametrize(
    "phone", ["", "1234", "+", "1234567890123456", "12a45", "１２３４５６", "++12345", "123\n456"]
)
def test_what_cannot_be_dialled_is_refused(phone: str) -> None:
    with pytest.raises(ValidationFailed):
        clean_phone(phone)
