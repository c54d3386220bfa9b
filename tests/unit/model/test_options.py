"""Settings: how a text becomes a value, and what an operator is told of one that is wrong."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.model.options import (
    MAX_SHOWN_TEXT,
    REQUIRED,
    Purpose,
    Setting,
    SettingReader,
    any_text,
    matching,
    names,
    number,
    one_of,
    several_of,
    whole_number,
)

DAYS = Setting(
    name="GUEST_DAYS",
    purpose=Purpose.JUDGEMENT,
    default="30",
    help="days a guest may go without signing in",
    parse=whole_number(1, 365),
)
TENANT = Setting(
    name="TENANT",
    purpose=Purpose.IDENTITY,
    default=REQUIRED,
    sample="contoso",
    help="name of the tenant",
    parse=any_text,
)


@pytest.mark.parametrize(
    ("texts", "value", "errors"),
    [
        ({}, 30, []),
        ({"GUEST_DAYS": " 7 "}, 7, []),
        ({"GUEST_DAYS": "  "}, 30, []),
        (
            {"GUEST_DAYS": "many"},
            30,
            ["GUEST_DAYS: 'many' is not a whole number; use one from 1 to 365."],
        ),
    ],
)
def test_the_operator_s_text_counts_and_else_the_default(
    texts: dict[str, str], value: int, errors: list[str]
) -> None:
    reader = SettingReader(texts)
    assert reader.read(DAYS) == value
    assert list(reader.errors) == errors


def test_what_is_missing_and_what_the_platform_left_unresolved_is_said_once() -> None:
    reader = SettingReader()
    assert reader.read(TENANT) == "contoso"
    assert reader.read(TENANT) == "contoso"
    assert list(reader.errors) == ["TENANT is missing; set it to the name of the tenant."]
    secret = SettingReader({"GUEST_DAYS": "@Microsoft.KeyVault(SecretUri=x)"})
    assert secret.read(DAYS) == 30
    (error,) = secret.errors
    assert error.startswith("GUEST_DAYS: its Key Vault reference is not resolved. Let the app's")
    assert error.endswith("the platform keeps a failed answer for up to 24 hours.")


def test_what_is_required_counts_as_it_was_written_and_what_is_optional_may_be_missing() -> None:
    reader = SettingReader({"TENANT": "fabrikam"})
    assert reader.read(TENANT) == "fabrikam"
    optional = Setting(name="X", purpose=Purpose.STATE, default="", help="x", parse=any_text)
    assert reader.read(optional) == ""
    assert list(reader.errors) == []


def test_after_a_mistake_the_default_counts_and_not_the_sample() -> None:
    shown = replace(DAYS, sample="90")
    assert SettingReader({"GUEST_DAYS": "many"}).read(shown) == 30


def test_the_sample_of_a_setting_is_its_default_unless_it_has_one() -> None:
    assert (DAYS.sample_text, TENANT.sample_text) == ("30", "contoso")
    bare = Setting(name="X", purpose=Purpose.STATE, default=REQUIRED, help="x", parse=any_text)
    assert bare.sample_text == ""


PARSERS: dict[str, Callable[[str], Any]] = {
    "one of": one_of("alert", "enforce"),
    "several of": several_of(frozenset({"UserMailbox", "RoomMailbox", "A"})),
    "whole number": whole_number(2, 5),
    "number": number(0.5, 10),
    "matching": matching(r"[a-z]+", "small letters"),
    "names": names(r"[a-z]+", "small letters"),
    "names in any case": names(r"[a-z]+", "small letters", fold_case=True),
}


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        ("one of", "ALERT", "alert"),
        ("several of", " usermailbox ,, ROOMMAILBOX,UserMailbox", ("UserMailbox", "RoomMailbox")),
        ("several of", "", ()),
        ("whole number", "2", 2),
        ("whole number", "5", 5),
        ("number", "0.5", 0.5),
        ("number", "10", 10.0),
        ("matching", "abc", "abc"),
        ("matching", "", ""),
        ("names", "a, b ,,", ("a", "b")),
        ("names in any case", "A,b", ("a", "b")),
    ],
)
def test_a_text_of_the_right_form_becomes_a_value(parser: str, text: str, value: object) -> None:
    assert PARSERS[parser](text) == value


@pytest.mark.parametrize(
    ("parser", "text", "reason"),
    [
        ("one of", "off", "'off' is not a choice; use alert or enforce."),
        (
            "several of",
            "a,UserMailboxes,x",
            "'UserMailboxes', 'x' in the list is not a choice; use A, RoomMailbox or UserMailbox.",
        ),
        ("whole number", "1", "'1' is not a whole number; use one from 2 to 5."),
        ("whole number", "6", "'6' is not a whole number; use one from 2 to 5."),
        ("whole number", "2.5", "'2.5' is not a whole number; use one from 2 to 5."),
        ("number", "0.4", "'0.4' is not a valid number; use a number from 0.5 to 10."),
        ("number", "11", "'11' is not a valid number; use a number from 0.5 to 10."),
        ("number", "nan", "'nan' is not a valid number; use a number from 0.5 to 10."),
        ("number", "x", "'x' is not a valid number; use a number from 0.5 to 10."),
        ("matching", "aBc", "'aBc' is not valid; use small letters."),
        ("names", "a,B,c,D", "'B', 'D' in the list is not valid; use small letters."),
        ("names in any case", "a,5", "'5' in the list is not valid; use small letters."),
        ("one of", "x" * 99, f"'{'x' * MAX_SHOWN_TEXT}' is not a choice; use alert or enforce."),
    ],
)
def test_a_mistake_is_quoted_with_its_remedy(parser: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        PARSERS[parser](text)


def test_the_only_choice_stands_alone() -> None:
    with pytest.raises(ValueError, match=r"use a\.$"):
        one_of("a")("b")
