"""The threat: a password alone opens an account.

Passwords are guessed, phished and bought by the million. An account without a second factor is one
such password away from an intruder, and the first one who signs in with it may register a second
factor of their own. An administrator's account then opens the tenant.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import batched

from core.model.findings import Fact, Finding, Severity
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission, Service
from core.tenant.directory import Account, MfaRegistration
from core.tenant.merging import PresenceTracker, collect_failures
from core.tenant.port import HasAccounts
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, REGISTERED_ADMINISTRATORS, SIGN_IN_METHODS

RELIES_ON = ("graph-registration-disabled",)


class MfaVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    NO_SECOND_FACTOR = "no-second-factor"
    WEAK_FACTOR = "weak-factor"


VERDICT_TEXTS: Mapping[str, str] = {
    MfaVerdict.NO_SECOND_FACTOR: "a password alone opens the account",
    MfaVerdict.WEAK_FACTOR: "the second factor is a weak one",
}

# Passkeys and their kin prove two things at once and cannot be phished. The report counts some of
# them as a second factor only where policy does, so their own names decide.
PHISHING_RESISTANT_PREFIXES = (
    "passkey",
    "fido2",
    "windowshello",
    "macossecureenclave",
    "x509certificatemulti",
)
# They reset a password or let an old client in; none of them is asked for at sign-in.
NON_FACTOR_METHODS = frozenset({"email", "securityquestion", "apppassword"})
# An attacker can take over a number or read a message on the telephone; a pass expires.
WEAK_METHODS = NON_FACTOR_METHODS | {
    "mobilephone",
    "alternatemobilephone",
    "officephone",
    "temporaryaccesspass",
}

# How many accounts without a second factor are looked up, to leave out the disabled ones.
MAX_LOOKUPS = 5_000
MAX_NAMED = 20
NAMES_PER_LINE = 5
MAX_TEXT_LENGTH = 200
MAX_LABEL_LENGTH = 48

MEMBERS, GUESTS = "members", "guests"
WITHOUT_SECOND_FACTOR, WEAK_FACTOR = "without-second-factor", "weak-factor"
# At these shares a digest becomes graver, and only that is news.
HIGH_SHARE, MEDIUM_SHARE = 25.0, 5.0
REPORT_AGE_TEXT = "Microsoft's report is up to a day old and leaves out disabled accounts"
UNKNOWN_ROLES = "the report does not say of some accounts whether they are administrators"
EMPTY_REPORT = "the report names not a single account"


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group of accounts in one: how many there are, how many of them lack something.

    `named` are the first of those by name, `barred` how many have registered only what policy does
    not allow, `unchecked` how many may be disabled all the same.
    """

    group: str
    deficiency: str
    total: int
    count: int
    names: tuple[str, ...] = ()
    disallowed_count: int = 0
    unchecked_count: int = 0

    @property
    def share(self) -> float:
        """How much of the group lacks it, in percent."""
        return 100 * self.count / self.total if self.total else 0.0


type RegistrationItem = MfaRegistration | GroupSummary


@dataclass(slots=True)
class AccountCounter:
    """Accounts counted as they pass by; of their names only the first few are kept."""

    count: int = 0
    disallowed_count: int = 0
    unchecked_count: int = 0
    names: list[str] = field(default_factory=list)

    def add_account(self, entry: MfaRegistration, is_checked: bool) -> None:
        """Count one account."""
        self.count += 1
        self.disallowed_count += entry.mfa_registered
        self.unchecked_count += not is_checked
        self.names.append(entry.upn or entry.id)
        if len(self.names) >= 10 * MAX_NAMED:
            self.names = self.get_first_names()

    def get_first_names(self) -> list[str]:
        """The names that come first, the same ones in every run."""
        return sorted(self.names, key=lambda name: (name.casefold(), name))[:MAX_NAMED]


