"""Add-ins of Outlook that the organization gives to its people. Pure.

An add-in runs in the mailbox of whoever has it, with the rights of its manifest, and one that came
from a file was looked at by no store (MITRE ATT&CK T1137.006).
"""

from collections.abc import Iterator, Mapping

from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Fact, Severity
from core.property_values import get_flag, get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, Trait, WatchedCollection, WatchedItem, build_token

RELIES_ON = ("exchange-organization-add-ins",)

ADD_IN = "organization-add-in"
MAX_NAME_LENGTH = 120
# From the least to the most (Microsoft Learn: Get-App, Requirements).
RIGHTS = ("restricted", "readitem", "readwriteitem", "readwritemailbox")
RIGHT_TEXTS: Mapping[str, str] = {
    "readitem": "reads the message that is open",
    "readwriteitem": "reads and changes the message that is open",
    "readwritemailbox": "reads and changes the whole mailbox, and sends mail from it",
}
MICROSOFT, STORE = "default", "marketplace"
ALWAYS, OFF = "alwaysenabled", "disabled"


def describe_add_ins(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each add-in: what it may do, whose it is, and who has it."""
    for one in rows[ADD_IN] or ():
        values = one.values
        provider = quote_text(get_text(values, "ProviderName"), MAX_NAME_LENGTH)
        yield WatchedItem(
            id=one.id,
            name=quote_text(get_text(values, "DisplayName") or one.name, MAX_NAME_LENGTH),
            opens=tuple(list_add_in_traits(one)) if get_flag(values, "Enabled", True) else (),
            facts=(
                Fact("calls itself made by", provider or "nobody"),
                Fact("comes from", describe_origin(values)),
                Fact("asks for", quote_text(get_text(values, "Requirements"), 60) or "not told"),
            ),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: take it from everybody. One that was given in "
                    "the Microsoft 365 admin center is taken away there, under Integrated apps.",
                    build_command(
                        "Remove-App", "-OrganizationApp -Confirm:$false", Identity=one.id
                    ),
                ),
            ),
        )


def describe_origin(values: Mapping[str, object]) -> str:
    """Where an add-in comes from."""
    kind = get_text(values, "Type").casefold()
    known = {MICROSOFT: "Microsoft, with Outlook", STORE: "the store"}
    return known.get(kind, "a file or an address, not the store")


def rate_add_in(values: Mapping[str, object]) -> Severity:
    """How grave it is that people have an add-in. What Microsoft installs is its own."""
    kind = get_text(values, "Type").casefold()
    if kind == MICROSOFT:
        return Severity.INFO
    right = get_text(values, "Requirements").casefold()
    is_wide = right == RIGHTS[-1] or right not in RIGHTS
    if kind == STORE:
        return Severity.MEDIUM if is_wide else Severity.LOW
    return Severity.HIGH if is_wide else Severity.MEDIUM


def list_add_in_traits(add_in: Configuration) -> Iterator[Trait]:
    """What an add-in that is on does, and for whom."""
    values, grave = add_in.values, rate_add_in(add_in.values)
    if get_text(values, "Type").casefold() not in (MICROSOFT, STORE):
        yield Trait("file", "comes from a file or an address, and from no store", grave)
    right = get_text(values, "Requirements").casefold()
    if right not in RIGHTS:
        text = f"asks for {quote_text(right, 60) or 'what is not told'}"
        yield Trait(build_token("asks", right), text, grave)
    else:
        for step in RIGHTS[1 : RIGHTS.index(right) + 1]:
            yield Trait(f"may {step}", RIGHT_TEXTS[right], grave)
    yield from list_receiver_traits(values, grave)


def list_receiver_traits(values: Mapping[str, object], grave: Severity) -> Iterator[Trait]:
    """Who has an add-in, and whether they may switch it off."""
    state = get_text(values, "DefaultStateForUser").casefold()
    people = get_texts(values, "UserList")
    if get_text(values, "ProvidedTo").casefold() in ("", "everyone") and state != OFF:
        yield Trait("everyone", "is on for everybody", grave)
    for one in people:
        text = f"is given to {quote_text(one, MAX_NAME_LENGTH)}"
        yield Trait(build_token("for", one), text, grave, within=("everyone",))
    if state == ALWAYS:
        yield Trait("always", "cannot be switched off by its users", grave)


ADD_INS = WatchedCollection(
    name="outlook-add-in",
    noun="Outlook add-in",
    plural="Outlook add-ins",
    needs=(ADD_IN,),
    describe=describe_add_ins,
    advice="Ask who gave it to people; take it away unless somebody answers for it.",
    techniques=("T1137.006",),
    reference="Microsoft Learn: Get-App; Outlook add-in permissions",
    harmless="add-ins of Microsoft's that come with Outlook, those of the first look, a new "
    "version, and one that is switched off",
)
