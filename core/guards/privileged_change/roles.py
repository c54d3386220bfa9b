"""Roles of the tenant's own, how roles are activated, and units that shield accounts. Pure.

Microsoft Graph v1.0: unifiedRoleDefinition, unifiedRoleManagementPolicyAssignment,
administrativeUnit.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from core.microsoft365.remedies import (
    build_command,
    build_graph_request,
    make_graph_step,
    stop_each,
)
from core.model.findings import Fact, Severity, Step
from core.property_values import get_flag, get_objects, get_text, get_texts, list_entries
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
    read_entry,
)

ROLE, UNIT = "own-directory-role", "administrative-unit"
UNIT_PATH = ("directory", "administrativeUnits")
MAX_NAME_LENGTH = 120
# Actions by which the holder of a role becomes somebody else (Microsoft Learn: Custom roles in
# Microsoft Entra ID, application and consent permissions). Resetting passwords is not in that list
# for own roles, but would be as grave.
GRAVE_ACTION = re.compile(
    r"microsoft\.directory/(?:"
    r"(?:applications(?:\.myorganization)?|serviceprincipals)/"
    r"(?:credentials|owners|allproperties|authentication|audience|permissions|basic)/"
    r"(?:update|alltasks)"
    r"|serviceprincipals/managepermissiongrantsforall\..*"
    r"|permissiongrantpolicies/.*|roleassignments/.*|roledefinitions/.*"
    r"|users/(?:password|authenticationmethods?|strongauthentication|invalidateallrefreshtokens).*"
    r"|users/allproperties/alltasks|conditionalaccesspolicies/.*|groups\.?\w*/members/update"
    r"|devicelocalcredentials/password/read|bitlockerkeys/key/read"
    r"|.*/allproperties/alltasks)"
)
VIEWING_ACTION = re.compile(r".*/(?:read|allproperties/read|standard/read)")

# Roles that can become Global Administrator, by the id that is the same in every tenant (Microsoft
# Learn: Microsoft Entra built-in roles, privileged label).
POWERFUL_ROLES: Mapping[str, str] = {
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
    "7be44c8a-adaf-4e2a-84d6-ab2649e08a13": "Privileged Authentication Administrator",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
    "158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
    "194ae4cb-b126-40b2-bd5b-6091b380977d": "Security Administrator",
    "29232cdf-9323-42fd-ade2-1d097af3e4de": "Exchange Administrator",
    "fe930be7-5e62-47db-91af-98c3a49a38b1": "User Administrator",
    "c4e39bd9-1100-46d3-8c65-fb160da0071f": "Authentication Administrator",
    "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9": "Conditional Access Administrator",
    "8329153b-31d0-4727-b945-745eb3bc5f31": "Domain Name Administrator",
    "be2f45a1-457d-42af-a067-6ec1fa63bc45": "External Identity Provider Administrator",
    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2": "Hybrid Identity Administrator",
}


def describe_role(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each role of the tenant's own, by what it allows."""
    for one in rows[ROLE] or ():
        if not get_flag(one.values, "isEnabled", default=True):
            yield WatchedItem(id=one.id, name=quote_text(one.name or one.id, MAX_NAME_LENGTH))
            continue
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=tuple(
                Trait(
                    build_token("allows", action),
                    f"allows {quote_text(action, MAX_NAME_LENGTH)}",
                    rate_action(action),
                )
                for action in list_actions(one)
            ),
            advice="Ask whoever made it, and look who holds it. Unless somebody answers for it, "
            "disable it.",
            stop=(
                make_graph_step(
                    "See who holds it.",
                    build_command(
                        "Get-MgRoleManagementDirectoryRoleAssignment",
                        "-All",
                        Filter=f"roleDefinitionId eq '{one.id}'",
                    ),
                ),
                make_graph_step(
                    "Unless somebody answers for it: disable the role; it stays there.",
                    build_command(
                        "Update-MgRoleManagementDirectoryRoleDefinition",
                        "-IsEnabled:$false",
                        UnifiedRoleDefinitionId=one.id,
                    ),
                ),
            ),
        )


def list_actions(role: Configuration) -> Iterator[str]:
    """The actions that a role allows."""
    for part in get_objects(role.values, "rolePermissions"):
        yield from get_texts(part, "allowedResourceActions")