@dataclass(slots=True)
class RegistrationTotals:
    """What the pages come to. `budget` is how many accounts may still be looked up."""

    totals: dict[str, int] = field(default_factory=lambda: {MEMBERS: 0, GUESTS: 0})
    counts: dict[tuple[str, str], AccountCounter] = field(default_factory=dict)
    lookup_budget: int = MAX_LOOKUPS
    accounts_unavailable: bool = False
    has_unknown_roles: bool = False
    is_complete: bool = True

    def count_account(self, entry: MfaRegistration, deficiency: str, is_checked: bool) -> None:
        """Count an account that lacks something."""
        self.counts.setdefault(
            (get_account_group(entry), deficiency), AccountCounter()
        ).add_account(entry, is_checked)

    def build_summaries(self) -> tuple[GroupSummary, ...]:
        """The report in a few lines."""
        return tuple(
            GroupSummary(
                group,
                lack,
                self.totals[group],
                found.count,
                tuple(found.get_first_names()),
                found.disallowed_count,
                found.unchecked_count,
            )
            for (group, lack), found in sorted(self.counts.items())
        )


def get_account_group(entry: MfaRegistration) -> str:
    """Guests are counted apart: their own organization may ask them for a second factor."""
    return GUESTS if entry.is_guest else MEMBERS


def is_phishing_resistant(entry: MfaRegistration) -> bool:
    """True when the account has a passkey or its like."""
    return any(method.startswith(PHISHING_RESISTANT_PREFIXES) for method in entry.methods)


def has_second_factor(entry: MfaRegistration) -> bool:
    """True when signing in can take more than a password."""
    if entry.passwordless_capable or is_phishing_resistant(entry):
        return True
    return entry.mfa_capable and not (entry.methods and entry.methods <= NON_FACTOR_METHODS)


def has_only_weak_factor(entry: MfaRegistration) -> bool:
    """True when all there is besides the password is a telephone, or ends by itself."""
    return bool(entry.methods) and entry.methods <= WEAK_METHODS and not entry.passwordless_capable


def get_factor_deficiency(entry: MfaRegistration) -> str:
    """What an account lacks; "" for nothing."""
    if not has_second_factor(entry):
        return WITHOUT_SECOND_FACTOR
    return WEAK_FACTOR if has_only_weak_factor(entry) else ""


# ----------------------------------------------------------------------------------------------
# Observation
# ----------------------------------------------------------------------------------------------


async def observe(
    tenant: HasAccounts, context: ObserveContext
) -> AsyncIterator[Reading[RegistrationItem]]:
    """Administrators as they come, page by page; everybody else as a digest in the end."""
    listed, census, named = PresenceTracker(context.open_case_ids), RegistrationTotals(), 0
    async for page in tenant.accounts.list_mfa_registrations():
        listed.add_page(page)
        named += page.population
        census.is_complete = census.is_complete and page.complete
        yield await process_registrations(tenant, page, census)
    if not census.is_complete:
        return
    surfaces = frozenset({SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS})
    if not named:
        yield Reading(
            failures=(ReadFailure(SIGN_IN_METHODS, EMPTY_REPORT),), sources=surfaces, complete=False
        )
        return
    yield Reading(
        items=census.build_summaries(),
        failures=build_unknown_roles_failure(census.has_unknown_roles),
        sources=surfaces,
        scope=frozenset({MEMBERS, GUESTS}),
    )
    for rest in listed.build_absence_readings(surfaces):
        yield replace(rest, failures=build_unknown_roles_failure(census.has_unknown_roles))


def build_unknown_roles_failure(has_unknown_roles: bool) -> tuple[ReadFailure, ...]:
    """That the report keeps silent about who is an administrator."""
    return (ReadFailure(REGISTERED_ADMINISTRATORS, UNKNOWN_ROLES),) if has_unknown_roles else ()


