"""The nouns of second factors: groups of accounts, and an administrator's methods. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from core.guards.mfa_registration.factors import is_external, is_federated
from core.tenant.directory import MfaRegistration

# How many accounts without a second factor are looked up, to leave out the disabled ones.
MAX_LOOKUPS = 5_000
MAX_NAMED = 20
MAX_TEXT_LENGTH = 200
MAX_LABEL_LENGTH = 48
MEMBERS, GUESTS = "members", "guests"
EXTERNAL_MEMBERS, FEDERATED = "external members", "federated members"
GROUPS = (MEMBERS, GUESTS, EXTERNAL_MEMBERS, FEDERATED)


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


@dataclass(frozen=True, slots=True)
class Administrator:
    """An administrator who lacks something, and who decides about it."""

    entry: MfaRegistration
    is_federated: bool = False
    """Whether another provider signs the account in."""
    are_domains_known: bool = True
    """Whether it could be read which domains are federated."""


@dataclass(frozen=True, slots=True)
class AddedMethods:
    """Sign-in methods that appeared between two looks, of one administrator."""

    entry: MfaRegistration
    names: tuple[str, ...]
    seen_at: datetime
    """When they were first seen."""
    earlier: tuple[str, ...]
    """The methods that are older."""


type RegistrationItem = Administrator | AddedMethods | GroupSummary


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

    federated_domains: frozenset[str] = frozenset()
    """The domains that another provider signs in, as domains compare."""
    are_domains_known: bool = True
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GROUPS, 0))
    counts: dict[tuple[str, str], AccountCounter] = field(default_factory=dict)
    lookup_budget: int = MAX_LOOKUPS
    accounts_unavailable: bool = False
    has_unknown_roles: bool = False
    is_complete: bool = True

    def count_account(self, entry: MfaRegistration, deficiency: str, is_checked: bool) -> None:
        """Count an account that lacks something."""
        self.counts.setdefault((self.get_group(entry), deficiency), AccountCounter()).add_account(
            entry, is_checked
        )

    def get_group(self, entry: MfaRegistration) -> str:
        """Counted apart are those whom others may ask for a second factor."""
        if entry.is_guest:
            return GUESTS
        if is_external(entry):
            return EXTERNAL_MEMBERS
        return FEDERATED if is_federated(entry, self.federated_domains) else MEMBERS

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
