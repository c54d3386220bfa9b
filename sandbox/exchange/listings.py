"""How a listing of more than one page comes: next links, entity endpoints, whole answers.

Which of them an app may use in a live tenant is contested (`sandbox.reality.listing_facts`).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.exchange.mailbox_statistics import DEFAULT_MAILBOX_PROPERTIES
from sandbox.exchange.read_cmdlets import CmdletError, Command
from sandbox.http_types import HttpRequest, Row
from sandbox.reality.profile import Reality
from sandbox.state.tenant import fold_key

PAGE_LIMIT = 1000
MORE_RESULTS = (
    "There are more results available than are currently displayed. To view them, increase the "
    "value for the ResultSize parameter."
)
FOREIGN_MORE_RESULTS = "Es sind weitere Ergebnisse vorhanden."
PAGING = "exchange-paging"
BACK_END_COOKIE = "X-BackEndCookie"

# Microsoft Learn: "Property sets in Exchange Online PowerShell module cmdlets".
ENTITY_CMDLETS: Mapping[str, str] = {"mailbox": "Get-Mailbox", "casmailbox": "Get-CASMailbox"}
MAILBOX_SETS: Mapping[str, str] = {
    "minimum": "Alias DisplayName EmailAddresses ExternalDirectoryObjectId Guid Identity Name"
    " PrimarySmtpAddress RecipientTypeDetails UserPrincipalName",
    "archive": "ArchiveGuid ArchiveStatus",
    "audit": "AuditAdmin AuditDelegate AuditEnabled AuditLogAgeLimit AuditOwner DefaultAuditSet",
    "delivery": "DeliverToMailboxAndForward ForwardingAddress ForwardingSmtpAddress"
    " GrantSendOnBehalfTo",
    "hold": "ComplianceTagHoldApplied InPlaceHolds LitigationHoldEnabled",
    "retention": "RetentionHoldEnabled",
    "others": "IsDirSynced IsExchangeCloudManaged PersistedCapabilities RemoteRecipientType"
    " WhenCreated",
}
CAS_MAILBOX_SETS: Mapping[str, str] = {
    "minimum": "DisplayName ExternalDirectoryObjectId Guid ImapEnabled Name PopEnabled"
    " PrimarySmtpAddress",
    "others": "ActiveSyncEnabled EwsEnabled MAPIEnabled OWAEnabled"
    " SmtpClientAuthenticationDisabled WhenCreated",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing. `token` is that of the next one, empty if there is none."""

    rows: Sequence[Row]
    token: str
    warnings: tuple[str, ...]
    size: int


def build_paging_error() -> CmdletError:
    """The refusal that apps were seen to get for every next page (graph2otel, 07-2026)."""
    return CmdletError(
        "Expired or Invalid pagination request. Default Expiry time is 00:30:00",
        "Microsoft.Exchange.Admin.OData.Core.ODataServiceException",
    )


def get_page_size(reality: Reality, preferred: int | None, row_count: int) -> int:
    """The rows of a page: what the client prefers, or everything if it names no size."""
    if preferred is not None:
        return max(1, min(PAGE_LIMIT, preferred))
    if reality.plays("exchange-one-answer", "whole"):
        return max(1, row_count)
    return int(reality.get_option("exchange-one-answer", "size", PAGE_LIMIT))


def is_affected(reality: Reality, cmdlet: str) -> bool:
    """True if the side of the paging fact holds for a cmdlet; an entity endpoint has no name."""
    only = reality.get_option(PAGING, "cmdlet")
    return bool(cmdlet) and (only is None or fold_key(only) == fold_key(cmdlet))


def check_continuation(
    reality: Reality, request: HttpRequest, cmdlet: str, listing: str, page: int, initial: str
) -> None:
    """Raises CmdletError for a next page that the tenant does not serve. `page` counts from 1."""
    if not is_affected(reality, cmdlet):
        return
    match reality.get_side(PAGING):
        case "refused":
            refused = page > int(reality.get_option(PAGING, "after", 0))
        case "back-end":
            wanted = f"{BACK_END_COOKIE}={listing}"
            refused = wanted not in request.headers.get("Cookie", "").split("; ")
        case "anchored":
            anchor = request.headers.get("X-AnchorMailbox", "")
            refused = not initial or fold_key(anchor) != fold_key(f"UPN:OAuthUser@{initial}")
        case "get":
            refused = request.method != "GET"
        case _:
            refused = False
    if refused:
        raise build_paging_error()


