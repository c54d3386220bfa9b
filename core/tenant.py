"""All that can be seen of a Microsoft 365 tenant, and all that can be done to it.

This page is what a security reviewer reads: the nouns are what the app looks at, the union `Change`
is every write it can ever make, and `Tenant` is the one door both go through. What a guard needs
in permissions stands beside it, in its `GUARD`.
"""

import json
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Container,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Protocol, get_args, get_origin, get_type_hints

# ----------------------------------------------------------------------------------------------
# Surfaces: the places a reading can cover, or fail to.
# ----------------------------------------------------------------------------------------------

MAILBOXES = "mailboxes"
MAILBOX_FORWARDS = "mailbox-forwards"
ACCOUNTS = "accounts"
SIGN_INS = "sign-ins"
INBOX_RULES = "inbox-rules"
HIDDEN_RULES = "hidden-rules"
RULE_FOLDERS = "rule-folders"
TRANSPORT_RULES = "transport-rules"
DOMAINS = "domains"
RECIPIENTS = "recipients"
OUTBOUND = "outbound-policies"
MAILBOX_AUDIT = "mailbox-audit"
ORGANIZATION_AUDIT = "organization-audit"
UNIFIED_AUDIT_LOG = "unified-audit-log"
AUDIT_BYPASS = "audit-bypass"
REGISTRATIONS = "sign-in-methods"
REGISTERED_ADMINISTRATORS = "administrators-in-the-report"
DELETIONS = "deletions-in-the-audit-log"
DELETED_USERS = "deleted-users"
DELETED_GROUPS = "deleted-groups"
USER_COUNT = "number-of-users"
ROLE_HOLDERS = "role-holders"
MODULE_USERS = "module-users"
GRANTS = "grants"
CREDENTIAL = "credential"
FULL_ACCESS = "full-access"
SEND_AS = "send-as"
SEND_ON_BEHALF = "send-on-behalf"
APPS = "apps"
DELEGATED_GRANTS = "delegated-grants"
APP_PERMISSIONS = "app-permissions"
PROTOCOLS = "mailbox-protocols"
PROTOCOL_USE = "protocol-use"
SHARED_MAILBOXES = "shared-mailboxes"
MAILBOX_SIZES = "mailbox-sizes"


# What Graph calls folders that exist in every mailbox, in lower case.
WELL_KNOWN = frozenset(
    {
        "archive",
        "clutter",
        "conflicts",
        "conversationhistory",
        "deleteditems",
        "drafts",
        "inbox",
        "junkemail",
        "localfailures",
        "msgfolderroot",
        "outbox",
        "recoverableitemsdeletions",
        "recoverableitemspurges",
        "recoverableitemsroot",
        "recoverableitemsversions",
        "rssfeeds",
        "scheduled",
        "searchfolders",
        "sentitems",
        "serverfailures",
        "syncissues",
    }
)

