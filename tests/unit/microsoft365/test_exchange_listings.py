"""The ways to list what Exchange holds, as the register and the adapters name them."""

from core.microsoft365.assumptions.register import ASSUMPTIONS_BY_ID
from core.microsoft365.exchange_listings import (
    ALL_PROPERTIES,
    CAS_MAILBOX_ENTITIES,
    CMDLETS_WITH_MORE_WAYS,
    DEFAULT_PAGE_FORM,
    MAILBOX_ENTITIES,
    MAILBOX_KINDS,
    PAGE_FORMS,
    PAGES_OR_WHOLE,
    ListingWay,
    find_cmdlet_listing,
    find_page_form,
)
from core.microsoft365.permission_risks import CMDLETS
from core.microsoft365.recipient_kinds import RECIPIENT_KINDS
from core.model.shared_settings import LISTED_MAILBOX_KINDS, RESOURCE_MAILBOX_KINDS


def test_the_forms_of_a_page_are_the_ways_of_the_assumption() -> None:
    ways = ASSUMPTIONS_BY_ID["exchange-paging"].ways
    assert {form.name for form in PAGE_FORMS} == ways.keys() - {"none"}
    assert DEFAULT_PAGE_FORM.name == ASSUMPTIONS_BY_ID["exchange-paging"].default_way
    assert all(find_page_form(form.name) is form for form in PAGE_FORMS)
    assert find_page_form("none") is None


def test_a_cmdlet_is_listed_by_pages_first_and_by_what_its_row_adds() -> None:
    assert find_cmdlet_listing("Get-Anything") == PAGES_OR_WHOLE
    for cmdlet in ("Get-Anything", *CMDLETS_WITH_MORE_WAYS):
        listing = find_cmdlet_listing(cmdlet)
        assert listing.ways[0] is ListingWay.PAGES
        assert (ListingWay.ENTITIES in listing.ways) == (listing.entity_set is not None)
        assert (ListingWay.EACH in listing.ways) == bool(listing.each_of)


def test_every_listing_with_more_ways_is_one_of_a_cmdlet_that_is_read() -> None:
    assert CMDLETS_WITH_MORE_WAYS.keys() <= CMDLETS.keys()
    each_of = {listing.each_of for listing in CMDLETS_WITH_MORE_WAYS.values()} - {""}
    assert each_of <= CMDLETS.keys()


def test_properties_are_asked_for_by_the_sets_that_hold_them() -> None:
    assert MAILBOX_ENTITIES.choose_sets(("Guid", "AuditEnabled")) == ("Audit", "Minimum")
    assert MAILBOX_ENTITIES.choose_sets(("Guid", "IsDirSynced")) == (ALL_PROPERTIES,)
    assert CAS_MAILBOX_ENTITIES.choose_sets(("Guid", "ImapEnabled")) == ("Minimum",)
    # Outside of the minimum set (MicrosoftDocs/office-docs-powershell#5861).
    assert CAS_MAILBOX_ENTITIES.choose_sets(("SmtpClientAuthenticationDisabled",)) == ("All",)


def test_the_kinds_that_are_asked_for_exist() -> None:
    """An unknown RecipientTypeDetails brings a 200 without rows (graph2otel, live)."""
    sliced = {kind for listing in CMDLETS_WITH_MORE_WAYS.values() for kind in listing.kinds}
    assert sliced <= RECIPIENT_KINDS
    assert LISTED_MAILBOX_KINDS <= RECIPIENT_KINDS
    assert set(MAILBOX_KINDS) <= LISTED_MAILBOX_KINDS
    assert set((RESOURCE_MAILBOX_KINDS.default or "").split(",")) <= LISTED_MAILBOX_KINDS
