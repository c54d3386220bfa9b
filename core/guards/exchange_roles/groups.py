"""Role groups of Exchange: who is in them, and what they are given. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from core.guards.exchange_roles.parents import ROLE, rate_exchange_role, read_parents
from core.microsoft365.remedies import build_command, make_exchange_step, stop_each
from core.model.findings import Severity, Step
from core.property_values import get_objects, get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    read_entry,
)

RELIES_ON = ("exchange-partner-groups",)

ROLE_GROUP, MEMBERS = "role-group", "Get-RoleGroupMember"
PARTNER_GROUP = "partner-role-group"
MAX_NAME_LENGTH = 120
# Groups that see or give away everything, whatever their roles are called in a row (Microsoft
# Learn: Permissions in Exchange Online).
GRAVE_GROUPS = frozenset(
    {
        "organization management",
        "discovery management",
        "compliance management",
        "recipient management",
        "security administrator",
        "hygiene management",
    }
)


def rate_group(group: Configuration, parents: Mapping[str, str]) -> Severity:
    """How grave it is to be in a role group: as its gravest role.

    A group without roles mirrors a role of Entra, and is told where that role is given.
    """
    if group.name.casefold() in GRAVE_GROUPS:
        return Severity.HIGH
    roles = get_texts(group.values, "Roles")
    return max((rate_exchange_role(one, parents) for one in roles), default=Severity.INFO)


def list_members(group: Configuration) -> Iterator[tuple[str, str]]:
    """Each member by what it is recognised by, and its name."""
    for row in get_objects(group.values, MEMBERS):
        identity = next(
            (
                text
                for name in ("Guid", "ExternalDirectoryObjectId", "Name")
                if (text := get_text(row, name))
            ),
            "",
        )
        shown = get_text(row, "PrimarySmtpAddress") or get_text(row, "Name") or identity
        yield identity or shown, shown


def describe_group(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each role group with its members and who manages it."""
    parents = read_parents(rows)
    for one in rows[ROLE_GROUP] or ():
        grave = rate_group(one, parents)
        members = [
            Trait(
                build_token("member", identity),
                f"has the new member {quote_text(name, MAX_NAME_LENGTH)}",
                grave,
            )
            for identity, name in list_members(one)
        ]
        managers = [
            Trait(
                build_token("managed by", name),
                f"may be given away by {quote_text(name, MAX_NAME_LENGTH)}",
                grave,
            )
            for name in get_texts(one.values, "ManagedBy")
        ]
        partner = get_text(one.values, "LinkedPartnerOrganizationId")
        linked = [
            Trait(
                build_token("partner", partner),
                f"is held by the partner organization {quote_text(partner, MAX_NAME_LENGTH)}",
                Severity.HIGH,
            )
        ]
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name, MAX_NAME_LENGTH),
            opens=(*members, *managers, *(linked if partner else ())),
            arrival=min(grave, Severity.MEDIUM),
            stop=tuple(list_stop_steps(one)),
        )


def describe_partner_group(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each role group that a partner organization holds, with what it gives."""
    parents = read_parents(rows)
    for one in rows[PARTNER_GROUP] or ():
        partner = get_text(one.values, "LinkedPartnerOrganizationId")
        if not partner:
            continue
        shown = quote_text(partner, MAX_NAME_LENGTH)
        roles = [
            Trait(
                build_token("gives", role),
                f"gives the partner organization {shown} the role "
                f"{quote_text(role, MAX_NAME_LENGTH)}",
                rate_exchange_role(role, parents),
            )
            for role in get_texts(one.values, "Roles")
        ]
        text = f"lets the partner organization {shown} administer Exchange"
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name, MAX_NAME_LENGTH),
            opens=(Trait(build_token("partner", partner), text, Severity.HIGH), *roles),
            advice="Ask whoever chose the partner, by telephone. Unless somebody answers for it, "
            "end the relationship: Microsoft 365 admin center > Settings > Partner relationships.",
        )


def list_stop_steps(group: Configuration) -> Iterator[Step]:
    """Take out each member; those who are meant stay."""
    yield make_exchange_step(
        "Save who is in it.",
        build_command(
            "Get-RoleGroupMember",
            "| Export-Clixml -NoClobber -Path 'evidence-role-group-members.xml'",
            Identity=group.id,
        ),
    )
    yield from stop_each(
        (
            make_exchange_step(
                f"Take {quote_text(name, MAX_NAME_LENGTH)} out, unless they are meant to be in it.",
                build_command(
                    "Remove-RoleGroupMember", "-Confirm:$false", Identity=group.id, Member=identity
                ),
            )
            for identity, name in list_members(group)
        ),
        "members",
    )


def restore_group(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What takes new members out again, where nothing else is new; who was there before stays."""
    members = [read_entry(token) for token in tokens if token.startswith("member ")]
    if len(members) < len(tokens) or not all(members):
        return ()
    return tuple(
        stop_each(
            (
                make_exchange_step(
                    "Unless somebody answers for it: take this member out.",
                    build_command(
                        "Remove-RoleGroupMember", "-Confirm:$false", Identity=identity, Member=one
                    ),
                )
                for one in members
            ),
            "members",
        )
    )


ROLE_GROUPS = WatchedCollection(
    name="role-group",
    noun="role group",
    plural="role groups",
    needs=(ROLE_GROUP,),
    uses=(ROLE,),
    describe=describe_group,
    restore=restore_group,
    advice="Ask whoever gave it, by telephone; take out whom nobody answers for.",
    techniques=("T1098.003",),
    reference="Microsoft Learn: Permissions in Exchange Online",
    harmless="members of the first look, who leaves a group, a description, and the groups without "
    "roles that mirror roles of Entra",
)
PARTNER_ROLE_GROUPS = WatchedCollection(
    name="partner-role-group",
    noun="role group",
    plural="role groups of partners",
    needs=(PARTNER_GROUP,),
    uses=(ROLE,),
    describe=describe_partner_group,
    advice="Ask whoever chose the partner, by telephone.",
    techniques=("T1199", "T1098.003"),
    reference="Microsoft Learn: Get-RoleGroup, ShowPartnerLinked",
    harmless="partners of the first look, and one that may no longer administer",
)