# What a row is known by that has no usable id: this, and its place in the listing.
UNIDENTIFIED = "unidentified-"


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that was to be read and was not: a fact, and never the same as "nothing wrong".

    `object_id` empty means the whole surface. `permission` is set when a person has to grant
    something; empty means passing trouble. `optional` marks a surface that only adds detail.
    """

    surface: str
    reason: str
    object_id: str = ""
    subject: str = ""
    permission: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Others:
    """All objects but the `present` ones: those a complete listing did not name, say."""

    present: frozenset[str]

    def __contains__(self, object_id: object) -> bool:
        return object_id not in self.present


@dataclass(frozen=True, slots=True)
class Reading[T]:
    """What one look brought: the items, what could not be read, and how much there was to read.

    A look comes in parts, so that no part needs all of the tenant in memory. `scope` are the
    objects a part speaks of, None for all; `partly` names surfaces of which even fewer were looked
    at. `surfaces` are the places looked at. `population` counts the objects this part's listing
    named (the base of coverage, of the brake and of the shrinking check). `complete` is False when
    the listing itself broke off: then nothing that is absent may be taken as gone. `further` is
    where a later look can go on behind this part, "" where it cannot. `anew`: the listing could not
    go on where it was asked to, and began again with this part.
    """

    items: tuple[T, ...] = ()
    unread: tuple[Unread, ...] = ()
    surfaces: frozenset[str] = frozenset()
    population: int = 0
    complete: bool = True
    scope: Container[str] | None = None
    partly: Mapping[str, Container[str]] = field(default_factory=dict)
    further: str = ""
    anew: bool = False

    def covers(self, surfaces: Collection[str], object_id: str) -> bool:
        """True when every surface was looked at and neither it nor this object was left unread.

        A row without an id may be any object, so while there is one, nothing absent is gone.
        """
        if not self.complete or not self.surfaces.issuperset(surfaces):
            return False
        if self.scope is not None and object_id not in self.scope:
            return False
        if any(object_id not in self.partly[name] for name in surfaces if name in self.partly):
            return False
        return not any(
            miss.object_id in ("", object_id) or miss.object_id.startswith(UNIDENTIFIED)
            for miss in self.unread
            if miss.surface in surfaces
        )

    def carrying[U](
        self,
        items: tuple[U, ...],
        unread: tuple[Unread, ...],
        surfaces: frozenset[str],
        population: int,
    ) -> "Reading[U]":
        """Other items read of the same objects, with all that is known by now."""
        return Reading(
            items=items,
            unread=unread,
            surfaces=surfaces,
            population=population,
            complete=self.complete,
            scope=self.scope,
            further=self.further,
            anew=self.anew,
        )

    def blind_to(self, surface: str) -> Unread | None:
        """The reason why nothing of a surface could be read, if so."""
        for miss in self.unread:
            if miss.surface == surface and not miss.object_id:
                return miss
        return None

    @property
    def unread_objects(self) -> frozenset[str]:
        """The objects that could not be read in full."""
        return frozenset(
            miss.object_id for miss in self.unread if miss.object_id and not miss.optional
        )


# ----------------------------------------------------------------------------------------------
# What is seen
# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox as Exchange lists it.

    `id` is the Entra object id (ExternalDirectoryObjectId), or the Exchange Guid where there is
    none (`has_account` False). `guid` is Exchange's own id, the identity used in cmdlets. `kind` is
    RecipientTypeDetails. `forwarding_address` is a recipient's name as Exchange prints it,
    `forwarding_smtp_address` an address with its `smtp:` prefix; both empty when unset.
    """

    id: str
    guid: str
    address: str
    name: str = ""
    kind: str = "UserMailbox"
    has_account: bool = True
    synced: bool = False
    forwarding_address: str = ""
    forwarding_smtp_address: str = ""
    keeps_copy: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """An Entra user. `enabled` is None when Graph did not say.

    `plans` are the ids of service plans assigned and not deleted; None when Graph did not say while
    licences are assigned (`licensed`), so that the plans are unknown.
    """

    id: str
    upn: str = ""
    enabled: bool | None = None
    synced: bool = False
    plans: frozenset[str] | None = frozenset()
    licensed: bool = False


@dataclass(frozen=True, slots=True)
class SignIn:
    """When an account last signed in with success; None when it never did as far as is known."""

    id: str
    last_success: datetime | None


@dataclass(frozen=True, slots=True)
class InboxRule:
    """An inbox rule, as Graph or as Exchange shows it (`source` is "graph" or "exchange").

    Recipient lists hold the raw recipient strings. `delete` is "" or "delete" or "permanent".
    `move_to` is a folder id (Graph) or a folder path (Exchange). `conditions` is canonical JSON of
    the conditions, `words` the texts it looks for. `readable` is False when the answer showed no
    action at all although a rule must have one.
    """

    id: str
    mailbox_id: str
    name: str
    source: str
    enabled: bool = True
    read_only: bool = False
    in_error: bool = False
    sequence: int = 0
    forward_to: tuple[str, ...] = ()
    forward_as_attachment_to: tuple[str, ...] = ()
    redirect_to: tuple[str, ...] = ()
    delete: str = ""
    move_to: str = ""
    mark_as_read: bool = False
    conditions: str = "{}"
    words: tuple[str, ...] = ()
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Folder:
    """A mail folder. `well_known` is Graph's well-known name in lower case, "" for any other."""

    mailbox_id: str
    id: str
    name: str = ""
    well_known: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a recipient string stands for. `name` is the string that was asked for.

    `found` False: Exchange knows nobody by it (or more than one). `external_address` is where mail
    to it really goes, for a mail contact, mail user or guest; "" for a mailbox or a group. `id` is
    the Entra object id, or the Exchange Guid where there is none.
    """

    name: str
    found: bool
    kind: str = ""
    address: str = ""
    external_address: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class AcceptedDomain:
    """A domain that is the tenant's own. `subdomains`: every name below it is too."""

    name: str
    subdomains: bool = False