def shorten_answer(
    reality: Reality, preferred: int | None, warnings: tuple[str, ...]
) -> tuple[str, ...] | None:
    """The warnings of one answer that is cut and has no link; None for any other answer."""
    if preferred is not None:
        return None
    match reality.get_side("exchange-one-answer"):
        case "warned":
            return (*warnings, FOREIGN_MORE_RESULTS)
        case "silent":
            return warnings
        case _:
            return None


def hides_link(reality: Reality, cmdlet: str) -> bool:
    """True if a cut page has no link."""
    return reality.plays(PAGING, "no-link") and is_affected(reality, cmdlet)


def is_left_out(reality: Reality, cmdlet: str, page: int) -> bool:
    """True if a page is passed over. `page` counts from 1 for the second one."""
    is_played = reality.plays(PAGING, "skipped") and is_affected(reality, cmdlet)
    return is_played and page == int(reality.get_option(PAGING, "after", 1))


def choose_next(reality: Reality, cmdlet: str, page: int, token: str, rest: str) -> str:
    """The token that a page leads to. `page` counts from 0, `token` is its own, `rest` the next."""
    if not is_affected(reality, cmdlet):
        return rest
    match reality.get_side(PAGING):
        case "ended" if page + 1 >= int(reality.get_option(PAGING, "after", 1)):
            return ""
        case "twice" if token and not is_repeated(token):
            return build_repeated_token(token)
        case "last-again" if token and not rest:
            return build_repeated_token(token)
        case _:
            return rest


def is_repeated(token: str) -> bool:
    """True if a token stands for a page that came before."""
    return ".0" in urlsafe_b64decode(f"{token}==").decode()


def build_repeated_token(token: str) -> str:
    """Another token for the same page."""
    name, _, start = urlsafe_b64decode(f"{token}==").decode().partition(".")
    return urlsafe_b64encode(f"{name}.0{start}".encode()).decode().rstrip("=")


def hides_rows(reality: Reality, cmdlet: str) -> bool:
    """True if a next page has no rows."""
    return reality.plays(PAGING, "no-rows") and is_affected(reality, cmdlet)


def build_cookies(listing: str) -> dict[str, str]:
    """The cookies that name the back end of a listing."""
    return {
        "Set-Cookie": f"{BACK_END_COOKIE}={listing}; expires=Sun, 27-Dec-2037 00:00:00 GMT; "
        "path=/; secure; HttpOnly"
    }


def parse_entity_command(request: HttpRequest) -> Command:
    """The cmdlet that lists the same objects as an entity endpoint. Raises CmdletError."""
    parameters: dict[str, object] = {"ResultSize": "Unlimited"}
    text = request.query.get("$filter", "")
    if text:
        if "forwarding" in text.casefold():
            raise CmdletError("The filter is not supported.", "ODataException")
        parameters["Filter"] = text
    return Command(ENTITY_CMDLETS[request.segments[3].casefold()], parameters)


def list_entity_properties(reality: Reality, request: HttpRequest) -> list[str]:
    """The properties that an entity endpoint prints, by the sets of the request."""
    is_mailbox = request.segments[3].casefold() == "mailbox"
    known = MAILBOX_SETS if is_mailbox else CAS_MAILBOX_SETS
    wanted = {name.casefold() for name in request.query.get("PropertySet", "Minimum").split(",")}
    if reality.plays("exchange-entity-endpoints", "bare"):
        wanted = {"minimum"}
    chosen = known if "all" in wanted else {name: known[name] for name in known if name in wanted}
    return [name for names in chosen.values() for name in names.split()]


def get_default_value(name: str) -> object:
    """The value of a property that a row of the scene does not have."""
    return DEFAULT_MAILBOX_PROPERTIES.get(name)
