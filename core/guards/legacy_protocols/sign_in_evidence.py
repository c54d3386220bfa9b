"""Who uses a mail protocol, as the sign-in log tells it: the veto before one is switched off.

The log needs a licence and a permission, may fail to be read, and may be too long to be read as a
whole. What is not known for one of these reasons is a doubt with words of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.model.findings import Verdict
from core.model.guards import Terms
from core.sanitize import plain
from core.tenant.mailboxes import ProtocolUse
from core.tenant.port import Tenant
from core.tenant.readings import Unread
from core.tenant.surfaces import PROTOCOL_USE, SIGN_INS

CUT = 200
SHOWN = 10
ADDRESSES_SHOWN = 3
KEPT_DAYS = 30
"""Entra keeps the sign-in log so long (Microsoft Learn: Entra data retention)."""

NAMES: Mapping[str, str] = {"imap": "IMAP", "pop": "POP", "smtp": "SMTP AUTH"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who uses what would be switched off, and why that is not known in full.

    `passing`: the log failed to be read just now, as it may not the next time.
    """

    uses: tuple[ProtocolUse, ...] = ()
    doubts: tuple[str, ...] = ()
    passing: bool = False


NO_USE = Evidence()


@dataclass(slots=True)
class Log:
    """The sign-in log of the last weeks, read when somebody asks first.

    `lasting` are the reasons for which protocols are not known in full, "" for all of them;
    `failure` is why the log could not be read just now.
    """

    tenant: Tenant
    terms: Terms
    asked: bool = False
    uses: dict[str, tuple[ProtocolUse, ...]] = field(default_factory=dict)
    lasting: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    misses: tuple[Unread, ...] = ()

    async def read(self) -> None:
        """Read it once."""
        if self.asked:
            return
        self.asked = True
        found = await self.tenant.protocol_use(self.terms.now - timedelta(days=window(self.terms)))
        for use in found.items:
            self.uses[use.account_id] = (*self.uses.get(use.account_id, ()), use)
        whole = found.blind_to(PROTOCOL_USE)
        if whole and not whole.permission:
            self.failure = whole.reason
            self.misses = (replace(whole, optional=False),)
        elif whole:
            self.lasting[""] = f"the sign-in log cannot be read without {whole.permission}"
            # What can be known of use is known, so cases may end; that it is little is a detail.
            self.misses = (replace(whole, surface=SIGN_INS, optional=True),)
        else:
            self.lasting |= {miss.object_id: miss.reason for miss in found.unread}

    def evidence(self, protocols: Iterable[str], account: str | None = None) -> Evidence:
        """Who used one of some protocols, or whether this account did."""
        wanted = frozenset(protocols)
        rows = self.uses.values() if account is None else (self.uses.get(account, ()),)
        uses = sorted(
            (use for row in rows for use in row if use.protocol in wanted),
            key=lambda use: (use.upn.lower(), use.account_id, use.protocol),
        )
        reasons = (self.lasting.get(name, "") for name in ("", *sorted(wanted)))
        doubts = tuple(dict.fromkeys(reason for reason in reasons if reason))
        if self.failure:
            doubts = ("the sign-in log could not be read just now",)
        return Evidence(tuple(uses), doubts, bool(self.failure))


def window(terms: Terms) -> int:
    """How many days of the sign-in log count."""
    return min(terms.recent_days, KEPT_DAYS)


def verdict(evidence: Evidence, terms: Terms) -> Verdict:
    """Whether to switch off, or to ask first: what is in use is never switched off unasked."""
    unsure = evidence.passing or (evidence.doubts and terms.without_sign_ins != "enforce")
    return Verdict.ASK if evidence.uses or unsure else Verdict.REPAIR


def facts_of(evidence: Evidence, protocols: Iterable[str], terms: Terms) -> tuple[str, ...]:
    """Who uses it, and since when nobody does."""
    uses = evidence.uses
    lines = [used(use) for use in uses[:SHOWN]]
    if len(uses) > SHOWN:
        accounts = len({use.account_id for use in uses})
        lines.append(f"used by {accounts} accounts in all")
    if evidence.doubts:
        lines += [f"who uses it is not known: {plain(one, CUT)}" for one in evidence.doubts]
    elif not uses:
        names = " or ".join(NAMES[one] for one in protocols)
        lines.append(f"no successful sign-in by {names} in the last {window(terms)} days")
    return tuple(lines)


def used(use: ProtocolUse) -> str:
    """One account's use of one protocol."""
    who = plain(use.upn or use.account_id, CUT)
    places = ", ".join(plain(one, CUT) for one in use.addresses[:ADDRESSES_SHOWN])
    more = len(use.addresses) - ADDRESSES_SHOWN
    origin = f" from {places}" if places else ""
    origin += f" and {more} more" if more > 0 else ""
    return f"{who} used {NAMES[use.protocol]}{origin}, last on {use.last:%Y-%m-%d}"


def spelled(protocols: Iterable[str]) -> str:
    """Protocols as people write them."""
    return " and ".join(NAMES[one] for one in protocols)