async def process_registrations(
    tenant: HasAccounts, page: Reading[MfaRegistration], totals: RegistrationTotals
) -> Reading[RegistrationItem]:
    """A page: its administrators who lack something, and the others counted."""
    lacking = [entry for entry in page.items if get_factor_deficiency(entry)]
    asked = list_accounts_to_check(lacking, totals)
    accounts = await tenant.accounts.read_users(asked) if asked else Reading[Account]()
    if accounts.find_source_failure(ACCOUNTS):
        totals.accounts_unavailable = True
    missing = {miss.object_id for miss in accounts.failures}
    enabled = {one.id for one in accounts.items if one.enabled is not False}
    checked = set(asked) - missing if "" not in missing else set[str]()
    for entry in page.items:
        totals.totals[get_account_group(entry)] += not entry.is_admin
    items: list[RegistrationItem] = []
    for entry in lacking:
        if entry.id in checked and entry.id not in enabled:
            # Nobody can sign in: it was disabled or deleted since the report was made.
            totals.totals[get_account_group(entry)] -= not entry.is_admin
        elif entry.is_admin:
            items.append(entry)
        else:
            totals.count_account(entry, get_factor_deficiency(entry), entry.id in checked)
    silent = any(entry.is_admin is None for entry in page.items)
    totals.has_unknown_roles = totals.has_unknown_roles or silent
    names = {entry.id: entry.upn for entry in lacking}
    return page.with_items(
        tuple(items),
        (
            *page.failures,
            *build_unknown_roles_failure(silent),
            *(
                replace(
                    miss,
                    subject=quote_text(names.get(miss.object_id, ""), MAX_TEXT_LENGTH),
                    optional=True,
                )
                for miss in collect_failures((accounts,))
            ),
        ),
        page.sources | {REGISTERED_ADMINISTRATORS, ACCOUNTS},
        page.population,
    )


def list_accounts_to_check(
    lacking: Sequence[MfaRegistration], totals: RegistrationTotals
) -> list[str]:
    """The accounts to look up: every administrator, and others while the budget lasts."""
    if totals.accounts_unavailable:
        return []
    administrators = [entry.id for entry in lacking if entry.is_admin]
    others = [
        entry.id
        for entry in lacking
        if not entry.is_admin and get_factor_deficiency(entry) == WITHOUT_SECOND_FACTOR
    ]
    others = others[: totals.lookup_budget]
    totals.lookup_budget -= len(others)
    return administrators + others


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: RegistrationItem, policy: GuardPolicy) -> Iterator[Finding]:
    """An administrator each by itself; ordinary accounts by what share of them lacks something."""
    if isinstance(item, MfaRegistration):
        if item.is_admin and (lack := get_factor_deficiency(item)):
            yield build_administrator_finding(item, lack)
    elif item.count:
        yield build_group_finding(item)


def build_administrator_finding(entry: MfaRegistration, deficiency: str) -> Finding:
    """One administrator who can be impersonated."""
    name = quote_text(entry.upn or entry.id, MAX_TEXT_LENGTH)
    without = deficiency == WITHOUT_SECOND_FACTOR
    summary = f"The administrator {name} signs in with a password alone."
    if not without:
        summary = f"The administrator {name} has only a weak second factor."
    return Finding(
        kind="administrator-second-factor",
        object_id=entry.id,
        subject=name,
        severity=Severity.CRITICAL if without else Severity.HIGH,
        verdict=MfaVerdict.NO_SECOND_FACTOR if without else MfaVerdict.WEAK_FACTOR,
        summary=summary,
        facts=tuple(list_administrator_facts(entry)),
        sources=(SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS),
        advice=build_administrator_advice(entry, name),
    )


def list_administrator_facts(entry: MfaRegistration) -> Iterator[Fact]:
    """What is registered, and why it does not do."""
    methods = ", ".join(
        quote_text(method, MAX_LABEL_LENGTH) for method in sorted(entry.methods)[:10]
    )
    yield Fact("registered methods", methods or "none")
    if entry.mfa_registered and not has_second_factor(entry):
        yield Fact(
            "",
            "what is registered is no second factor that the authentication methods policy allows",
        )
    if has_only_weak_factor(entry) and has_second_factor(entry):
        yield Fact("", "messages and calls can be diverted by whoever takes over the number")
    if entry.is_guest:
        yield Fact("", "it is a guest with an administrator's role")
    yield Fact("", REPORT_AGE_TEXT)


