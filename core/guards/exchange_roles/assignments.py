"""Roles of Exchange: to whom each is given, within what, and what own roles are made from. Pure."""

from collections.abc import Iterator, Mapping

from core.guards.exchange_roles.groups import MAX_NAME_LENGTH
from core.guards.exchange_roles.parents import (
    ROLE,
    check_ancestors,
    find_root_role,
    rate_exchange_role,
    read_parents,
)
from core.keys import hash_parts
from core.microsoft365.exchange_roles import is_whole_scope, weigh_exchange_role
from core.microsoft365.permission_rules import PermissionRisk
from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Severity
from core.property_values import get_flag, get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

RELIES_ON = ("exchange-scope-filters",)

ASSIGNMENT, SCOPE = "management-role-assignment", "management-scope"
POLICY = "role-assignment-policy"
# Organization Management gives away every role: Exchange's own default in each tenant.
DEFAULT_DELEGATE = "organization management"
DAY_LENGTH = len("2026-01-01")
EVERYWHERE = "everywhere"
POLICY_ASSIGNEE, APP_ASSIGNEE = "roleassignmentpolicy", "serviceprincipal"
GROUP_ASSIGNEES = frozenset({"rolegroup", "linkedrolegroup"})
# What users may do for themselves in a new tenant (Microsoft Learn: Role assignment policies in
# Exchange Online). Three of them let users install add-ins of their own.
OWN_ROLES = frozenset(
    {
        "mybaseoptions",
        "mycontactinformation",
        "mydistributiongroupmembership",
        "mydistributiongroups",
        "mymailsubscriptions",
        "mymailboxdelegation",
        "myprofileinformation",
        "myretentionpolicies",
        "myteammailboxes",
        "mytextmessaging",
        "myvoicemail",
        "mydiagnostics",
    }
)
ADD_IN_ROLES = frozenset({"my custom apps", "my marketplace apps", "my readwritemailbox apps"})


def rate_role(name: str, parents: Mapping[str, str]) -> Severity:
    """How grave it is to hold a role."""
    folded = name.casefold()
    if folded in OWN_ROLES:
        return Severity.LOW
    if folded in ADD_IN_ROLES:
        return Severity.MEDIUM
    return rate_exchange_role(name, parents)


def describe_assignment(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each assignment to a person, a group or a policy; those to apps are app-consent's."""
    parents = read_parents(rows)
    made = read_built_in_roles(rows)
    filters = {
        one.name.casefold(): get_text(one.values, "RecipientFilter") for one in rows[SCOPE] or ()
    }
    for one in rows[ASSIGNMENT] or ():
        kind = get_text(one.values, "RoleAssigneeType").casefold()
        if kind == APP_ASSIGNEE:
            continue
        role = get_text(one.values, "Role")
        check_ancestors(rows, role, parents)
        holder = get_text(one.values, "RoleAssigneeName") or get_text(one.values, "RoleAssignee")
        grave = rate_role(role, parents)
        if grave >= Severity.MEDIUM and kind not in GROUP_ASSIGNEES | {POLICY_ASSIGNEE}:
            # What one person is given directly shows in no role group.
            grave = Severity.HIGH
        if is_made_by_microsoft(one, made):
            grave = Severity.INFO
        shown = quote_text(role, MAX_NAME_LENGTH)
        yield WatchedItem(
            id=one.id,
            name=f"{shown} for {quote_text(holder, MAX_NAME_LENGTH)}",
            opens=tuple(list_assignment_traits(rows, one, grave, filters, holder)),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: take the role away.",
                    build_command(
                        "Remove-ManagementRoleAssignment", "-Confirm:$false", Identity=one.id
                    ),
                ),
            ),
        )


def read_built_in_roles(rows: SourceRows) -> Mapping[str, str]:
    """The day on which each built-in role was made here; one with a parent is the tenant's own."""
    return {
        one.name.casefold(): get_text(one.values, "WhenCreatedUTC")[:DAY_LENGTH]
        for one in rows[ROLE] or ()
        if not get_text(one.values, "Parent")
    }


def is_made_by_microsoft(assignment: Configuration, made: Mapping[str, str]) -> bool:
    """Whether an assignment came with its role: Microsoft gives each new role to the group that
    administers the organization. A role that may do everything is told all the same.
    """
    role = get_text(assignment.values, "Role")
    day = made.get(role.casefold())
    return (
        bool(day)
        and day == get_text(assignment.values, "WhenCreatedUTC")[:DAY_LENGTH]
        and is_for_default_delegate(assignment)
        and weigh_exchange_role(role) is not PermissionRisk.TENANT_WIDE
    )


def is_for_default_delegate(assignment: Configuration) -> bool:
    """Whether an assignment is to the group that administers the organization, and not to somebody
    else of its name.
    """
    return (
        get_text(assignment.values, "RoleAssigneeType").casefold() in GROUP_ASSIGNEES
        and get_text(assignment.values, "RoleAssigneeName").casefold() == DEFAULT_DELEGATE
    )


