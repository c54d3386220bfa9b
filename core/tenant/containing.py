"""What is read of one account before it is contained, and what its evidence consists of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.tenant.readings import Reading


class DetailKind(StrEnum):
    """The kinds of what can be read of one account, each by requests of its own."""

    SIGN_IN_METHODS = "sign-in-methods"
    DEVICES = "devices"
    GRANTS = "grants"
    APPS = "apps"
    """The apps that it made or owns."""
    APP_ASSIGNMENTS = "app-assignments"
    CLIENT_PROTOCOLS = "client-protocols"
    PHONES = "phones"
    RULES = "rules"
    FULL_ACCESS = "full-access"
    SEND_AS = "send-as"
    SEND_ON_BEHALF = "send-on-behalf"
    SIGN_INS = "sign-ins"
    """Those at which somebody did something."""
    NON_INTERACTIVE_SIGN_INS = "non-interactive-sign-ins"
    """Those by a token: a stolen one is used so."""
    DIRECTORY_AUDITS = "directory-audits"
    SENT_MAIL = "sent-mail"


MAILBOX_DETAILS = frozenset(
    {
        DetailKind.CLIENT_PROTOCOLS,
        DetailKind.PHONES,
        DetailKind.RULES,
        DetailKind.FULL_ACCESS,
        DetailKind.SEND_AS,
        DetailKind.SEND_ON_BEHALF,
        DetailKind.SENT_MAIL,
    }
)
"""What only an account with a mailbox has."""

MAX_DETAILS = 500
"""The most rows that are kept of one kind; how many more there were is said."""
MAX_SENT = 5_000
"""The most rows of sent mail that are read."""
NAME_LIMIT = 256
VALUE_LIMIT = 512


@dataclass(frozen=True, slots=True)
class TargetAccount:
    """One account of Entra ID, as containing it has to know it."""

    id: str
    upn: str = ""
    name: str = ""
    mail: str = ""
    """Its primary address, which need not be its principal name; empty if Graph reports none."""
    aliases: tuple[str, ...] = ()
    """Further addresses that it may send by."""
    enabled: bool | None = None
    """accountEnabled; None: Graph did not report it."""
    is_guest: bool = False
    """Another organization signs it in, whether it is a guest here or was made a member."""
    synced: bool = False
    """True: a directory on premises is its source."""
    on_premises_name: str = ""
    """sAMAccountName there; empty if Graph does not report it."""
    is_management_restricted: bool = False
    is_deleted: bool = False
    """True: it lies in the recycle bin."""
    is_this_app: bool = False
    """True: it is Exoguard's own service principal or application."""
    created_at: datetime | None = None
    password_changed_at: datetime | None = None
    sessions_valid_from: datetime | None = None
    """Sessions that began before have been told to end."""
    licence_ids: tuple[str, ...] = ()

    @property
    def sender_addresses(self) -> tuple[str, ...]:
        """The addresses it sends by, as far as Graph tells them."""
        told = (self.mail, self.upn, *self.aliases)
        return tuple({one.casefold(): one for one in told if one}.values())


@dataclass(frozen=True, slots=True)
class AccountDetail:
    """One thing that belongs to an account: a second factor, a device, a sign-in, a message."""

    id: str
    title: str
    kind: str = ""
    """What sort of thing it is, as Microsoft names it."""
    at: datetime | None = None
    """When it came to be or happened; None: not reported."""
    values: tuple[tuple[str, str], ...] = ()
    """Further properties by name, bounded."""
    session: str = ""
    """The session it happened in, where the record names one."""
    address: str = ""
    """The network address it came from."""

    def get_value(self, name: str) -> str:
        """A further property; empty if there is none."""
        return next((value for key, value in self.values if key == name), "")


class ContainmentReader(Protocol):
    """Reads one account before it is contained, and the evidence of it."""

    async def read_target(self, account_id: str) -> Reading[TargetAccount]:
        """The account, a deleted one too; none: there is none. Source `contained-account`."""
        ...

    async def read_details(
        self, kind: DetailKind, account: TargetAccount, mailbox: str, since: datetime
    ) -> Reading[AccountDetail]:
        """What belongs to an account, of one kind. The source has the kind's name.

        `mailbox` is the Guid of its mailbox; empty if it has none. What happens (sign-ins, audits,
        mail) is read since a time, the latest first. The population counts what there was, of which
        not all may be kept.
        """
        ...
