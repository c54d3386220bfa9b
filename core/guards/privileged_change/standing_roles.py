"""Roles that somebody could activate and now holds for good, past Privileged Identity Management.

Whoever holds a role for an hour gives themselves the same role without an end: from then on nobody
approves, and nothing is asked. Somebody who never held it is told as a new administrator.
Microsoft Graph v1.0: unifiedRoleAssignmentScheduleInstance, unifiedRoleEligibilityScheduleInstance.
Pure.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from core.guards.privileged_change.roles import POWERFUL_ROLES
from core.microsoft365.assumptions.graph_traces import ROLE_INSTANCES
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.remedies import build_graph_request, make_graph_step
from core.model.findings import Fact, Severity
from core.property_values import get_text, get_time
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, Trait, WatchedCollection, WatchedItem

RELIES_ON = (ROLE_INSTANCES,)

ASSIGNMENTS, ELIGIBILITIES = "role-assignment-instance", "role-eligibility-instance"
MAX_NAME_LENGTH = 120
ELIGIBLE, STANDING, ENDLESS = "eligible", "standing", "endless"
ROOT = "/"
FORESEEABLE = timedelta(days=400)
"""PIM gives a role for a year at most, unless it is told to give it for ever."""
DIRECTORY = ("roleManagement", "directory")

type RoleKey = tuple[str, str]


def describe_standing(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each powerful role of each account that PIM knows, whether it can be activated or is held."""
    names = {one.id: one.name for one in rows[ROLE_HOLDER] or ()}
    eligible = {key for one in rows[ELIGIBILITIES] or () if (key := read_key(one))}
    held: dict[RoleKey, Configuration] = {}
    for one in rows[ASSIGNMENTS] or ():
        # One role may be held by several assignments: that without an end counts.
        if (
            (key := read_key(one))
            and is_given(one)
            and (key not in held or not ends(one, rows.now))
        ):
            held[key] = one
    for role, who in sorted(eligible | held.keys()):
        name = quote_text(names.get(who) or who, MAX_NAME_LENGTH)
        given = held.get((role, who))
        yield WatchedItem(
            id=f"{role} {who}",
            name=f"{POWERFUL_ROLES[role]} of {name}",
            opens=tuple(list_standing_traits(given, rows.now)) if given else (),
            keeps=frozenset({ELIGIBLE} if (role, who) in eligible else ()),
            facts=(Fact("account", who),),
            is_object=False,
            held_account=who,
            stop=(
                make_graph_step(
                    "Unless somebody answers for it: take the standing assignment away; the "
                    "eligible one stays.",
                    build_removal(role, who),
                ),
            ),
            advice=f"Ask {name}, and whoever gave it, by telephone. Unless somebody answers for "
            "it, take the standing assignment away, the eligible one can stay: Entra admin center "
            "> Identity Governance > Privileged Identity Management > Microsoft Entra roles > "
            "Assignments > Active assignments.",
        )


def build_removal(role: str, who: str) -> str:
    """The request that ends an assignment; empty if an id cannot be quoted."""
    if not can_be_quoted(who):
        return ""
    body = (
        f"{{ action = 'adminRemove'; principalId = {quote_literal(who)}; roleDefinitionId = "
        f"{quote_literal(role)}; directoryScopeId = '{ROOT}' }}"
    )
    return build_graph_request("POST", body, *DIRECTORY, "roleAssignmentScheduleRequests")


def read_key(row: Configuration) -> RoleKey | None:
    """The role and the account of a row, for a role that reaches the whole directory. Raises
    ValueError for a row that does not say which, or whose it is.
    """
    role = get_text(row.values, "roleDefinitionId").casefold()
    who = get_text(row.values, "principalId").casefold()
    scope = get_text(row.values, "directoryScopeId") or ROOT
    if not role or not who:
        raise ValueError("an assignment that does not say which role it gives, or to whom")
    return (role, who) if role in POWERFUL_ROLES and scope == ROOT else None


def name_standing(row: Configuration) -> Iterator[str]:
    """The role of the account that a row is about."""
    if key := read_key(row):
        yield " ".join(key)


def read_account(item: str) -> str:
    """The account of an item, by its id."""
    return item.partition(" ")[2]


def is_given(row: Configuration) -> bool:
    """Whether a role is held by an assignment, and not because it was activated for a while."""
    return get_text(row.values, "assignmentType").casefold() != "activated"


def ends(row: Configuration, now: datetime) -> bool:
    """Whether an assignment ends in a foreseeable time: what lies decades ahead is no end."""
    ends_at = get_time(row.values, "endDateTime")
    return ends_at is not None and ends_at - now <= FORESEEABLE


def list_standing_traits(row: Configuration, now: datetime) -> Iterator[Trait]:
    """That the role is held, and whether that ends."""
    is_ending = ends(row, now)
    text = "is held without activating it, which was needed before"
    grave = Severity.MEDIUM if is_ending else Severity.HIGH
    yield Trait(STANDING, text, grave, after_kept=ELIGIBLE)
    if not is_ending:
        yield Trait(
            ENDLESS, "is held for ever, past its approval", Severity.HIGH, after_kept=ELIGIBLE
        )


def explain_eligibility_loss(token: str) -> Trait:
    """That a role can no longer be activated is no harm."""
    return Trait(token, "can no longer be activated", Severity.INFO)


STANDING_ROLES = WatchedCollection(
    name="standing-role",
    may_be_old=True,
    noun="role",
    plural="roles that can be activated or are held",
    needs=(ASSIGNMENTS, ELIGIBILITIES),
    uses=(ROLE_HOLDER,),
    items_of=(ASSIGNMENTS, ELIGIBILITIES),
    name_object=read_account,
    name_items=name_standing,
    describe=describe_standing,
    explain_loss=explain_eligibility_loss,
    advice="Ask whoever gave it.",
    techniques=("T1098.003",),
    reference="Microsoft Graph v1.0: /roleManagement/directory/roleAssignmentScheduleInstances",
    harmless="an activation, roles that were held for good at the first look, and somebody who "
    "never could activate the role: that is a new administrator",
)