@dataclass(frozen=True, slots=True)
class RemoteDomain:
    """How mail to other domains is handled. `name` is `*`, `*.example.org` or `example.org`."""

    name: str
    auto_forward: bool


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """One outbound spam policy, with the rule that says to whom it applies.

    `mode` is AutoForwardingMode: On, Off or Automatic. The default policy has `default` True and
    applies to everyone no enabled rule names; rules go by `priority`, lowest first. `groups` True:
    the rule also names groups (or exceptions), whose members are not read.
    """

    name: str
    mode: str
    default: bool = False
    enabled: bool = True
    priority: int = 0
    senders: frozenset[str] = frozenset()
    sender_domains: frozenset[str] = frozenset()
    groups: bool = False


@dataclass(frozen=True, slots=True)
class TransportRule:
    """A mail-flow rule of the organization. `enforced` False: it is only tested, not acted on."""

    id: str
    name: str
    enabled: bool = True
    enforced: bool = True
    redirect_to: tuple[str, ...] = ()
    blind_copy_to: tuple[str, ...] = ()
    copy_to: tuple[str, ...] = ()
    add_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MailboxAudit:
    """The audit settings of a mailbox.

    `default_set` are the logon types (Admin, Delegate, Owner) that Microsoft keeps up to date;
    `actions` the audited actions by logon type. `age_days` is AuditLogAgeLimit, None when it could
    not be understood. `capabilities` is PersistedCapabilities.
    """

    mailbox: Mailbox
    enabled: bool | None
    default_set: frozenset[str]
    actions: Mapping[str, frozenset[str]]
    age_days: float | None
    capabilities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OrganizationAudit:
    """The organization's two switches: None is "could not tell" (and the reading says why)."""

    audit_disabled: bool | None = None
    unified_log: bool | None = None


@dataclass(frozen=True, slots=True)
class AuditBypass:
    """An account none of whose actions are written to any mailbox audit log, if `bypassed`."""

    id: str
    name: str
    bypassed: bool = True


@dataclass(frozen=True, slots=True)
class Configuration:
    """One object of the organization's configuration: a row of a cmdlet, or a policy of Graph.

    `source` is one of `core.configuration.SOURCES`, `id` what its object is called there ("" where
    there is only one), `values` what was read of it, bounded, as JSON has it.
    """

    source: str
    id: str
    name: str
    values: Mapping[str, object]


# legacy-protocols


@dataclass(frozen=True, slots=True)
class MailboxProtocols:
    """Which of "imap", "pop" and "smtp" (SMTP AUTH) a mailbox allows or refuses by itself.

    What is in none of the three sets is left to the organization, which only SMTP AUTH can be.
    `untold` are protocols of which the answer did not tell.
    """

    mailbox: Mailbox
    allowed: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ProtocolUse:
    """That an account signed in by a protocol with success: when last, and from which addresses."""

    account_id: str
    protocol: str
    upn: str
    last: datetime
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grants:
    """What the app may do: the app roles in its Graph token, the cmdlets Exchange lets it run.

    None: that could not be read, so nothing may be concluded from it.
    """

    app_roles: frozenset[str] | None = None
    cmdlets: frozenset[str] | None = None


# mailbox-delegation


@dataclass(frozen=True, slots=True)
class Delegation:
    """A right over a mailbox that somebody else was given.

    `right` is FullAccess, ChangePermission, ChangeOwner, SendAs or SendOnBehalf. `trustee` is who
    has it, in whatever words Exchange prints; `sid` their security identifier, "" where it is not
    told. `mailbox` is None where Exchange only prints the name of a recipient, which `of` is then.
    """

    right: str
    trustee: str
    sid: str = ""
    mailbox: Mailbox | None = None
    of: str = ""


