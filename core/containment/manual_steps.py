"""The steps that stay for a person, each with its command: what cannot be taken back, and what
concerns more than the account. Pure.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from core.containment.account_picture import AccountPicture, HiddenRule
from core.containment.commands import (
    COMMON_METHODS,
    FLOW_RULES_COMMAND,
    build_device_command,
    build_grant_command,
    build_held_rights_command,
    build_held_sending_command,
    build_method_command,
    build_phone_command,
    build_remove_right_command,
    build_unblock_sender_command,
)
from core.microsoft365.powershell import build_disable_rule_command
from core.microsoft365.remedies import build_password_command
from core.model.containment import ContainmentStep, StepState
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
from core.tenant.mailboxes import Mailbox
from core.tenant.quoting import quote_text

MAX_OF_A_KIND = 8
METHOD_REMARK = (
    "Nothing brings it back but a new registration. Delete the default method last: Graph refuses "
    "it while others are left."
)
DEVICE_REMARK = "Entra lets an app switch off devices with Windows only."
PHONE_REMARK = "It keeps the phone from synchronising, and wipes nothing."
HELD_REMARK = (
    "Whoever held the account may have used it there; taking the block back gives it back."
)
GRANT_REMARK = "The app loses its access to this user's data at its next token, up to an hour later"
HIDDEN_REMARK = (
    "Exchange removes rules of Outlook on the desktop along with it: note them down first."
)
BY_ANOTHER_WAY = (
    "Tell the new password by another way than mail. App passwords survive it: remove them as well."
)

RIGHTS = {
    DetailKind.FULL_ACCESS: "open",
    DetailKind.SEND_AS: "send as",
    DetailKind.SEND_ON_BEHALF: "send on behalf of",
}

type Details = Mapping[DetailKind, tuple[AccountDetail, ...]]


def list_manual_steps(picture: AccountPicture) -> tuple[ContainmentStep, ...]:
    """What stays for a person, in the order in which it should be done."""
    account, mailbox, since = picture.account, picture.mailbox, picture.since
    details: Details = picture.details
    if account is None:
        return ()
    return (
        *list_hidden_rule_steps(mailbox, picture.hidden_rules),
        *list_password_steps(account),
        *list_method_steps(account, details.get(DetailKind.SIGN_IN_METHODS, ()), since),
        *list_grant_steps(details.get(DetailKind.GRANTS, ())),
        *list_device_steps(details.get(DetailKind.DEVICES, ()), since),
        *(list_mailbox_steps(mailbox, details) if mailbox else ()),
        *list_held_right_steps(account),
    )


def list_unlisted(picture: AccountPicture) -> Iterator[str]:
    """What there is more of than a plan lists: who has an account for an hour makes many of a kind,
    so that one of them stays.
    """
    details, has_mailbox = picture.details, picture.mailbox is not None
    methods = details.get(DetailKind.SIGN_IN_METHODS, ())
    counts = {
        "hidden rules": len(picture.hidden_rules),
        "sign-in methods": sum(one.kind not in COMMON_METHODS for one in methods),
        "grants to apps": len(details.get(DetailKind.GRANTS, ())),
        "devices": len(list_recent_devices(details.get(DetailKind.DEVICES, ()), picture.since)),
        "phones": has_mailbox * len(details.get(DetailKind.PHONES, ())),
        **{
            f"holders of the right to {right} the mailbox": has_mailbox * len(details.get(kind, ()))
            for kind, right in RIGHTS.items()
        },
    }
    for name, count in counts.items():
        if count > MAX_OF_A_KIND:
            yield f"{count:,} {name} were found, and {MAX_OF_A_KIND} of them are listed."


def make_step(name: str, title: str, command: str, remark: str = "") -> ContainmentStep:
    """A step for a person."""
    return ContainmentStep(
        name, quote_text(title, 400), command=command, remark=remark, state=StepState.FOR_A_PERSON
    )


def list_password_steps(account: TargetAccount) -> Iterator[ContainmentStep]:
    """A new password. Of a guest, its own organization sets it."""
    if account.is_guest:
        return
    command = build_password_command(account.id, account.upn, synced=account.synced)
    where = " in the directory on premises" if account.synced else ""
    yield make_step("password", f"set a new password{where}", command, BY_ANOTHER_WAY)


def order_latest_first(
    found: tuple[AccountDetail, ...], since: datetime | None
) -> list[AccountDetail]:
    """What came since a time first, the latest of it before the others; what has no date next."""

    def rank(detail: AccountDetail) -> tuple[int, float]:
        if detail.at is None:
            return 1, 0.0
        return (0 if since is None or detail.at >= since else 2), -detail.at.timestamp()

    return sorted(found, key=rank)


def describe_date(detail: AccountDetail) -> str:
    """When something was registered, as far as that is known."""
    return f"registered {detail.at:%Y-%m-%d %H:%M} UTC" if detail.at else "date unknown"


def list_method_steps(
    account: TargetAccount, methods: tuple[AccountDetail, ...], since: datetime | None
) -> Iterator[ContainmentStep]:
    """The sign-in methods, the latest first: an intruder adds one to come back by."""
    own = tuple(method for method in methods if method.kind not in COMMON_METHODS)
    for number, method in enumerate(order_latest_first(own, since)[:MAX_OF_A_KIND], 1):
        title = f"look at the sign-in method {method.title} ({describe_date(method)})"
        command = build_method_command(account.id, method.kind, method.id)
        yield make_step(f"method-{number}", title, command, METHOD_REMARK)


def list_grant_steps(grants: tuple[AccountDetail, ...]) -> Iterator[ContainmentStep]:
    """What the user allowed apps; Entra keeps no date of it."""
    for number, grant in enumerate(grants[:MAX_OF_A_KIND], 1):
        scope = grant.get_value("scope")
        title = f"look at what the app {grant.title} may do in this user's name: {scope}"
        yield make_step(f"grant-{number}", title, build_grant_command(grant.id), f"{GRANT_REMARK}.")


def list_recent_devices(
    devices: tuple[AccountDetail, ...], since: datetime | None
) -> list[AccountDetail]:
    """The devices that were registered since a time, or nobody knows when, the latest first."""
    return [
        device
        for device in order_latest_first(devices, since)
        if device.at is None or since is None or device.at >= since
    ]


def list_device_steps(
    devices: tuple[AccountDetail, ...], since: datetime | None
) -> Iterator[ContainmentStep]:
    """The devices that were registered lately, or at an unknown time."""
    recent = list_recent_devices(devices, since)
    for number, device in enumerate(recent[:MAX_OF_A_KIND], 1):
        title = f"look at the device {device.title} ({device.kind}, {describe_date(device)})"
        yield make_step(f"device-{number}", title, build_device_command(device.id), DEVICE_REMARK)


def list_hidden_rule_steps(
    mailbox: Mailbox | None, rules: tuple[HiddenRule, ...]
) -> Iterator[ContainmentStep]:
    """Dangerous rules that Graph does not show."""
    for number, rule in enumerate(rules[:MAX_OF_A_KIND], 1):
        command = build_disable_rule_command(mailbox.guid, rule.identity) if mailbox else ""
        yield make_step(f"hidden-rule-{number}", rule.title, command, HIDDEN_REMARK)


def list_held_right_steps(account: TargetAccount) -> Iterator[ContainmentStep]:
    """What the account may do in mailboxes of others: it was read and sent there as well."""
    if not account.upn:
        return
    yield make_step(
        "held-full-access",
        "look for mailboxes of others that it may open",
        build_held_rights_command(account.upn),
        HELD_REMARK,
    )
    yield make_step(
        "held-send-as",
        "look for others whom it may send as",
        build_held_sending_command(account.upn),
        HELD_REMARK,
    )


def list_mailbox_steps(mailbox: Mailbox, details: Details) -> Iterator[ContainmentStep]:
    """What remains of the mailbox: phones, rights of others, mail-flow rules, sending."""
    phones = order_latest_first(details.get(DetailKind.PHONES, ()), None)
    for number, phone in enumerate(phones[:MAX_OF_A_KIND], 1):
        title = f"look at the phone {phone.title} ({phone.kind}, {describe_date(phone)})"
        command = build_phone_command(mailbox.guid, phone.get_value("device"))
        yield make_step(f"phone-{number}", title, command, PHONE_REMARK)
    for kind, right in RIGHTS.items():
        for number, holder in enumerate(details.get(kind, ())[:MAX_OF_A_KIND], 1):
            command = build_remove_right_command(mailbox.guid, holder.title, kind)
            yield make_step(
                f"{kind}-{number}",
                f"ask whether {holder.title} should {right} the mailbox",
                command,
            )
    yield make_step(
        "mail-flow-rules", "look for mail-flow rules that were changed lately", FLOW_RULES_COMMAND
    )
    yield make_step(
        "sending",
        "when the account is clean, let it send again if Microsoft stopped it",
        build_unblock_sender_command(mailbox.address),
    )
