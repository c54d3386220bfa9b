"""What decides where mail goes: inbox rules, domains, outbound policies and mail-flow rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

# Graph's names for folders that exist in every mailbox, in lower case.
WELL_KNOWN_FOLDERS = frozenset(
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
MAX_PARENT_FOLDERS = 8
"""So far up a folder is followed."""


# A first look makes some ten of these two for each mailbox. A Struct is made in C, in an eighth of
# the time that a frozen dataclass takes; none can hold itself, so the collector leaves them alone.


class RuleCondition(msgspec.Struct, frozen=True, gc=False):
    """What a message must be like for an inbox rule to take it, or to leave it alone.

    A rule takes what meets all of its conditions and none of its exceptions.
    """

    kind: str
    """Graph's name of the property, whoever showed the rule (Microsoft Learn:
    messageRulePredicates); `receivedAfter`, `receivedBefore`, `messageClassification` and
    `fromSubscription` where only Exchange has it; any other name as it was printed.
    """
    values: tuple[str, ...]
    """Any one of them is enough. A size range is `minimum-maximum` in kilobytes, either of which
    may be missing; a flag is `true`.
    """


class InboxRule(msgspec.Struct, frozen=True, gc=False):
    """An inbox rule as Graph or Exchange shows it. Recipients are raw recipient strings."""

    id: str
    mailbox_id: str
    name: str
    api: str
    """Where the rule was read: "graph" or "exchange"."""
    enabled: bool = True
    read_only: bool = False
    """True: only Outlook can change the rule."""
    in_error: bool = False
    """True: the server reports the rule as broken."""
    sequence: int = 0
    """Rules run in this order, lowest first."""
    forward_to: tuple[str, ...] = ()
    forward_as_attachment_to: tuple[str, ...] = ()
    redirect_to: tuple[str, ...] = ()
    delete: str = ""
    """Empty, "delete" (to Deleted Items) or "permanent"."""
    move_to: str = ""
    """A folder id (Graph) or a folder path (Exchange)."""
    mark_as_read: bool = False
    conditions: tuple[RuleCondition, ...] = ()
    """Sorted by kind; all must be met. None: the rule takes every message."""
    exceptions: tuple[RuleCondition, ...] = ()
    """Sorted by kind; each keeps the rule from a message that meets it."""
    readable: bool = True
    """False: the response showed no action, although every rule has one."""
    has_unknown_action: bool = False
    """True: besides what is said here it does something that Exoguard does not know."""


def fold_rule_name(name: str) -> str:
    """The name of an inbox rule as far as names compare."""
    return " ".join(name.casefold().split())


@dataclass(frozen=True, slots=True)
class Folder:
    """A mail folder."""

    mailbox_id: str
    id: str
    name: str = ""
    well_known: str = ""
    """Graph's well-known name in lower case; empty for any other folder."""
    is_hidden: bool = False
    """Outlook does not show the folder."""
    is_found: bool = True
    """False: the mailbox has no folder of that id."""
    parent: "Folder | None" = None
    """The folder it lies in; None for one at the top, for the last that is followed, or where it
    was not read.
    """


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a recipient string stands for."""

    name: str
    """The string that was looked up."""
    found: bool
    """False: Exchange knows no recipient by that string, or more than one."""
    kind: str = ""
    """RecipientTypeDetails."""
    address: str = ""
    external_address: str = ""
    """Where mail to a mail contact, mail user or guest goes; empty for any other kind."""
    id: str = ""
    """Entra object id, or the Exchange Guid where there is none."""
    several: bool = False
    """True: more than one recipient answers to that string, so that it says nothing."""

    @property
    def key(self) -> str:
        """What the recipient is known by, however it was looked up."""
        return self.id or self.address or self.name


@dataclass(frozen=True, slots=True)
class GroupMembers:
    """The direct members of a group, as far as they were listed."""

    group_key: str
    members: tuple[Recipient, ...] = ()
    complete: bool = True
    """False: the group has more members than were listed."""


@dataclass(frozen=True, slots=True)
class AcceptedDomain:
    """A domain of the tenant."""

    name: str
    includes_subdomains: bool = False
    """True: every name below it belongs to the tenant as well."""
    authoritative: bool = True
    """True: an address that Exchange does not know does not exist. False: mail for it is relayed to
    another mail system, or Exchange does not say.
    """
    are_subdomains_told: bool = True
    """False: Exchange does not say whether it accepts mail for names below it."""
    is_type_told: bool = True
    """False: it is not said whether the domain is authoritative."""


@dataclass(frozen=True, slots=True)
class RemoteDomain:
    """How mail to other domains is handled."""

    name: str
    """`*`, `*.example.org` or `example.org`."""
    auto_forward: bool
    """True: automatic forwards to the domain are delivered."""


@dataclass(frozen=True, slots=True)
class SenderScope:
    """Senders that a rule names: conditions of different kinds must all be met, one value of each.

    Addresses and domains are in lower case.
    """

    addresses: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    """Groups, whose members are not read."""
    domains: frozenset[str] = frozenset()
    """Domains; each includes its subdomains."""
    others: tuple[str, ...] = ()
    """Conditions of other kinds, by name."""


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """One outbound spam policy with the rule that applies it.

    The default policy applies to every sender that no enabled rule names.
    """

    name: str
    mode: str
    """AutoForwardingMode: On, Off or Automatic."""
    is_default: bool = False
    enabled: bool = True
    priority: int = 0
    """Rules apply in this order, lowest first."""
    scope: SenderScope = SenderScope()
    """Whom the rule names."""
    exceptions: SenderScope = SenderScope()
    """Whom it leaves out: one exception of any kind is enough."""


@dataclass(frozen=True, slots=True)
class TransportRule:
    """A mail-flow rule of the organization. Recipients are raw recipient strings."""

    id: str
    name: str
    enabled: bool = True
    enforced: bool = True
    """False: Exchange only tests the rule; of its actions it only sends incident reports."""
    priority: int = 0
    """Rules act in this order, lowest first."""
    activates_at: datetime | None = None
    """None: it is active from the start."""
    expires_at: datetime | None = None
    """None: it never ends."""
    redirect_to: tuple[str, ...] = ()
    blind_copy_to: tuple[str, ...] = ()
    copy_to: tuple[str, ...] = ()
    add_to: tuple[str, ...] = ()
    moderators: tuple[str, ...] = ()
    """Who has to approve the mail, and reads it to do so."""
    report_to: tuple[str, ...] = ()
    """Who gets incident reports."""
    reports_mail: bool = False
    """True: the report contains the whole mail."""
    actions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """All actions that are set, with their values, by the names of New-TransportRule."""
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exceptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Exceptions, without the prefix ExceptIf."""
    unknown: tuple[str, ...] = ()
    """What is set and not known to be a condition or an action."""