# app-consent


@dataclass(frozen=True, slots=True)
class AppCredential:
    """A secret or certificate that stands on a service principal itself, not on its registration.

    `kind` is "secret" or "certificate"; `ends` None: it does not say. `signs` marks a certificate
    that only signs SAML answers, and the password of its file.
    """

    id: str
    kind: str
    ends: datetime | None = None
    signs: bool = False


@dataclass(frozen=True, slots=True)
class App:
    """An app as this tenant knows it: a service principal.

    `owner` is the id of the tenant it is registered in, "" where Entra does not say; `home`: it is
    this one. `itself` marks the app these lines run in. `kind` is servicePrincipalType, `publisher`
    the name of the verified publisher, "" for none, `replies` where sign-ins to it may end up.
    """

    id: str
    app_id: str = ""
    name: str = ""
    owner: str = ""
    home: bool = False
    itself: bool = False
    kind: str = "Application"
    enabled: bool = True
    publisher: str = ""
    credentials: tuple[AppCredential, ...] = ()
    replies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DelegatedGrant:
    """What an app may do in the name of one user, or of `everyone`, at one API.

    `client_id` and `resource_id` are ids of service principals: the app's and the API's.
    """

    client_id: str
    resource_id: str
    everyone: bool
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AppPermission:
    """An app role of an API, given to an app: what it may do in its own name.

    `value` is the role's name, "" where the API does not list the role (any more).
    """

    id: str
    client_id: str
    resource_id: str
    role_id: str
    value: str = ""


# mfa-registration


@dataclass(frozen=True, slots=True)
class Registration:
    """By what an account can prove who it is, as Entra's registration report has it.

    The report is up to a day old. `registered`: it has a method that is a second factor; `capable`:
    it has one that policy allows as well; `passwordless` likewise. `methods` are the names of
    registered methods in lower case. `admin` None: the report does not say.
    """

    id: str
    upn: str = ""
    guest: bool = False
    admin: bool | None = False
    registered: bool = False
    capable: bool = False
    passwordless: bool = False
    methods: frozenset[str] = frozenset()


# mass-deletion


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something in the directory: a user or an app, by object id; "" is nobody known."""

    id: str = ""
    name: str = ""
    app: bool = False
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Deletion:
    """That an object was deleted, as the directory's audit log tells.

    `id` is the object's, `kind` one of user, group, device, contact. `final`: it was deleted for
    good, so that nothing of it can be restored.
    """

    id: str
    kind: str
    at: datetime
    name: str = ""
    final: bool = False
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class DeletedObject:
    """A user or group that can still be restored: for 30 days after `at`."""

    id: str
    kind: str
    at: datetime
    name: str = ""


# exchange-module-access


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """Somebody who administers the tenant, or may make themselves do so.

    `id` is an Entra object id, or the Exchange Guid of one that has none. `through` is "entra" (an
    active role), "eligible" (one that can be activated) or "exchange" (a role group).
    """

    id: str
    through: str


@dataclass(frozen=True, slots=True)
class ModuleUser:
    """An account that Exchange lists as one that may use its PowerShell.

    `id` is the Entra object id, or the Exchange Guid where there is none (`has_account` False).
    `kind` is RecipientTypeDetails. `enabled` False: it may not, whatever the list was filtered by.
    """

    id: str
    guid: str
    name: str = ""
    kind: str = "UserMailbox"
    has_account: bool = True
    enabled: bool = True


# shared-mailbox-health


@dataclass(frozen=True, slots=True)
class SharedMailbox:
    """A shared mailbox with what may need a licence, and what the directory on premises says of it.

    `held` is its litigation hold, `archive` whether it has one, `kept` whether another hold or a
    retention policy names it; None: the answer did not tell. `remote` are the flags of
    RemoteRecipientType, None when they were not understood. `cloud_managed`: what Exchange knows
    of it is no longer taken from the directory on premises.
    """

    mailbox: Mailbox
    upn: str = ""
    held: bool | None = False
    archive: bool | None = False
    kept: bool | None = False
    remote: int | None = 0
    cloud_managed: bool = False


@dataclass(frozen=True, slots=True)
class MailboxSize:
    """How many bytes the items of a mailbox take, those in its archive or recoverable left out."""

    id: str
    size: int


# ----------------------------------------------------------------------------------------------
# What can be done: the closed list of writes
# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlockSignIn:
    """Set accountEnabled to false, revoke sessions. Only while the mailbox is one of `kinds`."""

    account_id: str
    mailbox_guid: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnableOrganizationAudit:
    """Set the organization's AuditDisabled to false."""


