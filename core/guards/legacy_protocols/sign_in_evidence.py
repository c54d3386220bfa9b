"""Who uses a mail protocol, as the sign-in log shows it: one in use is not switched off.

The log needs a licence and a permission, may fail to be read, and may be too long to be read as a
whole. Each of these reasons is a doubt, and stated as such in the evidence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.guards.legacy_protocols.options import Policy
from core.guards.legacy_protocols.token_consents import (
    EvidencePorts,
    TokenConsent,
    TokenConsents,
    list_consent_texts,
)
from core.guards.legacy_protocols.verdicts import ProtocolVerdict
from core.model.findings import Fact, Verdict
from core.tenant.mailboxes import ProtocolUse
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure
from core.tenant.sources import PROTOCOL_USE, SIGN_INS

RELIES_ON = ("graph-sign-in-days", "exchange-smtp-auth-report")

MAX_TEXT_LENGTH = 200
MAX_SHOWN = 10
MAX_SHOWN_ADDRESSES = 3
LOG_RETENTION_DAYS = 30
"""Entra keeps the sign-in log so long (Microsoft Learn: Entra data retention)."""

SMTP_REPORT = (
    "Exchange counts it too, for people only: Exchange admin center, Reports, Mail flow, SMTP AUTH "
    "clients report"
)
PROTOCOL_NAMES: Mapping[str, str] = {"imap": "IMAP", "pop": "POP", "smtp": "SMTP AUTH"}


@dataclass(frozen=True, slots=True)
class ProtocolEvidence:
    """Who uses what would be switched off, and why that is not known in full."""

    uses: tuple[ProtocolUse, ...] = ()
    doubts: tuple[str, ...] = ()
    is_transient: bool = False
    """Whether the log failed to be read just now, as it may not the next time."""
    consents: tuple[TokenConsent, ...] = ()
    """The apps that may use it by a token."""


NO_EVIDENCE = ProtocolEvidence()


@dataclass(slots=True)
class SignInLog:
    """The sign-in log of the last weeks and the consents to tokens, read when first asked for."""

    tenant: EvidencePorts
    policy: Policy
    is_read: bool = False
    uses: dict[str, tuple[ProtocolUse, ...]] = field(default_factory=dict)
    permanent_doubts: dict[str, str] = field(default_factory=dict)
    """Why protocols are not known in full, also the next time; "" stands for all of them."""
    is_failing: bool = False
    """Whether something could not be read just now, as it may be the next time."""
    read_failures: tuple[ReadFailure, ...] = ()
    token_consents: TokenConsents | None = None

    async def read_once(self) -> None:
        """Read it once."""
        if self.is_read:
            return
        self.is_read = True
        found = await self.tenant.protocols.read_protocol_use(
            self.policy.now - timedelta(days=get_log_days(self.policy))
        )
        for use in found.items:
            self.uses[use.account_id] = (*self.uses.get(use.account_id, ()), use)
        whole = found.find_source_failure(PROTOCOL_USE)
        if whole and not whole.permission:
            self.is_failing = True
            self.read_failures = (replace(whole, optional=False),)
        elif whole:
            self.permanent_doubts[""] = f"the sign-in log cannot be read without {whole.permission}"
            # What can be known of use is known, so cases may end; that it is little is a detail.
            self.read_failures = (replace(whole, source=SIGN_INS, optional=True),)
        else:
            self.permanent_doubts |= {gap.object_id: gap.reason for gap in found.failures}
        await self.read_consents()

    async def read_consents(self) -> None:
        """Read which apps may use a protocol by a token."""
        self.token_consents = TokenConsents(self.tenant)
        await self.token_consents.read_once()
        if self.token_consents.failure:
            self.is_failing = True
            reason = f"consents to apps: {self.token_consents.failure}"
            self.read_failures += (ReadFailure(PROTOCOL_USE, reason),)
        self.read_failures += self.token_consents.read_failures

    def find_evidence(
        self, protocols: Iterable[str], account: str | None = None
    ) -> ProtocolEvidence:
        """Who used one of some protocols, or whether this account did."""
        wanted = frozenset(protocols)
        rows = self.uses.values() if account is None else (self.uses.get(account, ()),)
        uses = sorted(
            (use for row in rows for use in row if use.protocol in wanted),
            key=lambda use: (use.upn.lower(), use.account_id, use.protocol),
        )
        reasons = (self.permanent_doubts.get(name) for name in ("", *sorted(wanted)))
        doubts = tuple(dict.fromkeys(reason for reason in reasons if reason))
        consents: tuple[TokenConsent, ...] = ()
        if self.token_consents:
            consents = self.token_consents.select(wanted, account)
            doubts = (*doubts, *self.token_consents.permanent_doubts)
        if self.is_failing:
            doubts = ("who uses them could not be read just now",)
        return ProtocolEvidence(tuple(uses), doubts, self.is_failing, consents)


def get_log_days(policy: Policy) -> int:
    """How many days of the sign-in log count."""
    return min(policy.options.recent_days, LOG_RETENTION_DAYS)


def decide_protocol_verdict(evidence: ProtocolEvidence, policy: Policy) -> str:
    """Whether to switch off, or to ask first: what is in use is never switched off unasked."""
    unsure = evidence.is_transient or (
        evidence.doubts and policy.options.without_sign_ins != "enforce"
    )
    is_used = evidence.uses or evidence.consents
    return Verdict.ASK if is_used or unsure else ProtocolVerdict.REPAIR


def list_protocol_facts(
    evidence: ProtocolEvidence, protocols: Iterable[str], policy: Policy
) -> tuple[Fact, ...]:
    """Who uses it, and since when nobody does."""
    uses, asked = evidence.uses, tuple(protocols)
    lines = [format_protocol_use(use) for use in uses[:MAX_SHOWN]]
    if len(uses) > MAX_SHOWN:
        accounts = len({use.account_id for use in uses})
        lines.append(f"used by {accounts} accounts in all")
    lines += list_consent_texts(evidence.consents)
    if evidence.doubts:
        lines += [
            f"who uses it is not known: {quote_text(one, MAX_TEXT_LENGTH)}"
            for one in evidence.doubts
        ]
    elif not uses:
        names = " or ".join(PROTOCOL_NAMES[one] for one in asked)
        lines.append(f"no successful sign-in by {names} in the last {get_log_days(policy)} days")
    if not uses and "smtp" in asked:
        lines.append(SMTP_REPORT)
    return tuple(Fact("", line) for line in lines)


def format_protocol_use(use: ProtocolUse) -> str:
    """One account's use of one protocol."""
    who = quote_text(use.upn or use.account_id, MAX_TEXT_LENGTH)
    places = ", ".join(
        quote_text(one, MAX_TEXT_LENGTH) for one in use.addresses[:MAX_SHOWN_ADDRESSES]
    )
    more = len(use.addresses) - MAX_SHOWN_ADDRESSES
    origin = f" from {places}" if places else ""
    origin += f" and {more} more" if more > 0 else ""
    return f"{who} used {PROTOCOL_NAMES[use.protocol]}{origin}, last on {use.last_used:%Y-%m-%d}"


def format_protocol_names(protocols: Iterable[str]) -> str:
    """Protocols as people write them."""
    return " and ".join(PROTOCOL_NAMES[one] for one in protocols)
