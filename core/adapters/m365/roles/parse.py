"""Role assignments, groups and users of Exchange PowerShell, as Graph and Exchange print them.

Pure. What cannot be understood raises ValueError: in a list of administrators a row that is passed
over is an administrator who is not known to be one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from core.adapters.parsing import (
    ResponseRow,
    parse_object_id,
    parse_optional_bool,
    parse_optional_id,
    parse_recipient_kind,
    parse_text,
)
from core.errors import Unavailable
from core.tenant.directory import ModuleUser

RELIES_ON = ("exchange-role-group-kind",)

# The same in every tenant (Microsoft Learn: Microsoft Entra built-in roles).
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
READ_ROLES = "RoleManagement.Read.Directory"
ACTIVE_PATH = "/roleManagement/directory/roleAssignments"
ELIGIBLE_PATH = "/roleManagement/directory/roleEligibilityScheduleInstances"
GROUP, UNKNOWN, OTHER = "group", "unknown", "other"
PRINCIPAL_KINDS = {
    "#microsoft.graph.group": GROUP,
    "#microsoft.graph.user": OTHER,
    "#microsoft.graph.serviceprincipal": OTHER,
    "#microsoft.graph.device": OTHER,
    "#microsoft.graph.orgcontact": OTHER,
}
NAME_LIMIT = 200
USER_PROPERTIES = (
    "ExternalDirectoryObjectId",
    "Guid",
    "UserPrincipalName",
    "RecipientTypeDetails",
    "EXOModuleEnabled",
    "RemotePowerShellEnabled",
)
ROLE_GROUP_PROPERTIES = ("Guid", "Name")
MEMBER_PROPERTIES = ("ExternalDirectoryObjectId", "Guid", "Name", "RecipientTypeDetails")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a role, or a membership, was given. `kind` is GROUP, OTHER or UNKNOWN.

    `role` is the id of the role's definition, "" for a membership.
    """

    id: str
    kind: str = UNKNOWN
    role_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class RoleGroup:
    """A role group of Exchange; `id` is the identity to request its members by."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class RoleGroupMember:
    """A member of a role group, by its Entra id, its Exchange Guid, or both.

    `nested`: another role group, whose members are read with those of all role groups.
    """

    id: str
    guid: str
    name: str
    kind: str
    is_nested: bool = False


def parse_principal_kind(value: object) -> str:
    """What an object of the directory is, by its `@odata.type`."""
    row = value if isinstance(value, Mapping) else {}
    return PRINCIPAL_KINDS.get(parse_text(row.get("@odata.type"), 100).lower(), UNKNOWN)


def parse_principal(row: ResponseRow) -> Principal:
    """A unifiedRoleAssignment, a unifiedRoleEligibilityScheduleInstance, or the like of a group.

    Graph leaves the expanded principal out where the app may not read it. Raises ValueError.
    """
    found = parse_object_id(row.get("principalId"))
    if not found:
        raise ValueError("an assignment without principalId")
    return Principal(
        found,
        parse_principal_kind(row.get("principal")),
        parse_object_id(row.get("roleDefinitionId")),
        parse_principal_name(row.get("principal")),
    )


def parse_principal_name(value: object) -> str:
    """How people know an object of the directory; empty where it is not told."""
    row = value if isinstance(value, Mapping) else {}
    return parse_text(row.get("userPrincipalName"), NAME_LIMIT) or parse_text(
        row.get("displayName"), NAME_LIMIT
    )


def parse_role_assignment(row: ResponseRow) -> Principal:
    """An assignment of a role. Raises ValueError for one that names no role."""
    found = parse_principal(row)
    if not found.role_id:
        raise ValueError("an assignment without roleDefinitionId")
    return found


def parse_group_member(row: ResponseRow) -> Principal:
    """A member of a group. Raises ValueError for one without an id."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a member without id")
    return Principal(found, parse_principal_kind(row), name=parse_principal_name(row))


def parse_role_group(row: ResponseRow) -> RoleGroup:
    """A row of Get-RoleGroup. Raises ValueError for one without an identity."""
    name = parse_text(row.get("Name"), NAME_LIMIT).strip()
    found = parse_object_id(row.get("Guid")) or name
    if not found:
        raise ValueError("a role group without Guid and Name")
    return RoleGroup(found, name or found)


def parse_role_group_member(row: ResponseRow) -> RoleGroupMember:
    """A row of Get-RoleGroupMember. Raises ValueError for one without any id."""
    entra, guid = (
        parse_object_id(row.get("ExternalDirectoryObjectId")),
        parse_object_id(row.get("Guid")),
    )
    name = parse_text(row.get("Name"), NAME_LIMIT).strip()
    printed = parse_text(row.get("RecipientTypeDetails"), 100).replace(" ", "").lower()
    nested = printed == "rolegroup"
    kind = UNKNOWN if not printed else GROUP if "group" in printed else OTHER
    if not entra and not guid and not (nested and name):
        raise ValueError("a member of a role group without any id")
    return RoleGroupMember(entra, guid, name, kind, nested)


def parse_module_user(row: ResponseRow) -> ModuleUser:
    """A row of Get-User. Raises ValueError when it does not tell who it is, or what it may.

    EXOModuleEnabled and RemotePowerShellEnabled are two names of one setting (Microsoft Learn:
    Set-User); where both are told and differ, nothing is known.
    """
    guid = parse_object_id(row.get("Guid"))
    if not guid:
        raise ValueError("a user without Guid")
    names = ("EXOModuleEnabled", "RemotePowerShellEnabled")
    reported = {parse_optional_bool(row[name]) for name in names if row.get(name) is not None}
    if len(reported) != 1 or None in reported:
        raise ValueError("whether the user may use Exchange PowerShell was not told")
    entra = parse_optional_id(row.get("ExternalDirectoryObjectId"))
    return ModuleUser(
        id=entra or guid,
        guid=guid,
        name=parse_text(row.get("UserPrincipalName"), NAME_LIMIT),
        kind=parse_recipient_kind(row.get("RecipientTypeDetails"), 100),
        has_account=bool(entra),
        enabled=True in reported,
    )


def parse_all[T](rows: Iterable[ResponseRow], parse: Callable[[ResponseRow], T]) -> Iterator[T]:
    """The rows understood, every one of them. Raises Unavailable."""
    for row in rows:
        try:
            yield parse(row)
        except ValueError as error:
            raise Unavailable(str(error)) from error
