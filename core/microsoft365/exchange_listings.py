"""How Exchange lists what it holds: the ways each cmdlet has, and the forms of asking for a page.

Which of the ways work for an app in a large tenant is contested. rknightion/graph2otel (live, app
only, 07-2026) and MicrosoftDocs/office-docs-powershell#10907 saw every second page refused;
KelvinTegelaar/CIPP-API, jflieben/M365Permissions and philband/go-exoscc follow pages, each in
another form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product


class ListingWay(StrEnum):
    """A way to list all objects of a cmdlet."""

    PAGES = "pages"
    """Pages of 1,000 rows, one after another."""
    ENTITIES = "entities"
    """The entity endpoint of the Get-EXO* cmdlet, page by page."""
    WHOLE = "whole"
    """Everything in one answer, read as a stream."""
    SLICES = "slices"
    """Many complete answers, each to a narrower filter, some at once."""
    EACH = "each"
    """One command per object, for the objects that another cmdlet lists."""


class PageAnchor(StrEnum):
    """The mailbox that the header X-AnchorMailbox names, which chooses the back end."""

    SYSTEM = "app"
    """The organization's system mailbox, as CIPP-API sends it."""
    OAUTH_USER = "oauth"
    """OAuthUser at the initial domain, as the PowerShell module sends it."""
    TENANT = "tid"
    """The tenant's id."""


@dataclass(frozen=True, slots=True)
class PageForm:
    """A form of asking for the next page of a listing."""

    method: str
    """POST with the body of the command, or GET."""
    anchor: PageAnchor
    keeps_cookies: bool
    """Whether the cookies of the page before are sent back; they name the back end."""
    uses_link_host: bool
    """Whether the request goes to the host of the link instead of the one that served the page."""

    @property
    def name(self) -> str:
        """The name of the form, as the assumption "exchange-paging" lists it among its ways."""
        cookies = "cookies" if self.keeps_cookies else "plain"
        host = "link" if self.uses_link_host else "front"
        return f"{self.method.lower()}-{self.anchor}-{cookies}-{host}"


# The form of CIPP-API first; then what differs from it least.
PAGE_FORMS: tuple[PageForm, ...] = tuple(
    PageForm(method, anchor, cookies, link_host)
    for method, anchor, (cookies, link_host) in product(
        ("POST", "GET"), PageAnchor, ((False, False), (True, False), (True, True), (False, True))
    )
)
DEFAULT_PAGE_FORM = PAGE_FORMS[0]


def find_page_form(name: str) -> PageForm | None:
    """The form of this name, or None."""
    return next((form for form in PAGE_FORMS if form.name == name), None)


@dataclass(frozen=True, slots=True)
class EntitySet:
    """An entity endpoint, and the property sets it is asked for.

    Microsoft Learn: "Property sets in Exchange Online PowerShell module cmdlets".
    """

    name: str
    property_sets: Mapping[str, str] = field(default_factory=dict)
    """The set that holds a property; one that is missing here takes the set All."""

    def choose_sets(self, properties: tuple[str, ...]) -> tuple[str, ...]:
        """The sets that hold all these properties."""
        chosen = {self.property_sets.get(name, ALL_PROPERTIES) for name in properties}
        if ALL_PROPERTIES in chosen:
            return (ALL_PROPERTIES,)
        return tuple(sorted({MINIMUM, *chosen}))


@dataclass(frozen=True, slots=True)
class CmdletListing:
    """The ways to list the objects of a cmdlet, in the order in which they are tried."""

    ways: tuple[ListingWay, ...]
    entity_set: EntitySet | None = None
    """The endpoint of `ENTITIES`."""
    kinds: tuple[str, ...] = ()
    """The recipient types that `SLICES` asks for one by one, before the rest."""
    each_of: str = ""
    """The cmdlet whose objects `EACH` asks for."""


ALL_PROPERTIES = "All"
MINIMUM = "Minimum"


def map_property_sets(sets: Mapping[str, str]) -> dict[str, str]:
    """Map each property to its set."""
    return {name: chosen for chosen, names in sets.items() for name in names.split()}


RECIPIENT_MINIMUM = (
    "ExternalDirectoryObjectId Guid PrimarySmtpAddress UserPrincipalName DisplayName Name"
    " RecipientTypeDetails"
)
MAILBOX_ENTITIES = EntitySet(
    "Mailbox",
    map_property_sets(
        {
            MINIMUM: RECIPIENT_MINIMUM,
            "Archive": "ArchiveGuid ArchiveStatus",
            "Audit": "AuditEnabled AuditAdmin AuditDelegate AuditOwner AuditLogAgeLimit"
            " DefaultAuditSet",
            "Delivery": "ForwardingAddress ForwardingSmtpAddress DeliverToMailboxAndForward"
            " GrantSendOnBehalfTo",
            "Hold": "LitigationHoldEnabled InPlaceHolds ComplianceTagHoldApplied",
            "Retention": "RetentionHoldEnabled",
        }
    ),
)
CAS_MAILBOX_ENTITIES = EntitySet(
    "CasMailbox",
    map_property_sets(
        {
            MINIMUM: "ExternalDirectoryObjectId Guid PrimarySmtpAddress DisplayName Name"
            " ImapEnabled PopEnabled"
        }
    ),
)
MAILBOX_KINDS = ("UserMailbox", "SharedMailbox", "RoomMailbox", "EquipmentMailbox")
PAGES_OR_WHOLE = CmdletListing((ListingWay.PAGES, ListingWay.WHOLE))
CMDLETS_WITH_MORE_WAYS: Mapping[str, CmdletListing] = {
    "Get-Mailbox": CmdletListing(
        (ListingWay.PAGES, ListingWay.ENTITIES, ListingWay.WHOLE, ListingWay.SLICES),
        entity_set=MAILBOX_ENTITIES,
        kinds=MAILBOX_KINDS,
    ),
    "Get-CASMailbox": CmdletListing(
        (ListingWay.PAGES, ListingWay.ENTITIES, ListingWay.WHOLE, ListingWay.SLICES),
        entity_set=CAS_MAILBOX_ENTITIES,
    ),
    "Get-User": CmdletListing(
        (ListingWay.PAGES, ListingWay.WHOLE, ListingWay.SLICES),
        kinds=("UserMailbox", "User", "MailUser", "SharedMailbox", "GuestMailUser"),
    ),
    # Their parameters do not filter, and an entity of RecipientPermission lacks the holder's SID.
    "Get-RecipientPermission": CmdletListing(
        (ListingWay.PAGES, ListingWay.WHOLE, ListingWay.EACH), each_of="Get-Mailbox"
    ),
    "Get-MailboxAuditBypassAssociation": CmdletListing(
        (ListingWay.PAGES, ListingWay.WHOLE, ListingWay.EACH), each_of="Get-User"
    ),
}


def find_cmdlet_listing(cmdlet: str) -> CmdletListing:
    """The ways to list the objects of a cmdlet: by pages or in one answer, unless it has more."""
    return CMDLETS_WITH_MORE_WAYS.get(cmdlet, PAGES_OR_WHOLE)
