"""The nouns of risk: an account that Microsoft rates, with the detections that led to it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from core.property_values import find_property, show_text
from core.tenant.configuration import Configuration

# Microsoft Graph: riskLevel. `hidden` is what a tenant without Entra ID P2 is told.
LEVELS = ("none", "hidden", "low", "medium", "high")
AT_RISK, COMPROMISED = "atrisk", "confirmedcompromised"
# Microsoft Graph: riskEventType. A place alone proves nothing: VPN exits, mobile carriers and
# proxies look the same (peers name these false alarms). Unfamiliar features are more than a place:
# the device, the browser and the network as well.
TRAVEL = frozenset(
    {
        "unlikelytravel",
        "impossibletravel",
        "mcasimpossibletravel",
        "newcountry",
    }
)


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing that Identity Protection noticed about an account."""

    kind: str
    level: str
    at: datetime | None
    """When it was last updated: what is found offline comes days after the sign-in."""
    address: str = ""


@dataclass(frozen=True, slots=True)
class RiskyAccount:
    """An account at risk."""

    id: str
    name: str
    level: str
    """The highest of the account's own level and those of its detections, in lower case."""
    state: str
    changed: str
    """When the risk last changed, as Graph prints it: what is new then is a new case."""
    detail: str = ""
    detections: tuple[Detection, ...] = ()
    is_known: bool | None = None
    """Whether Entra still knows the account; None: that could not be read."""

    @property
    def is_only_travel(self) -> bool:
        """Whether nothing but its places speaks against it."""
        return (
            self.state != COMPROMISED
            and self.level != "high"
            and bool(self.detections)
            and all(one.kind.casefold() in TRAVEL for one in self.detections)
        )


@dataclass(frozen=True, slots=True)
class NoProtection:
    """The tenant has no licence for any of it, or the app may read none of it."""


def is_risky(state: str) -> bool:
    """Whether a state calls for somebody; an unknown one does."""
    return state.casefold() not in ("none", "confirmedsafe", "remediated", "dismissed")


def parse_time(value: str) -> datetime | None:
    """A time that Graph prints; None for what is none."""
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def get_highest(levels: Iterable[str]) -> str:
    """The highest of some levels. One that nobody knows is as grave as medium."""
    known = [level if level in LEVELS else "medium" for level in levels if level]
    return max(known, key=LEVELS.index, default="hidden")


def group_detections(rows: Iterable[Configuration]) -> dict[str, list[Configuration]]:
    """The detections of each account that are still risks."""
    found: dict[str, list[Configuration]] = {}
    for row in rows:
        user = show_text(row.values, "userId").casefold()
        if user and is_risky(show_text(row.values, "riskState")):
            found.setdefault(user, []).append(row)
    return found


def build_accounts(
    users: Iterable[Configuration], detections: Mapping[str, list[Configuration]]
) -> list[RiskyAccount]:
    """The accounts that are at risk: by themselves, or, without Entra ID P2, by a detection."""
    accounts: dict[str, RiskyAccount] = {}
    for row in users:
        is_deleted = find_property(row.values, "isDeleted")[1] is True
        if not is_deleted and is_risky(show_text(row.values, "riskState")):
            found = detections.get(row.id.casefold(), [])
            accounts[row.id.casefold()] = build_account(
                row.id, row.values, show_text(row.values, "riskLastUpdatedDateTime"), found
            )
    for user, found in detections.items():
        if user not in accounts:
            latest = max(found, key=lambda one: show_text(one.values, "lastUpdatedDateTime"))
            changed = show_text(latest.values, "lastUpdatedDateTime")
            accounts[user] = build_account(user, latest.values, changed, found)
    return list(accounts.values())


def build_account(
    identity: str,
    values: Mapping[str, object],
    changed: str,
    detections: Iterable[Configuration],
) -> RiskyAccount:
    """One account, with its detections, the latest first."""
    parsed = sorted(
        (
            Detection(
                show_text(one.values, "riskEventType") or "unknown",
                show_text(one.values, "riskLevel").casefold(),
                parse_time(show_text(one.values, "lastUpdatedDateTime")),
                show_text(one.values, "ipAddress"),
            )
            for one in detections
        ),
        key=lambda one: (one.at is not None, str(one.at)),
        reverse=True,
    )
    level = get_highest((show_text(values, "riskLevel").casefold(), *(one.level for one in parsed)))
    return RiskyAccount(
        id=identity.casefold(),
        name=show_text(values, "userPrincipalName") or show_text(values, "userDisplayName"),
        level=level,
        state=show_text(values, "riskState").casefold(),
        changed=changed,
        detail=show_text(values, "riskDetail"),
        detections=tuple(parsed),
    )