def build_administrator_advice(entry: MfaRegistration, name: str) -> str:
    """What to do, and what about the account no person signs in with."""
    advice = (
        f"Have {name} register a passkey or Microsoft Authenticator at aka.ms/mysecurityinfo, and "
        "require it: Entra admin center > Entra ID > Conditional Access > Create new policy "
        "from templates > Require multifactor authentication for admins."
    )
    if entry.upn.lower().startswith("sync_"):
        advice += (
            " If this is the account of Entra Connect, it cannot register anything: let it sign in "
            "from the address of its server only, and exempt it here."
        )
    return advice


def rate_group_summary(summary: GroupSummary) -> Severity:
    """How bad it is: by share, so that a few accounts more or less are no news."""
    if summary.group == GUESTS or summary.deficiency == WEAK_FACTOR:
        return Severity.LOW
    if summary.share >= HIGH_SHARE:
        return Severity.HIGH
    return Severity.MEDIUM if summary.share >= MEDIUM_SHARE else Severity.LOW


def build_group_finding(summary: GroupSummary) -> Finding:
    """Many accounts in one case."""
    without = summary.deficiency == WITHOUT_SECOND_FACTOR
    what = "without a second factor" if without else "with only a telephone as second factor"
    if not without:
        advice = (
            "Ask them to register a passkey or Microsoft Authenticator at aka.ms/mysecurityinfo."
        )
    elif summary.group == GUESTS:
        advice = (
            "Require a second factor of guests: Entra admin center > Entra ID > Conditional Access "
            "> Create new policy from templates > Require multifactor authentication for guests."
        )
    else:
        advice = (
            "Require a second factor of everybody: Entra admin center > Entra ID > Conditional "
            "Access > Create new policy from templates > Require multifactor authentication for "
            "all users; without Entra ID P1, Overview > Properties > Manage security defaults."
        )
    return Finding(
        kind=summary.deficiency,
        object_id=summary.group,
        subject=f"{summary.group} {what}",
        severity=rate_group_summary(summary),
        verdict=MfaVerdict.NO_SECOND_FACTOR if without else MfaVerdict.WEAK_FACTOR,
        summary=f"{summary.count:,} of {summary.total:,} {summary.group} are {what}, "
        "administrators aside.",
        facts=tuple(list_group_facts(summary)),
        sources=(SIGN_IN_METHODS,),
        advice=f"{advice} Everyone: Entra ID > Authentication methods > User registration details.",
    )


def list_group_facts(summary: GroupSummary) -> Iterator[Fact]:
    """Figures and first names; the same as long as the accounts are."""
    figures = f"{summary.share:.0f} % of {summary.group}"
    if summary.deficiency == WITHOUT_SECOND_FACTOR and summary.disallowed_count:
        figures += f"; {summary.disallowed_count:,} have registered only what policy does not allow"
    yield Fact("", figures)
    for names in batched(summary.names, NAMES_PER_LINE, strict=False):
        yield Fact("", ", ".join(quote_text(name, MAX_LABEL_LENGTH) for name in names))
    if more := summary.count - len(summary.names):
        yield Fact("", f"and {more:,} more")
    if summary.group == GUESTS and summary.deficiency == WITHOUT_SECOND_FACTOR:
        yield Fact(
            "",
            "their own organization may ask them for a second factor, which is not seen from here",
        )
    if summary.deficiency == WITHOUT_SECOND_FACTOR and summary.unchecked_count:
        yield Fact(
            "",
            f"of {summary.unchecked_count:,} it was not looked up whether they are disabled since; "
            f"{REPORT_AGE_TEXT}",
        )
    else:
        yield Fact("", REPORT_AGE_TEXT)


GUARD = Guard(
    name="mfa-registration",
    title="Second factors",
    looks_for="administrators without a second factor or with a weak one; how many other users have"
    " none",
    rationale="Where a password alone is enough, one that was guessed or phished opens the "
    "account.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(
            Service.GRAPH,
            "AuditLog.Read.All",
            "who has registered which sign-in methods; needs Entra ID P1",
        ),
        Permission(
            Service.GRAPH,
            "User.Read.All",
            "to leave out accounts that were disabled since the report was made",
            optional=True,
        ),
    ),
    observe=observe,
    judge=judge,
    noun="accounts",
)