@dataclass(frozen=True, slots=True)
class EnableUnifiedAuditLog:
    """Set UnifiedAuditLogIngestionEnabled to true. Takes up to an hour to show."""


@dataclass(frozen=True, slots=True)
class EnableMailboxAudit:
    """Set a mailbox's AuditEnabled to true."""

    mailbox_guid: str


@dataclass(frozen=True, slots=True)
class ResetAuditSet:
    """Give logon types back to Microsoft's default set, then add `extras` (by logon type) again.

    `expects` are actions the default set should bring to each of the logon types.
    """

    mailbox_guid: str
    logon_types: tuple[str, ...]
    extras: tuple[tuple[str, tuple[str, ...]], ...] = ()
    expects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RaiseAuditAge:
    """Raise AuditLogAgeLimit to `days`. Never lowers it: a lower value would purge records."""

    mailbox_guid: str
    days: int


@dataclass(frozen=True, slots=True)
class ClearAuditBypass:
    """Set an account's AuditBypassEnabled to false."""

    account_guid: str


@dataclass(frozen=True, slots=True)
class DisableInboxRule:
    """Set one inbox rule's isEnabled to false, through Graph (client-side rules stay untouched)."""

    mailbox_id: str
    rule_id: str


@dataclass(frozen=True, slots=True)
class ClearMailboxForward:
    """Remove ForwardingAddress and ForwardingSmtpAddress of a mailbox."""

    mailbox_guid: str


@dataclass(frozen=True, slots=True)
class SetConfiguration:
    """Set one property of one object of the configuration, one that its source lets be changed."""

    source: str
    identity: str
    name: str
    value: bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DisableExchangeModule:
    """Set EXOModuleEnabled of one user to false. Never of one who holds, or may hold, any role."""

    user_id: str
    user_guid: str


@dataclass(frozen=True, slots=True)
class DisableMailboxProtocols:
    """Switch protocols of one mailbox off: any of "imap", "pop" and "smtp". Never on."""

    mailbox_guid: str
    protocols: tuple[str, ...]


type Change = (
    BlockSignIn
    | EnableOrganizationAudit
    | EnableUnifiedAuditLog
    | EnableMailboxAudit
    | ResetAuditSet
    | RaiseAuditAge
    | ClearAuditBypass
    | DisableInboxRule
    | ClearMailboxForward
    | SetConfiguration
    | DisableExchangeModule
    | DisableMailboxProtocols
)

CHANGES: Mapping[str, Callable[..., Change]] = {
    kind.__name__: kind for kind in Change.__value__.__args__
}
IN_STEPS = frozenset({"BlockSignIn", "ResetAuditSet"})
"""Changes of more than one write: of one that was begun nobody can tell from the object whether it
was finished. What another was to put right is wrong until it is made, and right from then on."""


def tuples(value: object) -> object:
    """Lists as tuples, all the way down: JSON knows no tuples, frozen changes nothing else."""
    return tuple(tuples(part) for part in value) if isinstance(value, list | tuple) else value


def fits(value: object, hint: Any) -> bool:
    """True for a value of exactly the type an annotation names; a bool is no int."""
    arguments = get_args(hint)
    if get_origin(hint) is not tuple:
        return any(fits(value, one) for one in arguments) if arguments else type(value) is hint
    if not isinstance(value, tuple):
        return False
    if arguments[1:] == (...,):
        return all(fits(part, arguments[0]) for part in value)
    return len(value) == len(arguments) and all(map(fits, value, arguments))


