"""What keeps mail from its reader, or deleted mail from being found, in single mailboxes. Pure.

A moderator reads each message before its reader does, and decides; a rejected sender never reaches
them; a hold that is taken off, or recovery that is switched off, lets what an intruder deleted be
gone for good (MITRE ATT&CK T1114, T1564.008, T1070.008, T1485). Exchange filters the mailboxes that
have any of these, but for how long deleted mail is kept: of that, all are listed.
"""

from collections.abc import Iterator, Mapping, Sequence

from core.guards.mail_protection.policies import read_settled_domains
from core.guards.mail_protection.properties import LOW, MAX_NAME_LENGTH, MEDIUM
from core.keys import hash_parts
from core.microsoft365.deleted_mail import USUAL_DAYS, loses_deleted_mail
from core.microsoft365.remedies import build_command, make_exchange_step
from core.microsoft365.trustees import SYSTEM_KINDS
from core.model.findings import Fact, Severity, Step
from core.property_values import get_days, get_flag, get_text, get_texts
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

RELIES_ON = ("exchange-moderators",)

MODERATED, REJECTING = "moderated-mailbox", "rejecting-mailbox"
HELD, UNRECOVERABLE = "held-mailbox", "unrecoverable-mailbox"
ORGANIZATION, DOMAINS = "organization", "accepted-domain"
REJECTIONS = (
    "RejectMessagesFromSendersOrMembers",
    "RejectMessagesFrom",
    "RejectMessagesFromDLMembers",
)
ACCEPTANCES = (
    "AcceptMessagesOnlyFromSendersOrMembers",
    "AcceptMessagesOnlyFrom",
    "AcceptMessagesOnlyFromDLMembers",
)
HOLD, ENDLESS = "hold", "endless"
MAX_SENDERS = 5
CONTACTS = ("technicalNotificationMails", "securityComplianceNotificationMails")


def name_mailbox(mailbox: Configuration) -> str:
    """What people know a mailbox by."""
    address = get_text(mailbox.values, "PrimarySmtpAddress")
    return quote_text(address or mailbox.name or mailbox.id, MAX_NAME_LENGTH)


def list_people_facts(mailbox: Configuration) -> tuple[Fact, ...]:
    """What kind of mailbox it is."""
    kind = quote_text(get_text(mailbox.values, "RecipientTypeDetails"), 60)
    return (Fact("kind", kind),) if kind else ()


