"""The state of the simulated tenant, and the rules that hold across its services.

The state is the scene itself: one JSON object in wire form, changed in place. Graph and Exchange
share its people, so an account blocked through one is blocked in the other.
"""

import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sandbox.activity.edits import record_app_write, record_edits
from sandbox.activity.log import stamp_records
from sandbox.faults.injection import Fault, FaultTable, parse_fault
from sandbox.graph.odata import Snapshots
from sandbox.http_types import Row
from sandbox.json_text import decode_json, encode_json
from sandbox.reality.profile import DEFAULT_PROFILE, Reality
from sandbox.scenes.default_roles import add_default_roles
from sandbox.state import defaults
from sandbox.state.json_copy import add_missing, copy_json
from sandbox.state.json_patch import apply_edits
from sandbox.state.row_index import INDEXED_NAMES, DerivedRows, RowIndex

TENANT_ID = "5a4d0b0c-7e1a-4a6f-9c55-0d7e5a11ce00"
DEFAULT_ORGANIZATION: list[Row] = [
    {"id": TENANT_ID, "displayName": "Sandbox", "verifiedDomains": []}
]
# What a patch may replace without touching an object of the tenant.
RULES_OF_PLAY = frozenset({"faults", "grants", "reality"})
GRAPH_COLLECTIONS = ("users", "domains", "organization", "subscribedSkus")
NAMED_COLLECTIONS = frozenset(
    {
        *("Get-InboxRule", "Get-RoleGroupMember"),
        *("Get-DistributionGroupMember", "Get-UnifiedGroupLinks"),
        *("Get-MailboxFolderPermission", "Get-MailboxFolderStatistics", "Get-App"),
        *("Get-SweepRule", "Get-MailboxJunkEmailConfiguration", "Get-MailboxCalendarFolder"),
        *("Get-MailboxAutoReplyConfiguration", "Get-MobileDevice"),
    }
)
OWNED_COLLECTIONS = {
    "messageRules": "rules",
    "mailFolders": "folders",
    "licenseDetails": "licences",
}
DEFAULT_COLLECTIONS: Mapping[str, list[Row]] = {
    "Get-OrganizationConfig": [{"Identity": "Organization", "AuditDisabled": False}],
    "Get-AdminAuditLogConfig": [
        {"Identity": "Admin Audit Log Settings", "UnifiedAuditLogIngestionEnabled": True}
    ],
    "Get-RemoteDomain": [
        {"Identity": "Default", "Name": "Default", "DomainName": "*", "AutoForwardEnabled": True}
    ],
    "Get-HostedOutboundSpamFilterPolicy": [
        {
            "Identity": "Default",
            "Name": "Default",
            "IsDefault": True,
            "AutoForwardingMode": "Automatic",
        }
    ],
    "Get-TransportConfig": [
        {"Identity": "Transport Settings", "SmtpClientAuthenticationDisabled": True}
    ],
    "Get-CASMailbox": [],
    "Get-CASMailboxPlan": [
        {"Identity": name, "Name": name, "ImapEnabled": False, "PopEnabled": False}
        for name in ("ExchangeOnlineEnterprise", "ExchangeOnlineDeskless")
    ],
    "Get-Mailbox": [],
    "Get-Recipient": [],
    "Get-MailboxAuditBypassAssociation": [],
    "Get-TransportRule": [],
    "Get-BlockedSenderAddress": [],
    "Get-MessageTraceV2": [],
}
ACCOUNT_KEYS = ("id", "userPrincipalName")
RECIPIENT_KEYS = (
    "ExternalDirectoryObjectId",
    "UserPrincipalName",
    "PrimarySmtpAddress",
    "Guid",
    "ExchangeGuid",
    "Identity",
    "Name",
    "Alias",
    "LegacyExchangeDN",
    "DistinguishedName",
    "ExternalEmailAddress",
)
DISPLAY_NAME_MARK = "display name|"
RECIPIENT_JOIN_KEYS = ("ExternalDirectoryObjectId", "Guid", "PrimarySmtpAddress")
AUDIT_LOG_CMDLET = "Set-AdminAuditLogConfig"
AUDIT_LOG_LAG = "exchange-audit-log-lag"
LATE_READS = {AUDIT_LOG_LAG: 20}
READ_BACK_FACTS = {"exchange": "exchange-read-back", "graph": "write-graph-read-back"}
PROXY_KINDS = frozenset({"smtp", "x500", "ex", "sip", "spo"})


