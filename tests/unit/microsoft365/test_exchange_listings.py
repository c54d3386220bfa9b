"""The ways to list what Exchange holds, as the register and the adapters name them."""

import ast
from pathlib import Path

from core.microsoft365.assumptions.register import ASSUMPTIONS_BY_ID
from core.microsoft365.exchange_listings import (
    ALL_PROPERTIES,
    CAS_MAILBOX_ENTITIES,
    DEFAULT_PAGE_FORM,
    LISTINGS,
    MAILBOX_ENTITIES,
    PAGE_FORMS,
    ListingWay,
    find_page_form,
)

ADAPTERS = Path("core/adapters")
READ_BY_IDENTITY = {"Get-MailContact", "Get-MailUser", "Get-MailboxStatistics", "Get-Recipient"}


def test_the_forms_of_a_page_are_the_ways_of_the_assumption() -> None:
    ways = ASSUMPTIONS_BY_ID["exchange-paging"].ways
    assert {form.name for form in PAGE_FORMS} == ways.keys() - {"none"}
    assert DEFAULT_PAGE_FORM.name == ASSUMPTIONS_BY_ID["exchange-paging"].default_way
    assert all(find_page_form(form.name) is form for form in PAGE_FORMS)
    assert find_page_form("none") is None


def test_every_cmdlet_that_an_adapter_runs_says_how_it_is_listed() -> None:
    cmdlets = {
        node.value
        for path in ADAPTERS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("Get-")
        and node.value.replace("-", "").isalpha()
        and len(node.value) > len("Get-")
    }
    assert "Get-Mailbox" in cmdlets
    assert cmdlets - READ_BY_IDENTITY - {NO_SUCH_CMDLET} <= LISTINGS.keys() | CONFIGURATION
    for listing in LISTINGS.values():
        assert listing.ways[0] is ListingWay.PAGES
        assert (ListingWay.ENTITIES in listing.ways) == (listing.entity_set is not None)
        assert (ListingWay.EACH in listing.ways) == bool(listing.each_of)


# What the probe runs to see how Exchange refuses a cmdlet that it does not have.
NO_SUCH_CMDLET = "Get-ExoguardProbe"
# Objects of configuration: an organization has one or a few of them.
CONFIGURATION = {
    "Get-AdminAuditLogConfig",
    "Get-AuthenticationPolicy",
    "Get-CASMailboxPlan",
    "Get-OrganizationConfig",
    "Get-SharingPolicy",
    "Get-TransportConfig",
}


def test_properties_are_asked_for_by_the_sets_that_hold_them() -> None:
    assert MAILBOX_ENTITIES.choose_sets(("Guid", "AuditEnabled")) == ("Audit", "Minimum")
    assert MAILBOX_ENTITIES.choose_sets(("Guid", "IsDirSynced")) == (ALL_PROPERTIES,)
    assert CAS_MAILBOX_ENTITIES.choose_sets(("Guid", "ImapEnabled")) == ("Minimum",)
    # Outside of the minimum set (MicrosoftDocs/office-docs-powershell#5861).
    assert CAS_MAILBOX_ENTITIES.choose_sets(("SmtpClientAuthenticationDisabled",)) == ("All",)
