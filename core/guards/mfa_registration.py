"""The threat: a password alone opens an account.

Passwords are guessed, phished and bought by the million. An account without a second factor is one
such password away from an intruder, and the first one who signs in with it may register a second
factor of their own. An administrator's account then opens the tenant.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched

from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Terms
from core.sanitize import plain
from core.tenant.directory import Account, Registration
from core.tenant.merging import Listed, missed
from core.tenant.port import Tenant
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import ACCOUNTS, REGISTERED_ADMINISTRATORS, REGISTRATIONS

# Passkeys and their kin prove two things at once and cannot be phished. The report counts some of
# them as a second factor only where policy does, so their own names decide.
PHISHING_RESISTANT = (
    "passkey",
    "fido2",
    "windowshello",
    "macossecureenclave",
    "x509certificatemulti",
)
# They reset a password or let an old client in; none of them is asked for at sign-in.
NO_FACTOR = frozenset({"email", "securityquestion", "apppassword"})
# A number can be taken over, a message read by whoever holds the telephone; a pass ends by itself.
WEAK = NO_FACTOR | {"mobilephone", "alternatemobilephone", "officephone", "temporaryaccesspass"}

# So many accounts without a second factor are looked up, to leave out those that are disabled.
CHECKED = 5_000
NAMED = 20
ABREAST = 5
CUT = 200
SHORT = 48

MEMBERS, GUESTS = "members", "guests"
WITHOUT, ONLY_WEAK = "without-second-factor", "weak-factor"
# At these shares a digest becomes graver, and only that is news.
MANY, SOME = 25.0, 5.0
AGE = "Microsoft's report is up to a day old and leaves out disabled accounts"
UNTOLD = "the report does not say of some accounts whether they are administrators"
NOBODY = "the report names not a single account"


@dataclass(frozen=True, slots=True)
class Digest:
    """A group of accounts in one: how many there are, how many of them lack something.

    `named` are the first of those by name, `barred` how many have registered only what policy does
    not allow, `unchecked` how many may be disabled all the same.
    """

    group: str
    lack: str
    total: int
    count: int
    named: tuple[str, ...] = ()
    barred: int = 0
    unchecked: int = 0

    @property
    def share(self) -> float:
        """How much of the group lacks it, in percent."""
        return 100 * self.count / self.total if self.total else 0.0


type Item = Registration | Digest


@dataclass(slots=True)
class Count:
    """Accounts counted as they pass by; of their names only the first few are kept."""

    count: int = 0
    barred: int = 0
    unchecked: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, entry: Registration, checked: bool) -> None:
        """Count one account."""
        self.count += 1
        self.barred += entry.registered
        self.unchecked += not checked
        self.names.append(entry.upn or entry.id)
        if len(self.names) >= 10 * NAMED:
            self.names = self.first()

    def first(self) -> list[str]:
        """The names that come first, the same ones in every run."""
        return sorted(self.names, key=lambda name: (name.casefold(), name))[:NAMED]


@dataclass(slots=True)
class Census:
    """What the pages come to. `budget` is how many accounts may still be looked up."""

    totals: dict[str, int] = field(default_factory=lambda: {MEMBERS: 0, GUESTS: 0})
    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    budget: int = CHECKED
    blind: bool = False
    untold: bool = False
    whole: bool = True

    def count(self, entry: Registration, lack: str, checked: bool) -> None:
        """Count an account that lacks something."""
        self.counts.setdefault((group_of(entry), lack), Count()).add(entry, checked)

    def digests(self) -> tuple[Digest, ...]:
        """The report in a few lines."""
        return tuple(
            Digest(
                group,
                lack,
                self.totals[group],
                found.count,
                tuple(found.first()),
                found.barred,
                found.unchecked,
            )
            for (group, lack), found in sorted(self.counts.items())
        )


def group_of(entry: Registration) -> str:
    """Guests are counted apart: their own organization may ask them for a second factor."""
    return GUESTS if entry.guest else MEMBERS


def phishing_resistant(entry: Registration) -> bool:
    """True when the account has a passkey or its like."""
    return any(method.startswith(PHISHING_RESISTANT) for method in entry.methods)


def second_factor(entry: Registration) -> bool:
    """True when signing in can take more than a password."""
    if entry.passwordless or phishing_resistant(entry):
        return True
    return entry.capable and not (entry.methods and entry.methods <= NO_FACTOR)


def weak_only(entry: Registration) -> bool:
    """True when all there is besides the password is a telephone, or ends by itself."""
    return bool(entry.methods) and entry.methods <= WEAK and not entry.passwordless


def lack_of(entry: Registration) -> str:
    """What an account lacks; "" for nothing."""
    if not second_factor(entry):
        return WITHOUT
    return ONLY_WEAK if weak_only(entry) else ""


# ----------------------------------------------------------------------------------------------
# Observation
# ----------------------------------------------------------------------------------------------


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Item]]:
    """Administrators as they come, page by page; everybody else as a digest in the end."""
    listed, census, named = Listed(look.watched), Census(), 0
    async for page in tenant.registrations():
        listed.note(page)
        named += page.population
        census.whole = census.whole and page.complete
        yield await considered(tenant, page, census)
    if not census.whole:
        return
    surfaces = frozenset({REGISTRATIONS, REGISTERED_ADMINISTRATORS})
    if not named:
        yield Reading(unread=(Unread(REGISTRATIONS, NOBODY),), surfaces=surfaces, complete=False)
        return
    yield Reading(
        items=census.digests(),
        unread=untold(census.untold),
        surfaces=surfaces,
        scope=frozenset({MEMBERS, GUESTS}),
    )
    for rest in listed.rest(surfaces):
        yield replace(rest, unread=untold(census.untold))


def untold(some: bool) -> tuple[Unread, ...]:
    """That the report keeps silent about who is an administrator."""
    return (Unread(REGISTERED_ADMINISTRATORS, UNTOLD),) if some else ()


async def considered(tenant: Tenant, page: Reading[Registration], census: Census) -> Reading[Item]:
    """A page: its administrators who lack something, and the others counted."""
    lacking = [entry for entry in page.items if lack_of(entry)]
    asked = worth_a_look(lacking, census)
    accounts = await tenant.users_named(asked) if asked else Reading[Account]()
    if accounts.blind_to(ACCOUNTS):
        census.blind = True
    missing = {miss.object_id for miss in accounts.unread}
    enabled = {one.id for one in accounts.items if one.enabled is not False}
    checked = set(asked) - missing if "" not in missing else set[str]()
    for entry in page.items:
        census.totals[group_of(entry)] += not entry.admin
    items: list[Item] = []
    for entry in lacking:
        if entry.id in checked and entry.id not in enabled:
            # Nobody can sign in: it was disabled or deleted since the report was made.
            census.totals[group_of(entry)] -= not entry.admin
        elif entry.admin:
            items.append(entry)
        else:
            census.count(entry, lack_of(entry), entry.id in checked)
    silent = any(entry.admin is None for entry in page.items)
    census.untold = census.untold or silent
    names = {entry.id: entry.upn for entry in lacking}
    return page.carrying(
        tuple(items),
        (
            *page.unread,
            *untold(silent),
            *(
                replace(miss, subject=plain(names.get(miss.object_id, ""), CUT), optional=True)
                for miss in missed((accounts,))
            ),
        ),
        page.surfaces | {REGISTERED_ADMINISTRATORS, ACCOUNTS},
        page.population,
    )


def worth_a_look(lacking: Sequence[Registration], census: Census) -> list[str]:
    """The accounts to look up: every administrator, and others while the budget lasts."""
    if census.blind:
        return []
    administrators = [entry.id for entry in lacking if entry.admin]
    others = [entry.id for entry in lacking if not entry.admin and lack_of(entry) == WITHOUT]
    others = others[: census.budget]
    census.budget -= len(others)
    return administrators + others


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: Item, terms: Terms) -> Iterator[Finding]:
    """An administrator each by itself; ordinary accounts by what share of them lacks something."""
    if isinstance(item, Registration):
        if item.admin and (lack := lack_of(item)):
            yield administrator(item, lack)
    elif item.count:
        yield of_many(item)


def administrator(entry: Registration, lack: str) -> Finding:
    """One administrator who can be impersonated."""
    name = plain(entry.upn or entry.id, CUT)
    without = lack == WITHOUT
    summary = f"The administrator {name} signs in with a password alone."
    if not without:
        summary = f"The administrator {name} has only a weak second factor."
    return Finding(
        kind="administrator-second-factor",
        object_id=entry.id,
        subject=name,
        severity=Severity.CRITICAL if without else Severity.HIGH,
        verdict=Verdict.NO_SECOND_FACTOR if without else Verdict.WEAK_FACTOR,
        summary=summary,
        facts=tuple(administrator_facts(entry)),
        surfaces=(REGISTRATIONS, REGISTERED_ADMINISTRATORS),
        advice=administrator_advice(entry, name),
    )


def administrator_facts(entry: Registration) -> Iterator[str]:
    """What is registered, and why it does not do."""
    methods = ", ".join(plain(method, SHORT) for method in sorted(entry.methods)[:10])
    yield f"registered methods: {methods or 'none'}"
    if entry.registered and not second_factor(entry):
        yield "what is registered is no second factor that the authentication methods policy allows"
    if weak_only(entry) and second_factor(entry):
        yield "messages and calls can be diverted by whoever takes over the number"
    if entry.guest:
        yield "it is a guest with an administrator's role"
    yield AGE


def administrator_advice(entry: Registration, name: str) -> str:
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


def severity_of(digest: Digest) -> Severity:
    """How bad it is: by share, so that a few accounts more or less are no news."""
    if digest.group == GUESTS or digest.lack == ONLY_WEAK:
        return Severity.LOW
    if digest.share >= MANY:
        return Severity.HIGH
    return Severity.MEDIUM if digest.share >= SOME else Severity.LOW


def of_many(digest: Digest) -> Finding:
    """Many accounts in one case."""
    without = digest.lack == WITHOUT
    what = "without a second factor" if without else "with only a telephone as second factor"
    if not without:
        advice = (
            "Ask them to register a passkey or Microsoft Authenticator at aka.ms/mysecurityinfo."
        )
    elif digest.group == GUESTS:
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
        kind=digest.lack,
        object_id=digest.group,
        subject=f"{digest.group} {what}",
        severity=severity_of(digest),
        verdict=Verdict.NO_SECOND_FACTOR if without else Verdict.WEAK_FACTOR,
        summary=f"{digest.count:,} of {digest.total:,} {digest.group} are {what}, "
        "administrators aside.",
        facts=tuple(digest_facts(digest)),
        surfaces=(REGISTRATIONS,),
        advice=f"{advice} Everyone: Entra ID > Authentication methods > User registration details.",
    )


def digest_facts(digest: Digest) -> Iterator[str]:
    """Figures and first names; the same as long as the accounts are."""
    figures = f"{digest.share:.0f} % of {digest.group}"
    if digest.lack == WITHOUT and digest.barred:
        figures += f"; {digest.barred:,} have registered only what policy does not allow"
    yield figures
    for names in batched(digest.named, ABREAST, strict=False):
        yield ", ".join(plain(name, SHORT) for name in names)
    if more := digest.count - len(digest.named):
        yield f"and {more:,} more"
    if digest.group == GUESTS and digest.lack == WITHOUT:
        yield "their own organization may ask them for a second factor, which is not seen from here"
    if digest.lack == WITHOUT and digest.unchecked:
        yield f"of {digest.unchecked:,} it was not looked up whether they are disabled since; {AGE}"
    else:
        yield AGE


GUARD = Guard(
    name="mfa-registration",
    title="Second factors",
    why="Where a password alone is enough, one that was guessed or phished opens the account.",
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
