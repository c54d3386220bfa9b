"""Mailboxes on the move: endpoints, batches, and restores into another's mailbox. Pure."""

from collections.abc import Iterator

from core.guards.external_trust.organizations import (
    DOMAINS,
    MAX_NAME_LENGTH,
    ON_PREMISES,
    UNLESS,
    OwnOrganization,
    quote_name,
    read_own_organization,
)
from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Severity
from core.property_values import get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

RELIES_ON = ("exchange-restore-requests",)

ENDPOINT, BATCH, RESTORE = "migration-endpoint", "migration-batch", "mailbox-restore-request"
# Microsoft's own domain for mail between the halves of a hybrid organization.
ROUTING_SUFFIX = ".onmicrosoft.com"
TECHNIQUES = ("T1537", "T1114")


def is_own_endpoint(endpoint: Configuration, own: OwnOrganization) -> bool:
    """Whether an endpoint leads to a server under the tenant's own domains, and to no tenant."""
    server = get_text(endpoint.values, "RemoteServer")
    return bool(server) and own.owns(server) and not get_text(endpoint.values, "RemoteTenant")


def describe_endpoint(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each place that mailboxes can be moved from or to."""
    own = read_own_organization(rows)
    for one in rows[ENDPOINT] or ():
        server = get_text(one.values, "RemoteServer")
        tenant = get_text(one.values, "RemoteTenant")
        app = get_text(one.values, "ApplicationId")
        inside = is_own_endpoint(one, own)
        grave = Severity.INFO if inside else Severity.HIGH
        traits = [
            Trait(build_value_token(kind, value), f"{text} {quote_text(value, 80)}", grave)
            for kind, value, text in (
                ("server", server, "leads to the server"),
                ("tenant", tenant, "leads to the tenant"),
                ("app", app, "is used by the app"),
            )
            if value
        ]
        yield WatchedItem(
            id=one.id,
            name=quote_name(one),
            opens=tuple(traits),
            arrival=Severity.INFO if inside else Severity.HIGH,
            stop=(
                make_exchange_step(
                    f"{UNLESS}: remove it, after the batches that use it are stopped.",
                    build_command("Remove-MigrationEndpoint", "-Confirm:$false", Identity=one.id),
                ),
            ),
        )


def describe_batch(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each batch of mailboxes: those that leave, and those that come from elsewhere."""
    own = read_own_organization(rows)
    endpoints = {
        one.name.casefold(): is_own_endpoint(one, own) for one in rows[ENDPOINT] or () if one.name
    }
    for one in rows[BATCH] or ():
        values = one.values
        name = quote_text(get_text(values, "Identity") or one.name or one.id, MAX_NAME_LENGTH)
        leaves = get_text(values, "BatchDirection").casefold() == "offboarding"
        target = get_text(values, "TargetEndpoint")
        source = get_text(values, "SourceEndpoint")
        rows.check_reference(ENDPOINT, target or source)
        delivery = get_text(values, "TargetDeliveryDomain")
        foreign = bool(delivery) and not is_own_delivery(delivery, own)
        inside = endpoints.get((target or source).casefold(), False) and not foreign
        leads_out = (leaves or bool(target)) and not inside
        traits = [
            *list_batch_traits(leads_out=leads_out, foreign=foreign),
            *list_listener_traits(one, own),
        ]
        yield WatchedItem(
            id=one.id,
            name=name,
            opens=tuple(traits),
            arrival=Severity.INFO if inside else Severity.MEDIUM,
            stop=(
                make_exchange_step(
                    f"{UNLESS}: stop it; it stays there.",
                    build_command("Stop-MigrationBatch", "-Confirm:$false", Identity=one.id),
                ),
            ),
        )


def is_own_delivery(domain: str, own: OwnOrganization) -> bool:
    """Whether mail for a domain stays here: the routing domain of the tenant is its own too.

    It begins with the name of the tenant, which the tenant's first domain says. Only where that is
    not listed does the name of another domain stand for it: anybody may name a tenant like one.
    """
    folded = domain.casefold()
    tenant = folded.removesuffix(ROUTING_SUFFIX).partition(".")[0]
    first = [one for one in own.domains if one.endswith(ROUTING_SUFFIX)]
    names = {one.partition(".")[0] for one in first or own.domains}
    return own.owns(domain) or (folded.endswith(f".mail{ROUTING_SUFFIX}") and tenant in names)


def list_batch_traits(*, leads_out: bool, foreign: bool) -> Iterator[Trait]:
    """Which way the mailboxes go."""
    if leads_out:
        yield Trait("leaves", "moves mailboxes out of the organization", Severity.HIGH)
    if foreign:
        yield Trait("elsewhere", "delivers to a domain that is not the tenant's", Severity.HIGH)


def list_listener_traits(batch: Configuration, own: OwnOrganization) -> Iterator[Trait]:
    """Who outside hears how it goes."""
    for address in get_texts(batch.values, "NotificationEmails"):
        if not own.owns(address.rpartition("@")[2]):
            text = f"reports to {quote_text(address, 80)}"
            yield Trait(build_token("reports", address), text, Severity.HIGH)


def describe_restore(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each deleted mailbox whose mail is put into one that exists."""
    for one in rows[RESTORE] or ():
        values = one.values
        target = get_text(values, "TargetAlias") or get_text(values, "TargetMailbox")
        source = get_text(values, "SourceAlias")
        same = bool(source) and source.casefold() == target.casefold()
        into = quote_text(target or "a mailbox", MAX_NAME_LENGTH)
        whose = f" of {quote_text(source, MAX_NAME_LENGTH)}" if source else ""
        yield WatchedItem(
            id=one.id,
            name=quote_text(get_text(values, "Identity") or one.name or one.id, MAX_NAME_LENGTH),
            opens=(
                Trait(
                    build_value_token("into", target),
                    f"restores the deleted mailbox{whose} into {into}",
                    Severity.LOW if same else Severity.HIGH,
                ),
            ),
            stop=(
                make_exchange_step(
                    f"{UNLESS}: stop it. What was copied stays in {into}.",
                    build_command(
                        "Remove-MailboxRestoreRequest", "-Confirm:$false", Identity=one.id
                    ),
                ),
            ),
        )


MIGRATION_ENDPOINT = WatchedCollection(
    name="migration-endpoint",
    noun="migration endpoint",
    plural="migration endpoints",
    needs=(ENDPOINT, DOMAINS, ON_PREMISES),
    describe=describe_endpoint,
    advice="Ask who is moving mailboxes; remove it unless somebody answers for it.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Get-MigrationEndpoint",
    harmless="one that leads to a server under the tenant's own domains",
)
MIGRATION_BATCH = WatchedCollection(
    name="migration-batch",
    noun="migration batch",
    plural="migration batches",
    needs=(BATCH, ENDPOINT, DOMAINS, ON_PREMISES),
    # Where an endpoint leads counts for the batches that name it.
    may_lack={ENDPOINT: ()},
    describe=describe_batch,
    advice="Ask whose mailboxes these are and who moves them; stop it unless somebody answers "
    "for it.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Get-MigrationBatch",
    harmless="a move between the two halves of a hybrid organization, and its progress",
)
MAILBOX_RESTORE = WatchedCollection(
    name="mailbox-restore",
    noun="mailbox restore request",
    plural="mailbox restore requests",
    needs=(RESTORE,),
    describe=describe_restore,
    advice="Ask who needs the mail; stop it unless somebody answers for it.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Get-MailboxRestoreRequest",
    harmless="a mailbox that is restored into one of the same alias",
)