def list_assignment_traits(
    rows: SourceRows,
    assignment: Configuration,
    grave: Severity,
    filters: Mapping[str, str],
    holder: str,
) -> Iterator[Trait]:
    """What an assignment allows, and to what. Raises ValueError if nobody understands its scope."""
    values = assignment.values
    if not get_flag(values, "Enabled", default=True):
        return
    delegates = "delegating" in get_text(values, "RoleAssignmentDelegationType").casefold()
    if delegates:
        is_default = is_for_default_delegate(assignment)
        yield Trait(
            "delegates",
            "lets the holder give the role to anybody",
            Severity.INFO if is_default else Severity.HIGH,
        )
        return
    yield Trait("enabled", f"gives the role to {quote_text(holder, MAX_NAME_LENGTH)}", grave)
    scope = next(
        (
            text
            for name in ("CustomRecipientWriteScope", "CustomResourceScope")
            if not is_whole_scope(text := get_text(values, name))
        ),
        "",
    )
    if scope:
        rows.check_reference(SCOPE, scope)
        limit = hash_parts(filters.get(scope.casefold(), ""))[:16]
        text = f"counts for the scope {quote_text(scope, MAX_NAME_LENGTH)} as it is now"
        token = build_value_token("scope", f"{scope} {limit}")
        yield Trait(token, text, grave, within=(EVERYWHERE,))
        return
    within = get_text(values, "RecipientWriteScope")
    if within.casefold() in ("", "organization"):
        yield Trait(EVERYWHERE, "counts for every mailbox, without a scope", grave)
    elif within.casefold() not in ("self", "none", "notapplicable"):
        text = f"counts for {quote_text(within, MAX_NAME_LENGTH)}"
        yield Trait(build_value_token("within", within), text, grave, within=(EVERYWHERE,))


def describe_role(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each role of the tenant's own; built-in ones have no parent."""
    parents = read_parents(rows)
    for one in rows[ROLE] or ():
        if parents.get(one.name.casefold()):
            check_ancestors(rows, one.name, parents)
            root = find_root_role(one.name, parents)
            yield WatchedItem(
                id=one.id,
                name=quote_text(one.name, MAX_NAME_LENGTH),
                stop=(
                    make_exchange_step(
                        "See who holds it, and take it away from whom nobody answers for.",
                        build_command("Get-ManagementRoleAssignment", Role=one.name),
                    ),
                ),
                opens=(
                    Trait(
                        build_value_token("made from", root),
                        f"is made from {quote_text(root, MAX_NAME_LENGTH)}",
                        rate_role(root, parents),
                    ),
                ),
            )


def describe_policy(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each policy of what users may do for themselves."""
    for one in rows[POLICY] or ():
        roles = get_texts(one.values, "AssignedRoles")
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name, MAX_NAME_LENGTH),
            opens=tuple(
                Trait(
                    build_token("role", role),
                    f"lets users {describe_user_role(role)}",
                    rate_user_role(role),
                )
                for role in roles
            ),
            arrival=Severity.LOW,
        )


def rate_user_role(role: str) -> Severity:
    """How grave it is that users get a role over their own mailboxes."""
    if role.casefold() in OWN_ROLES:
        return Severity.LOW
    return Severity.MEDIUM


def describe_user_role(role: str) -> str:
    """What a role lets users do, as a clause."""
    shown = quote_text(role, MAX_NAME_LENGTH)
    if role.casefold() in ADD_IN_ROLES:
        return f"install add-ins of their own ({shown})"
    return f"use the role {shown}"


ROLE_ASSIGNMENTS = WatchedCollection(
    name="role-assignment",
    noun="role assignment",
    plural="role assignments",
    needs=(ASSIGNMENT, ROLE, SCOPE),
    describe=describe_assignment,
    # How grave a role is and what a scope contains counts for the assignments that name it.
    may_lack={ROLE: (), SCOPE: ()},
    advice="Ask whoever gave it, by telephone; take it away unless somebody answers for it.",
    techniques=("T1098.002", "T1098.003"),
    reference="Microsoft Learn: Get-ManagementRoleAssignment",
    harmless="Exchange's own delegating assignments to Organization Management, a new role of "
    "Microsoft's that comes with its assignment to it, an assignment that is disabled, narrowed or "
    "removed, and those to apps, which app-consent judges",
)
OWN_MANAGEMENT_ROLES = WatchedCollection(
    name="management-role",
    noun="management role",
    plural="management roles of the tenant's own",
    needs=(ROLE,),
    describe=describe_role,
    advice="Ask who made it, and look at its parent, its entries and who holds it.",
    techniques=("T1098.003",),
    reference="Microsoft Learn: Get-ManagementRole",
    harmless="Exchange's built-in roles, and a role made from one that only views",
)
ROLE_POLICIES = WatchedCollection(
    name="role-assignment-policy",
    noun="role assignment policy",
    plural="role assignment policies",
    needs=(POLICY,),
    describe=describe_policy,
    advice="Ask who widened it. Unless somebody answers for it, take the role out of the policy in "
    "the Exchange admin center > Roles > Outlook web app policies.",
    techniques=("T1137.006", "T1098.002"),
    reference="Microsoft Learn: Get-RoleAssignmentPolicy",
    harmless="what users could do at the first look, add-ins included: a new tenant lets them",
)