def change_from_wire(kind: object, arguments: object) -> Change:
    """A change as it was stored. Raises ValueError for anything but a change known here."""
    try:
        made = CHANGES[str(kind)]
        if not isinstance(arguments, Mapping):
            raise TypeError("its arguments have no names")
        values = {name: tuples(value) for name, value in arguments.items()}
        hints = get_type_hints(made)
        if not all(fits(value, hints[name]) for name, value in values.items()):
            raise TypeError("an argument is not of its type")
        return made(**values)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a change: {type(error).__name__}") from error


def change_of(text: str) -> Change:
    """A change as a case remembers that it wants it. Raises ValueError for anything else."""
    try:
        kind, arguments = json.loads(text)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a change: {type(error).__name__}") from error
    return change_from_wire(kind, arguments)


def change_to_wire(change: Change) -> dict[str, object]:
    """A change's arguments as JSON can hold them; its kind is the name of its class."""
    return {entry.name: getattr(change, entry.name) for entry in fields(change)}


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that is in effect, read back. `before` restores it; `already`: nothing was written.

    `note` says what else a person should know ("sessions were not revoked: ...").
    """

    before: Mapping[str, object] = field(default_factory=dict)
    already: bool = False
    note: str = ""


class Tenant(Protocol):
    """The door to one tenant. Reads never raise TenantError: what fails is in `Reading.unread`."""

    async def grants(self) -> Reading[Grants]:
        """What the app may do, in one item. Surface `grants`, optional.

        When the app cannot sign in at all, surface `credential` is unread, with what to do.
        """
        ...

    def mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        """Every mailbox, or those of some kinds (RecipientTypeDetails). Surface `mailboxes`.

        Page by page, each part with its mailboxes as `scope`; `after` is an earlier part's
        `further`. A listing that breaks off ends with a part that is not complete and says why.
        Nothing in it tells of forwards: `forwarding_mailboxes` does.
        """
        ...

    async def forwarding_mailboxes(self) -> Reading[Mailbox]:
        """The mailboxes that have a forward set, found by Exchange itself. Surface `mailboxes`."""
        ...

    async def accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        """The accounts of mailboxes. Surface `accounts`; one that Entra does not know is absent."""
        ...

    async def last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        """Last successful sign-ins. Surface `sign-ins`, optional: needs a licence and a right."""
        ...

    async def inbox_rules(
        self, owners: Sequence[Mailbox], everything: bool = False
    ) -> Reading[InboxRule]:
        """The inbox rules Graph shows: all but hidden ones. Surface `inbox-rules`.

        Rules that plainly neither send mail on nor move or delete it are left out, unless
        `everything` is asked for.
        """
        ...

    async def hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        """All rules as Exchange shows them, hidden ones too. Surface `hidden-rules`."""
        ...

    async def rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        """The folders rules move mail to. Surface `rule-folders`; unread ones name a mailbox."""
        ...

    async def recipients(self, names: Collection[str]) -> Reading[Recipient]:
        """What recipient strings stand for. Surface `recipients`; unread ones by their name."""
        ...

    async def accepted_domains(self) -> Reading[AcceptedDomain]:
        """Every domain that is the tenant's own, from Exchange and Entra. Surface `domains`."""
        ...

    async def remote_domains(self) -> Reading[RemoteDomain]:
        """Remote domain settings. Surface `outbound-policies`, optional."""
        ...

    async def outbound_policies(self) -> Reading[OutboundPolicy]:
        """Outbound spam policies with their rules. Surface `outbound-policies`, optional."""
        ...

    async def transport_rules(self) -> Reading[TransportRule]:
        """Mail-flow rules. Surface `transport-rules`."""
        ...

    def mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        """Every mailbox's audit settings, page by page as `mailboxes`. Surface `mailbox-audit`."""
        ...

    async def organization_audit(self) -> Reading[OrganizationAudit]:
        """One item. Surfaces `organization-audit` and `unified-audit-log`."""
        ...

    async def audit_bypasses(self) -> Reading[AuditBypass]:
        """The accounts whose actions are recorded nowhere. Surface `audit-bypass`."""
        ...

    async def configuration(self, source: str) -> Reading[Configuration]:
        """The objects of a source of the configuration. Surface `configuration-<source>`."""
        ...

    async def full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        """Who may open mailboxes, or give that right to others. Surface `full-access`.

        Of no delegation are told: denied and inherited rights, a mailbox's own, and Exchange's.
        """
        ...

    def send_as(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send as somebody else, page by page. Surface `send-as`.

        No part speaks of objects (`scope` is empty) but the last, which speaks of all and holds
        what could not be read: the rights over one mailbox may stand on several pages.
        """
        ...

    def send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send on behalf of mailboxes, page by page as `send_as`. Surface `send-on-behalf`.

        Exchange finds the mailboxes by itself.
        """
        ...

    def apps(self) -> AsyncIterator[Reading[App]]:
        """Every app of the tenant, page by page as `mailboxes`. Surface `apps`."""
        ...

    async def apps_by_id(self, ids: Collection[str]) -> Reading[App]:
        """Some apps, without their credentials. Surface `apps`; one that is not there is absent."""
        ...

    def delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        """Every delegated grant, page by page, without a scope. Surface `delegated-grants`.

        An unread one names its client.
        """
        ...

    def app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        """Who was given app roles of Graph, Exchange and SharePoint. Surface `app-permissions`.

        Page by page as `delegated_grants`; an API that this tenant does not have has given none.
        """
        ...

    def registrations(self) -> AsyncIterator[Reading[Registration]]:
        """Every enabled account's sign-in methods, page by page. Surface `sign-in-methods`."""
        ...

    async def users_named(self, keys: Sequence[str]) -> Reading[Account]:
        """Users by object id or principal name, without plans. Surface `accounts`, as above."""
        ...

    async def deletions(self, since: datetime) -> Reading[Deletion]:
        """What was deleted since, as the audit log has it. Surface `deletions-in-the-audit-log`."""
        ...

    async def deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        """What was deleted since and can be restored. Surfaces `deleted-users`, `deleted-groups`;
        the latter is optional."""
        ...

    async def user_count(self) -> Reading[int]:
        """How many users there are, in one item. Surface `number-of-users`, optional."""
        ...

    async def role_holders(self) -> Reading[RoleHolder]:
        """Everybody who holds a role in Entra or Exchange, or may. Surface `role-holders`.

        Directly or through groups, however deep. What is missing of it leaves all of it unread, and
        so does an answer that cannot be: a tenant without a Global Administrator, say.
        """
        ...

    def module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        """Who may use Exchange PowerShell, page by page as `mailboxes`. Surface `module-users`."""
        ...

    def mailbox_protocols(self, after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
        """Every mailbox's protocols, page by page as `mailboxes`. Surface `mailbox-protocols`."""
        ...

    async def protocols_of(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        """The protocols of a few mailboxes, by account. Surface `mailbox-protocols`; absent: none.

        The population is what was asked for.
        """
        ...

    async def protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        """Who signed in by a mail protocol since a moment. Surface `protocol-use`.

        Successes only, one item an account and protocol. A missing permission or licence is named
        in `Unread.permission`; a protocol in `Unread.object_id` was read in part.
        """
        ...

    def shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        """Every shared mailbox, page by page as `mailboxes`. Surface `shared-mailboxes`."""
        ...

    async def shared_mailboxes_of(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        """The same of a few mailboxes. Surface `shared-mailboxes`; absent: there is none (now)."""
        ...

    async def mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        """How large mailboxes are. Surface `mailbox-sizes`.

        One of which Exchange has no figures, since nobody used it yet, is unread and optional.
        """
        ...

    async def apply(self, change: Change) -> Applied:
        """Make one change: read the object again, write, read back. Safe to repeat.

        Raises Moot (no longer as judged), Gone, Refused, Forbidden or Unavailable.
        """
        ...

    async def restore(self, change: Change, before: Mapping[str, object]) -> Applied:
        """Undo one change: put back what it recorded as `before`. Safe to repeat.

        The object is read again; `already` when it is as before. `Applied.before` is what was there
        until now. Raises Moot, and writes nothing, when somebody changed the object since, so that
        a person has to decide; Refused where the record does not tell enough, or where restoring
        would destroy something (see `core.reversal`); else as `apply`.
        """
        ...
