"""core.tenant.mail_flow."""

from dataclasses import dataclass

# What Graph calls folders that exist in every mailbox, in lower case.
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
    api: str
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
    keywords: tuple[str, ...] = ()
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
    includes_subdomains: bool = False


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
    is_default: bool = False
    enabled: bool = True
    priority: int = 0
    senders: frozenset[str] = frozenset()
    sender_domains: frozenset[str] = frozenset()
    names_groups: bool = False


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