def describe_moderation(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each mailbox whose mail somebody approves first."""
    for one in rows[MODERATED] or ():
        values = one.values
        is_personal = get_text(values, "RecipientTypeDetails").casefold() in ("", "usermailbox")
        moderators = get_texts(values, "ModeratedBy")
        grave = Severity.HIGH if is_personal else MEDIUM
        traits = [
            Trait(
                build_token("moderator", name),
                f"lets {quote_text(name, MAX_NAME_LENGTH)} read and approve mail before its reader",
                LOW if is_owner(one, name) else grave,
            )
            for name in moderators
        ]
        if not moderators:
            traits.append(Trait("moderated", "names no moderator", LOW))
        if get_text(values, "SendModerationNotifications").casefold() == "never":
            traits.append(Trait("silent", "tells no sender that a message was refused", MEDIUM))
        yield WatchedItem(
            id=one.id,
            name=name_mailbox(one),
            opens=tuple(traits) if get_flag(values, "ModerationEnabled", default=False) else (),
            facts=list_people_facts(one),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: end the moderation.",
                    build_command("Set-Mailbox", "-ModerationEnabled $false", Identity=one.id),
                ),
            ),
        )


def is_owner(mailbox: Configuration, name: str) -> bool:
    """Whether a name is one of the mailbox's own."""
    own = {
        get_text(mailbox.values, part).casefold()
        for part in ("Identity", "Name", "PrimarySmtpAddress", "Alias")
    }
    return name.casefold() in own


def describe_rejections(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each mailbox that refuses mail of somebody, or takes that of some alone."""
    for one in rows[REJECTING] or ():
        senders = dict.fromkeys(name for part in REJECTIONS for name in get_texts(one.values, part))
        yield WatchedItem(
            id=one.id,
            name=name_mailbox(one),
            opens=tuple(
                Trait(
                    build_token("refuses", sender),
                    f"refuses mail from {quote_text(sender, MAX_NAME_LENGTH)}",
                    MEDIUM,
                )
                for sender in senders
            )
            + tuple(list_acceptance_traits(one)),
            facts=list_people_facts(one),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: let everybody write again.",
                    build_command(
                        "Set-Mailbox",
                        "-RejectMessagesFromSendersOrMembers $null "
                        "-AcceptMessagesOnlyFromSendersOrMembers $null",
                        Identity=one.id,
                    ),
                ),
            ),
        )


def list_acceptance_traits(mailbox: Configuration) -> Iterator[Trait]:
    """That only some may write to a mailbox: whoever warns its reader is not among them."""
    named: dict[str, str] = {}
    for part in ACCEPTANCES:
        for name in get_texts(mailbox.values, part):
            named.setdefault(name.casefold(), name)
    if not named:
        return
    senders = [named[one] for one in sorted(named)]
    yield Trait("limited", "takes mail of some senders alone", MEDIUM)
    shown = ", ".join(quote_text(name, MAX_NAME_LENGTH) for name in senders[:MAX_SENDERS])
    more = f" and {len(senders) - MAX_SENDERS:,} more" if len(senders) > MAX_SENDERS else ""
    mark = hash_parts(sorted(named))[:16]
    yield Trait(build_value_token("alone", mark), f"takes mail of {shown}{more} alone", LOW)


def describe_holds(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each mailbox whose deleted mail is kept for a legal matter, those of leavers too."""
    for one in rows[HELD] or ():
        values = one.values
        if not get_flag(values, "LitigationHoldEnabled", default=False):
            continue
        is_endless = get_text(values, "LitigationHoldDuration").casefold() in ("", "unlimited")
        yield WatchedItem(
            id=one.id,
            name=name_mailbox(one),
            keeps=frozenset({HOLD, *([ENDLESS] if is_endless else [])}),
            facts=list_people_facts(one),
        )


def explain_hold_loss(token: str) -> Trait:
    """What it means that a hold is weaker."""
    if token == ENDLESS:
        return Trait(token, "now ends by itself", MEDIUM)
    return Trait(token, "is no longer in force", MEDIUM)


def restore_hold(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What puts a mailbox on hold again, for as long as nobody takes it off."""
    hold = build_command(
        "Set-Mailbox",
        "-LitigationHoldEnabled $true -LitigationHoldDuration Unlimited",
        Identity=identity,
    )
    text = "Unless whoever answers for legal matters took it off: put the mailbox on hold again."
    return (make_exchange_step(text, hold),)


def describe_unrecoverable(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each mailbox that loses deleted mail early; Exchange's own ones are so by nature."""
    for one in rows[UNRECOVERABLE] or ():
        values = one.values
        kind = get_text(values, "RecipientTypeDetails").casefold()
        if kind in SYSTEM_KINDS or not loses_deleted_mail(values):
            continue
        kept = quote_text(get_text(values, "RetainDeletedItemsFor"), 40)
        yield WatchedItem(
            id=one.id,
            name=name_mailbox(one),
            opens=tuple(list_recovery_losses(values)),
            facts=(*list_people_facts(one), Fact("deleted mail is kept for", kept or "not told")),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: set it back to what Exchange begins with.",
                    build_command(
                        "Set-Mailbox",
                        "-SingleItemRecoveryEnabled $true -RetainDeletedItemsFor 14",
                        Identity=one.id,
                    ),
                ),
            ),
        )


def list_recovery_losses(values: Mapping[str, object]) -> Iterator[Trait]:
    """How deleted mail is lost; each day that it is kept for less is one more."""
    if not get_flag(values, "SingleItemRecoveryEnabled", default=True):
        text = "lets whoever deletes a message there delete it for good"
        yield Trait("off", text, MEDIUM)
    days = get_days(values, "RetainDeletedItemsFor")
    if days is None:
        if get_text(values, "RetainDeletedItemsFor"):
            yield Trait("unclear", "keeps deleted mail for a time that cannot be told", LOW)
        return
    shown = "1 day" if days == 1 else f"{days} days"
    text = f"keeps deleted mail for {shown} in place of the usual {USUAL_DAYS}"
    for day in range(days, USUAL_DAYS):
        yield Trait(f"kept {day}", text, MEDIUM)


def describe_contacts(rows: SourceRows) -> Iterator[WatchedItem]:
    """Where Microsoft writes to when something is wrong."""
    own = read_settled_domains(rows)
    for one in rows[ORGANIZATION] or ():
        entries = list_contacts(one.values)
        yield WatchedItem(
            id=one.id,
            name=quote_text(get_text(one.values, "displayName") or one.name, MAX_NAME_LENGTH),
            opens=tuple(
                Trait(
                    build_token(name, address),
                    f"lets Microsoft write to {quote_text(address, MAX_NAME_LENGTH)} ({name})",
                    LOW if address.rpartition("@")[2].casefold() in own else MEDIUM,
                )
                for name, address in entries
            ),
            keeps=frozenset(name for name, _ in entries),
        )


def list_contacts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Each address with the property that names it."""
    return [(name, address) for name in CONTACTS for address in get_texts(values, name)]


def explain_contact_loss(token: str) -> Trait:
    """What it means that no address is left."""
    return Trait(token, f"no longer lets Microsoft write to anybody ({token} is empty)", LOW)


MAILBOX_COLLECTIONS = (
    WatchedCollection(
        name="mailbox-moderation",
        noun="moderation of",
        plural="moderated mailboxes",
        needs=(MODERATED,),
        describe=describe_moderation,
        advice="Ask the owner and the moderator; end it unless somebody answers for it.",
        techniques=("T1114", "T1564.008"),
        reference="Microsoft Learn: Set-Mailbox, ModerationEnabled",
        harmless="moderation of the first look, and one that ends",
    ),
    WatchedCollection(
        name="mailbox-rejection",
        noun="restriction on senders to",
        plural="mailboxes that refuse senders",
        needs=(REJECTING,),
        describe=describe_rejections,
        advice="Ask the owner; let everybody write again unless somebody answers for it.",
        techniques=("T1564.008",),
        reference="Microsoft Learn: Set-Mailbox, RejectMessagesFromSendersOrMembers, "
        "AcceptMessagesOnlyFromSendersOrMembers",
        harmless="senders that were refused, or alone taken, at the first look, and one that is "
        "let in again",
    ),
    WatchedCollection(
        name="mailbox-hold",
        noun="litigation hold of",
        plural="mailboxes on litigation hold",
        needs=(HELD,),
        describe=describe_holds,
        explain_loss=explain_hold_loss,
        restore=restore_hold,
        advice="Ask whoever answers for legal matters. Unless they took it off, put the mailbox on "
        "hold again at once: Exchange admin center > Mailboxes > Others > Litigation hold.",
        techniques=("T1070.008", "T1485"),
        reference="Microsoft Learn: Place a mailbox on Litigation Hold",
        harmless="a hold that begins, and a leaver's mailbox that becomes inactive and stays held",
        departure=MEDIUM,
        departure_text="it was taken off, or the mailbox is no longer there",
        departs_with=HOLD,
        only_protects=True,
    ),
    WatchedCollection(
        name="mailbox-recovery",
        noun="recovery of deleted mail of",
        plural="mailboxes that lose deleted mail early",
        needs=(UNRECOVERABLE,),
        describe=describe_unrecoverable,
        advice="Ask who changed it; set it back unless somebody answers for it.",
        techniques=("T1070.008", "T1485"),
        reference="Microsoft Learn: Set-Mailbox, SingleItemRecoveryEnabled, RetainDeletedItemsFor",
        harmless="mailboxes without it at the first look, 14 days and more, and Exchange's own",
    ),
    WatchedCollection(
        name="notice-contact",
        noun="organization",
        plural="organizations with contacts for notices",
        needs=(ORGANIZATION, DOMAINS),
        describe=describe_contacts,
        explain_loss=explain_contact_loss,
        advice="Ask who changed it: Microsoft 365 admin center > Settings > Org settings > "
        "Organization profile.",
        techniques=("T1562",),
        reference="Microsoft Learn: Microsoft Graph, organization",
        harmless="addresses of the first look",
    ),
)