def rate_action(action: str) -> Severity:
    """How grave an action is: one that nobody knows changes something."""
    folded = action.casefold()
    if GRAVE_ACTION.fullmatch(folded):
        return Severity.HIGH
    return Severity.INFO if VIEWING_ACTION.fullmatch(folded) else Severity.MEDIUM


def describe_unit(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each administrative unit that shields its members from administrators, or hides them."""
    for one in rows[UNIT] or ():
        values = one.values
        restricted = get_flag(values, "isMemberManagementRestricted", default=False)
        hidden = get_text(values, "visibility").casefold() == "hiddenmembership"
        traits = []
        if restricted:
            text = "keeps its members from every administrator but its own, and from this app"
            traits.append(Trait("restricted", text, Severity.HIGH))
        if hidden:
            traits.append(Trait("hidden", "does not show its members", Severity.HIGH))
        members = dict(list_unit_members(values)) if traits else {}
        rule = get_text(values, "membershipRule") if traits else ""
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=(
                *traits,
                *(
                    Trait(
                        build_token("member", one),
                        f"shields {quote_text(name, MAX_NAME_LENGTH)}",
                        Severity.HIGH,
                    )
                    for one, name in members.items()
                ),
                *(
                    [Trait(build_value_token("rule", rule), "takes members by a rule", MEDIUM)]
                    if rule
                    else []
                ),
            ),
            facts=tuple(list_unit_facts(len(members), hidden=hidden)) if traits else (),
            advice="Ask whoever made it, by telephone: an account inside cannot be blocked by "
            "others. A Privileged Role Administrator can remove members and the unit.",
            stop=(
                make_graph_step(
                    "Unless somebody answers for it: remove the unit, as a Privileged Role "
                    "Administrator. Its members stay, and others can block them again.",
                    build_graph_request("DELETE", "", *UNIT_PATH, one.id),
                ),
            ),
        )


def restore_unit(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What takes new members out of a unit, where nothing else about it is new."""
    members = [read_entry(token) for token in tokens if token.startswith("member ")]
    if len(members) < len(tokens) or not all(members):
        return ()
    return tuple(
        stop_each(
            (
                make_graph_step(
                    "Unless somebody answers for it: take this member out, as a Privileged Role "
                    "Administrator.",
                    build_graph_request("DELETE", "", *UNIT_PATH, identity, "members", one, "$ref"),
                )
                for one in members
            ),
            "members",
        )
    )


def list_unit_members(unit: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The id of each member of a unit, with the name people know it by, as far as it is told.
    Raises ValueError for a member without an id.
    """
    for one in list_entries(unit, "members"):
        if isinstance(one, str) and one:
            yield one, one
        elif isinstance(one, Mapping) and (identity := get_text(one, "id").lower()):
            name = get_text(one, "userPrincipalName") or get_text(one, "displayName")
            yield identity, name or identity
        elif one not in (None, ""):
            raise ValueError("a member of a unit without an id")


def list_unit_facts(count: int, *, hidden: bool) -> Iterator[Fact]:
    """How many members are seen; of a unit that hides them that proves nothing."""
    yield Fact("members", f"{count:,}")
    if hidden:
        yield Fact("", "an app without Member.Read.Hidden does not see all of them")


MEDIUM = Severity.MEDIUM
OWN_ROLES = WatchedCollection(
    name="directory-role",
    noun="directory role",
    plural="directory roles of the tenant's own",
    needs=(ROLE,),
    describe=describe_role,
    advice="Ask whoever made it.",
    techniques=("T1098.003",),
    reference="Microsoft Graph v1.0: /roleManagement/directory/roleDefinitions",
    harmless="Microsoft's built-in roles, actions that only read, and a role that is disabled",
)
UNITS = WatchedCollection(
    name="administrative-unit",
    noun="administrative unit",
    plural="administrative units that shield or hide",
    needs=(UNIT,),
    describe=describe_unit,
    restore=restore_unit,
    advice="Ask whoever made it.",
    techniques=("T1098", "T1564"),
    reference="Microsoft Graph v1.0: /directory/administrativeUnits",
    harmless="ordinary units, and the members that a restricted one had at the first look",
)