@dataclass(slots=True, eq=False)
class Owner:
    """One person, room or contact: account, mailbox, recipient row and belongings.

    `rules` and `folders` are Graph's view; `exchange_rules` is that of Get-InboxRule.
    """

    user: Row | None = None
    mailbox: Row | None = None
    recipient: Row | None = None
    rules: list[Row] | None = None
    folders: list[Row] | None = None
    licences: list[Row] | None = None
    exchange_rules: list[Row] | None = None

    @property
    def has_mailbox(self) -> bool:
        return self.mailbox is not None or self.rules is not None

    def get_unique_ids(self) -> set[str]:
        """Identifiers that no two owners share: ids, principal names and the mailbox's address."""
        user, mailbox = self.user or {}, self.mailbox or {}
        names = ("ExternalDirectoryObjectId", "UserPrincipalName", "Guid", "PrimarySmtpAddress")
        ids = [*(user.get(name) for name in ACCOUNT_KEYS), *(mailbox.get(name) for name in names)]
        return {fold_key(each) for each in ids if each}


@dataclass(slots=True)
class StaleRow:
    """The old value of a changed row, still shown until a time or for a number of reads."""

    old_row: Row
    until: float | None
    reads_left: int


@lru_cache(maxsize=64)
def normalize_guid(text: str) -> str:
    """A GUID as Microsoft writes it; "" for any other text."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def fold_key(key: object) -> str:
    """The key in the form that is compared. Returns a folded key itself, to save memory."""
    text = str(key).strip()
    lower = text.casefold()
    return text if lower == text else lower


def strip_address_prefix(address: object) -> str:
    """A proxy address without its `SMTP:` or `X500:` prefix."""
    kind, colon, rest = str(address).partition(":")
    return rest if colon and fold_key(kind) in PROXY_KINDS else str(address)


def extract_common_name(path: str) -> str:
    """The name in a canonical name (`forest.example/.../Ann`) or in a DN (`CN=Ann,OU=...`)."""
    if path.upper().startswith("CN="):
        return path[3:].partition(",")[0]
    forest, *parts = path.split("/")
    return parts[-1] if "." in forest and len(parts) > 1 else ""


def iter_keys(row: Row) -> Iterator[str]:
    """Every key that identifies a recipient row."""
    for name in RECIPIENT_KEYS:
        if row.get(name):
            yield fold_key(strip_address_prefix(row[name]))
    addresses = row.get("EmailAddresses") or ()
    for address in [addresses] if isinstance(addresses, str) else addresses:
        yield fold_key(strip_address_prefix(address))


def iter_display_keys(row: Row) -> Iterator[str]:
    """The key of a display name that looks like an address, under which Get-Recipient finds it."""
    if "@" in str(row.get("DisplayName")):
        yield f"{DISPLAY_NAME_MARK}{fold_key(row['DisplayName'])}"


def get_join_keys(mailbox: Row) -> tuple[str, ...]:
    """The properties that join a mailbox to its account; its address only if it has no better
    one.
    """
    better = ("ExternalDirectoryObjectId", "UserPrincipalName")
    return better if any(mailbox.get(name) for name in better) else ("PrimarySmtpAddress",)


def group_rules(rules: list[Row]) -> dict[str, list[Row]]:
    """Groups a flat list of inbox rules by mailbox; an export that loops over Get-InboxRule is
    flat.
    """
    result: dict[str, list[Row]] = {}
    for rule in to_rows(rules):
        owner = rule.get("MailboxOwnerId") or str(rule.get("Identity")).rpartition("\\")[0]
        result.setdefault(str(owner), []).append(rule)
    return result


def to_rows(value: object) -> list[Row]:
    """A collection as a list, whatever form the export has."""
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        value = value["value"]
    if isinstance(value, list):
        return [row for row in value if isinstance(row, dict)]
    return [value] if isinstance(value, dict) else []


class SimulatedTenant:
    """One tenant. `writes` are its changes in order; `snapshots` are the listings in progress."""

    def __init__(self, scene: Mapping[str, object] | bytes, profile: str = DEFAULT_PROFILE) -> None:
        self.profile = profile
        text = scene if isinstance(scene, bytes) else encode_json(scene)
        # Compressed, because only a reset needs it and a scene can have hundreds of megabytes.
        self.compressed_scene = zlib.compress(text, level=1)
        self.base = ""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.reset()

    def reset(self) -> None:
        """Restores the initial scene."""
        self.scene: dict[str, Any] = decode_json(zlib.decompress(self.compressed_scene))
        self.writes: list[dict[str, Any]] = []
        # Who the app may send as (Exchange's role Application Mail.Send, by scope), and what it
        # sent.
        self.mail_senders: set[str] = set()
        self.sent_mail: list[dict[str, Any]] = []
        self.faults = FaultTable(self.scene.get("faults"))
        self.reality = Reality(self.scene.get("reality"), self.profile)
        self.request_counts: Counter[str] = Counter()
        self.snapshots = Snapshots()
        self.delta_tokens: dict[str, dict[Any, Any]] = {}
        stamp_records(self.scene)
        self.rebuild_index()

    def count_request(self, kind: str) -> int:
        """Counts a request of a kind since the start; returns which one it is."""
        self.request_counts[kind] += 1
        return self.request_counts[kind]

    def rebuild_index(self) -> None:
        """Normalizes and indexes the scene, after loading and after every edit."""
        self.graph: dict[str, Any] = self.get_section("graph")
        self.exchange: dict[str, Any] = self.get_section("exchange")
        add_missing(self.graph, {"organization": DEFAULT_ORGANIZATION})
        for name in GRAPH_COLLECTIONS:
            self.graph[name] = to_rows(self.graph.get(name))
        for cmdlet, value in self.exchange.items():
            if cmdlet not in NAMED_COLLECTIONS:
                self.exchange[cmdlet] = to_rows(value)
        add_missing(self.exchange, DEFAULT_COLLECTIONS)
        defaults.add_defaults(self.graph, self.exchange)
        add_default_roles(self.graph, self.exchange)
        self.stale_rows: dict[int, StaleRow] = {}
        self.owner_index: dict[str, Owner | list[Owner]] = {}
        self.row_indexes: dict[str, RowIndex] = {}
        self.derived_rows: dict[str, DerivedRows] = {}
        self.index_owners()
        self.index_belongings()

    def get_section(self, name: str) -> dict[str, Any]:
        if not isinstance(self.scene.get(name), dict):
            self.scene[name] = {}
        section: dict[str, Any] = self.scene[name]
        return section

    def index_owners(self) -> None:
        """Joins users, mailboxes and recipients, and indexes every key of each."""
        for user in self.graph["users"]:
            owner = Owner(user=user)
            names = [user.get(name) for name in (*ACCOUNT_KEYS, "mail", "mailNickname")]
            self.index_keys(owner, (fold_key(name) for name in names if name))
        for mailbox in self.exchange["Get-Mailbox"]:
            owner = self.find_or_create_owner(mailbox, "mailbox", get_join_keys(mailbox))
            owner.mailbox = mailbox
            self.index_keys(owner, (*iter_keys(mailbox), *iter_display_keys(mailbox)))
        for recipient in self.exchange["Get-Recipient"]:
            owner = self.find_or_create_owner(recipient, "recipient", RECIPIENT_JOIN_KEYS)
            owner.recipient = recipient
            self.index_keys(owner, (*iter_keys(recipient), *iter_display_keys(recipient)))
            if owner.mailbox is not None and recipient.get("LegacyExchangeDN"):
                # Get-Mailbox prints the legacy name of a mailbox, and Get-Recipient does not.
                owner.mailbox.setdefault("LegacyExchangeDN", recipient["LegacyExchangeDN"])

    def find_or_create_owner(self, row: Row, part: str, names: Iterable[str]) -> Owner:
        """Finds the owner a row belongs to, one that still lacks this part, or creates one."""
        for key in (fold_key(row[name]) for name in names if row.get(name)):
            for owner in self.find_owners(key):
                if getattr(owner, part) is None and key in owner.get_unique_ids():
                    return owner
        return Owner()

    def index_belongings(self) -> None:
        """Assigns rules, folders and licences to their owners; an unknown key creates an owner."""
        for collection, part in OWNED_COLLECTIONS.items():
            self.graph[collection] = self.assign_belongings(self.graph.get(collection), part)
        rules = self.exchange.get("Get-InboxRule")
        self.exchange["Get-InboxRule"] = self.assign_belongings(
            group_rules(rules) if isinstance(rules, list) else rules, "exchange_rules"
        )

    def assign_belongings(self, collection: object, part: str) -> dict[str, list[Row]]:
        """Assigns one collection; entries under two names of one owner are merged."""
        kept: dict[str, list[Row]] = {}
        for key, value in collection.items() if isinstance(collection, dict) else ():
            owner = self.get_owner(key)
            known: list[Row] | None = getattr(owner, part)
            if known is None:
                kept[key] = to_rows(value)
                setattr(owner, part, kept[key])
            else:
                known.extend(to_rows(value))
        return kept

    def get_owner(self, key: str) -> Owner:
        found = self.find_owners(key)
        if found:
            return found[0]
        owner = Owner()
        self.index_keys(owner, [fold_key(key)])
        return owner

    def index_keys(self, owner: Owner, keys: Iterable[str]) -> None:
        for key in keys:
            known = self.owner_index.get(key)
            if known is None:
                self.owner_index[key] = owner
            elif isinstance(known, list):
                if owner not in known:
                    known.append(owner)
            elif known is not owner:
                self.owner_index[key] = [known, owner]

    def find_owners(self, key: object) -> Sequence[Owner]:
        """All owners a key identifies: none, one, or several if names collide."""
        found = (
            self.owner_index.get(fold_key(key))
            or self.owner_index.get(fold_key(strip_address_prefix(key)))
            or self.owner_index.get(fold_key(extract_common_name(str(key))))
            or ()
        )
        return (found,) if isinstance(found, Owner) else found

    def find_displayed(self, name: object) -> Sequence[Owner]:
        """All owners with a display name that looks like an address."""
        found = self.owner_index.get(f"{DISPLAY_NAME_MARK}{fold_key(name)}", ())
        return (found,) if isinstance(found, Owner) else found

    def find_account(self, key: str) -> Owner | None:
        """Finds the owner of an Entra account by object id or user principal name."""
        wanted = fold_key(key)
        for owner in self.find_owners(key):
            user = owner.user
            if user and any(wanted == fold_key(user.get(name)) for name in ACCOUNT_KEYS):
                return owner
        return None

    def find_outlook_owner(self, key: str) -> Owner | None:
        """Finds whose mailbox `/users/{key}/...` means, including mailboxes only Exchange knows."""
        return self.find_account(key) or next(
            (one for one in self.find_owners(key) if one.has_mailbox), None
        )

    @property
    def tenant_id(self) -> str:
        """The organization's id in the scene, or a default."""
        names = (normalize_guid(str(one.get("id"))) for one in self.graph["organization"])
        return next(filter(None, names), TENANT_ID)

    def is_tenant(self, name: str) -> bool:
        """True for the tenant's id and for each of its domains."""
        wanted = fold_key(name)
        return wanted == self.tenant_id or any(
            wanted == fold_key(domain.get("id")) for domain in self.graph["domains"]
        )

    def get_grants(self, api: str, default: Iterable[str]) -> frozenset[str]:
        """The granted Graph roles or Exchange cmdlets. A scene without `grants` grants all."""
        grants = self.scene.get("grants")
        if not isinstance(grants, dict) or not isinstance(grants.get(api), list):
            return frozenset(default)
        return frozenset(map(str, grants[api]))

    def list_rows(self, cmdlet: str) -> list[Row]:
        """The rows of a Get-*. Accepted domains are derived from Entra's if the scene has none."""
        if cmdlet == defaults.ACCEPTED_DOMAINS and cmdlet not in self.exchange:
            return build_accepted_domains(self.graph["domains"])
        rows: list[Row] = self.exchange.get(cmdlet, [])
        return rows

    # Reading and writing ---------------------------------------------------------------------

    def read_row(self, row: Row, counts_as_read: bool = True) -> Row:
        """The row as a read shows it now: the old one while a fault keeps it stale.

        A filter reads the row before the response does; only the latter counts as a read.
        """
        if not self.stale_rows or (stale := self.stale_rows.get(id(row))) is None:
            return row
        if stale.reads_left <= 0 if stale.until is None else time.monotonic() > stale.until:
            del self.stale_rows[id(row)]
            return row
        if counts_as_read:
            stale.reads_left -= 1
        return stale.old_row

    def find_stale_fault(self, service: str, lines: Iterable[str]) -> Fault | None:
        """Finds what hides the effect of this write for a while: a fault, or the tenant's lag."""
        known = tuple(lines)
        lagging = any(line.startswith(AUDIT_LOG_CMDLET) for line in known)
        fact_id = AUDIT_LOG_LAG if lagging and self.reality.plays(AUDIT_LOG_LAG, "late") else ""
        fact_id = fact_id or READ_BACK_FACTS[service]
        if (fault := self.faults.find_stale_fault(service, known)) is not None:
            return fault
        if not self.reality.plays(fact_id, "late"):
            return None
        options = self.reality.options[fact_id]
        reads = options.get("reads", LATE_READS.get(fact_id, 1))
        lag = {"seconds": options.get("seconds"), "times": reads}
        return parse_fault({"kind": "staleReads", "service": service, **lag})

    def update_row(
        self, row: Row, values: Mapping[str, object], hidden_by: Fault | None = None
    ) -> None:
        """Sets properties of a row. A staleReads fault keeps the old values visible."""
        if hidden_by is not None and id(row) not in self.stale_rows:
            seconds = hidden_by.seconds
            until = None if seconds is None else time.monotonic() + seconds
            reads = 1 if hidden_by.times is None else hidden_by.times
            self.stale_rows[id(row)] = StaleRow(dict(row), until, reads)
        row.update(values)
        self.derived_rows.clear()
        if not INDEXED_NAMES.isdisjoint(values):
            self.row_indexes.clear()

    def record_write(self, api: str, method: str, target: str, body: object) -> None:
        """Records a change of the tenant, also in its audit log."""
        record_app_write(self.scene, api, target, body, self.clock())
        self.writes.append({"api": api, "method": method, "target": target, "body": body})

    def set_faults(self, definitions: object) -> None:
        """Replaces the active faults. Raises ValueError, and keeps the old ones, for an invalid
        table.
        """
        self.faults = FaultTable(definitions)
        self.scene["faults"] = definitions

    # Editing from outside --------------------------------------------------------------------

    def apply_patch(self, patch: Mapping[str, Any]) -> None:
        """Replaces collections (`{"graph": {"users": [...]}}`), then applies the edits of `edit`.

        Raises ValueError or LookupError, and leaves the scene unchanged. What is neither replaced
        nor on the way to an edit is not copied: a scene can have hundreds of megabytes.
        """
        scene = dict(self.scene)
        for name, value in patch.items():
            if name == "edit":
                continue
            if name in ("grants", "graph", "exchange") and isinstance(value, Mapping):
                scene[name] = {**scene.get(name, {}), **copy_json(dict(value))}
            else:
                scene[name] = copy_json(value)
        scene = apply_edits(scene, patch.get("edit") or [])
        same = scene.get("faults") == self.scene.get("faults")
        faults = self.faults if same else FaultTable(scene.get("faults"))
        reality = Reality(scene.get("reality"), self.profile)
        before, now = self.scene, self.clock()
        record_edits(before, scene, now)
        stamp_records(scene, now)
        self.scene, self.faults, self.reality = scene, faults, reality
        if not patch.keys() <= RULES_OF_PLAY:
            self.rebuild_index()


def build_accepted_domains(domains: Iterable[Row]) -> list[Row]:
    """The accepted domains that Exchange would list for Entra's verified domains."""
    return [
        {
            "Identity": domain.get("id"),
            "Name": domain.get("id"),
            "DomainName": domain.get("id"),
            "DomainType": "Authoritative",
            "Default": domain.get("isDefault", False),
            "InitialDomain": is_initial_domain(domain),
            "MatchSubDomains": False,
        }
        for domain in domains
        if domain.get("isVerified", True)
    ]


def is_initial_domain(domain: Row) -> bool:
    """True for the domain that the tenant was created with."""
    return bool(domain.get("isInitial")) or fold_key(domain.get("id")).endswith(".onmicrosoft.com")
