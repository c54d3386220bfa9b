"""What is asked before a powerful role is held: the rules of Privileged Identity Management. Pure.

Microsoft Graph v1.0: unifiedRoleManagementPolicyAssignment. Its rules have fixed ids.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from core.guards.privileged_change.roles import POWERFUL_ROLES
from core.microsoft365.source_shapes import TYPE_NAME
from core.model.findings import Severity
from core.property_values import find_property, get_flag, get_objects, get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.derived import POLICY, is_in_force
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

ACTIVATION = "role-activation-policy"
MAX_NAME_LENGTH = 120
USER_RULE = "{}_EndUser_Assignment"
HOURS = re.compile(r"P(?:(\d{1,3})D)?(?:T(?:(\d{1,4})H)?(?:\d+M)?(?:\d+S)?)?")
MAX_HOURS = 72
APPROVAL, CONTEXT = "Approval", "Context"
CONTEXT_CLAIMS = "conditions.applications.includeAuthenticationContextClassReferences"


def describe_activation(rows: SourceRows) -> Iterator[WatchedItem]:
    """How each powerful role is activated and given; other roles can do no harm by it."""
    for one in rows[ACTIVATION] or ():
        role = get_text(one.values, "roleDefinitionId").casefold()
        if not role:
            raise ValueError("an activation that does not say of which role it is")
        if role not in POWERFUL_ROLES:
            continue
        rules = find_property(one.values, "policy.rules")[1]
        if not isinstance(rules, list) or not rules:
            raise ValueError(f"the activation of {POWERFUL_ROLES[role]} came without its rules")
        by_id = {get_text(each, "id"): each for each in get_objects(one.values, "policy.rules")}
        yield WatchedItem(
            id=role,
            name=POWERFUL_ROLES[role],
            is_object=False,
            opens=(*list_ways(by_id), *list_hours(by_id)),
            keeps=frozenset(list_activation_tokens(by_id, rows[POLICY])),
            advice="Ask whoever changed it, by telephone. Unless somebody answers for it, set it "
            "back: Entra admin center > Identity Governance > Privileged Identity Management.",
        )


def name_role(activation: Configuration) -> Iterator[str]:
    """The role that the rules of an activation are for."""
    if role := get_text(activation.values, "roleDefinitionId").casefold():
        yield role


def list_ways(rules: Mapping[str, Mapping[str, object]]) -> Iterator[Trait]:
    """Who may approve an activation, and by which context Conditional Access is asked."""
    approval = rules.get(USER_RULE.format("Approval"), {})
    if get_flag(approval, "setting.isApprovalRequired", default=False):
        for stage in get_objects(approval, "setting.approvalStages"):
            yield from list_approvers(stage)
    context = rules.get(USER_RULE.format("AuthenticationContext"), {})
    if get_flag(context, "isEnabled", default=False):
        claim = get_text(context, "claimValue")
        yield Trait(
            build_value_token("context", claim),
            f"asks Conditional Access by another context ({quote_text(claim, MAX_NAME_LENGTH)})",
            Severity.HIGH,
            after_kept=CONTEXT,
        )


def list_approvers(stage: Mapping[str, object]) -> Iterator[Trait]:
    """Each person or group that may approve in one stage."""
    for one in get_objects(stage, "primaryApprovers"):
        names = ("userId", "groupId", "id")
        approver = next((text for name in names if (text := get_text(one, name))), "")
        kind = get_text(one, TYPE_NAME).rpartition(".")[2]
        shown = quote_text(get_text(one, "description") or approver or kind, MAX_NAME_LENGTH)
        yield Trait(
            build_token("approver", approver or kind),
            f"may be approved by {shown} too",
            Severity.HIGH,
            after_kept=APPROVAL,
        )


def list_hours(rules: Mapping[str, Mapping[str, object]]) -> Iterator[Trait]:
    """For how long a role stays active, a step an hour: longer is wider."""
    limit = get_text(rules.get(USER_RULE.format("Expiration"), {}), "maximumDuration")
    found = HOURS.fullmatch(limit.upper())
    days, hours = (int(one or 0) for one in found.groups()) if found else (0, 0)
    for step in range(1, min(24 * days + hours, MAX_HOURS) + 1):
        text = f"stays active for longer (up to {quote_text(limit)})"
        yield Trait(f"hours {step}", text, Severity.LOW)


def is_context_asked(
    context: Mapping[str, object], policies: Sequence[Configuration] | None
) -> bool:
    """Whether Conditional Access asks anything for the context of an activation.

    Where no policy names the context, a second factor is asked (Microsoft Learn: Configure Entra
    role settings in PIM). Where one does, it has to be in force.
    """
    if not get_flag(context, "isEnabled", default=False):
        return False
    claim = get_text(context, "claimValue").casefold()
    naming = [one for one in policies or () if claim in list_claims(one)]
    return not naming or any(map(is_in_force, naming))


def list_claims(policy: Configuration) -> frozenset[str]:
    """The contexts that a policy counts for."""
    apps = find_property(policy.values, CONTEXT_CLAIMS.rpartition(".")[0])[1]
    name = CONTEXT_CLAIMS.rpartition(".")[2]
    found = get_texts(apps, name) if isinstance(apps, Mapping) else ()
    return frozenset(map(str.casefold, found))


def list_activation_tokens(
    rules: Mapping[str, Mapping[str, object]], policies: Sequence[Configuration] | None
) -> Iterator[str]:
    """The tokens of what is asked before a role is held."""
    asked = get_texts(rules.get("Enablement_EndUser_Assignment", {}), "enabledRules")
    context = rules.get(USER_RULE.format("AuthenticationContext"), {})
    folded = {one.casefold() for one in asked}
    if "multifactorauthentication" in folded or is_context_asked(context, policies):
        yield "MFA"
    if "justification" in folded:
        yield "Justification"
    giving = get_texts(rules.get("Enablement_Admin_Assignment", {}), "enabledRules")
    if "multifactorauthentication" in {one.casefold() for one in giving}:
        yield "MFA-when-given"
    approval = rules.get("Approval_EndUser_Assignment", {})
    if get_flag(approval, "setting.isApprovalRequired", default=False):
        yield APPROVAL
    if get_flag(context, "isEnabled", default=False):
        yield CONTEXT
    for name, token in (
        ("Expiration_Admin_Assignment", "Assignments-end"),
        ("Expiration_Admin_Eligibility", "Eligibility-ends"),
    ):
        if get_flag(rules.get(name, {}), "isExpirationRequired", default=False):
            yield token


ACTIVATION_LOSSES: Mapping[str, tuple[str, Severity]] = {
    "MFA": ("is activated without a second factor (MFA)", Severity.HIGH),
    "Justification": ("is activated without a reason", Severity.LOW),
    "MFA-when-given": ("is given to others without a second factor (MFA)", Severity.HIGH),
    APPROVAL: ("is activated without anybody's approval", Severity.HIGH),
    CONTEXT: ("asks Conditional Access by no context", Severity.INFO),
    "Assignments-end": ("may be given for ever", Severity.MEDIUM),
    "Eligibility-ends": ("may stay available for ever", Severity.MEDIUM),
}


def explain_activation_loss(token: str) -> Trait:
    """What it means that a role asks for less."""
    text, severity = ACTIVATION_LOSSES.get(token, ("asks for less than before", Severity.MEDIUM))
    return Trait(token, text, severity)


ACTIVATIONS = WatchedCollection(
    name="role-activation",
    noun="role",
    plural="roles that can be activated",
    needs=(ACTIVATION,),
    uses=(POLICY,),
    describe=describe_activation,
    name_items=name_role,
    explain_loss=explain_activation_loss,
    advice="Ask whoever changed it.",
    techniques=("T1098.003", "T1562"),
    reference="Microsoft Graph v1.0: /policies/roleManagementPolicyAssignments",
    harmless="stricter rules, notices and their recipients, and roles that cannot become a Global "
    "Administrator",
)
