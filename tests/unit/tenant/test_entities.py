"""What accounts, recipients and mailboxes are known by."""

from core.tenant.directory import Account
from core.tenant.mail_flow import Recipient
from core.tenant.mailboxes import MAX_NAME_LENGTH, Mailbox, format_mailbox_name
from core.tenant.quoting import quote_text


def test_plans_that_are_suspended_do_not_serve_and_unknown_ones_are_unknown() -> None:
    plans = Account("a1", plans=frozenset({"mail", "chat"}), idle_plans=frozenset({"chat"}))
    assert plans.serving_plans == frozenset({"mail"})
    assert Account("a1", plans=None, idle_plans=frozenset({"chat"})).serving_plans is None


def test_a_recipient_is_known_by_its_id_its_address_or_what_was_looked_up() -> None:
    assert Recipient("Ann", True, address="ann@x", id="r1").key == "r1"
    assert Recipient("Ann", True, address="ann@x").key == "ann@x"
    assert Recipient("Ann", False).key == "Ann"


def test_a_mailbox_is_called_by_its_address_its_name_or_its_id_on_one_line() -> None:
    assert format_mailbox_name(Mailbox("m1", "g1", "info@contoso.com", name="Info")) == (
        "info@contoso.com"
    )
    assert format_mailbox_name(Mailbox("m1", "g1", "", name="In\nfo")) == "In\\u000afo"
    assert format_mailbox_name(Mailbox("m1", "g1", "")) == "m1"
    long = format_mailbox_name(Mailbox("m1", "g1", "x" * 5_000))
    assert long == f"{'x' * MAX_NAME_LENGTH}\u2026 (5,000 characters)"


def test_text_of_the_tenant_is_quoted_up_to_a_length() -> None:
    assert quote_text("x" * 9, 9) == "x" * 9
    assert quote_text("x" * 10, 9) == f"{'x' * 9}\u2026 (10 characters)"
