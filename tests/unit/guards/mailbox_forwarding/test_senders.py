"""Senders that may warn, whoever's mailbox a rule is in."""

import pytest

from core.guards.mailbox_forwarding.senders import has_warning_sender, may_warn


@pytest.mark.parametrize(
    ("text", "at_home", "elsewhere"),
    [
        ("helpdesk@contoso.com", True, True),
        # An office that counts only at home, and a bank that counts only elsewhere.
        ("hr@contoso.com", True, False),
        ("info@mybank.example", False, True),
        ("news@shop.example", False, False),
        # The name before an address is free text.
        ('"Helpdesk" [SMTP:news@shop.example]', False, False),
        ('"News" [SMTP:helpdesk@shop.example]', True, True),
        ("Helpdesk", True, True),
        # Nothing sends mail under a name that is longer: the rest is not read.
        ("PayPal" + " " * 400 + "\u2026", True, True),
    ],
)
def test_a_sender_may_warn_where_it_would_at_home_or_elsewhere(
    text: str, at_home: bool, elsewhere: bool
) -> None:
    assert may_warn([text]) is (at_home or elsewhere)
    assert may_warn(["news@shop.example", text]) is (at_home or elsewhere)
    if "@" in text:
        assert has_warning_sender([text], lambda domain: True) is at_home
    assert has_warning_sender([text], lambda domain: False) is elsewhere
