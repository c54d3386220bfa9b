"""Exchange Online's role management as far as `exchange-role.ps1` uses it, held in memory."""

from collections.abc import Callable, Iterable
from typing import Any

from core.microsoft365.permission_risks import CMDLETS
from tests.infra.exchange_script_emulator import (
    Cmdlet,
    PsObject,
    TerminatingError,
    convert_from_json,
    format_value,
    unroll,
)

# Built-in roles with their cmdlets and parameters: some that serve, some that must not be taken.
type Role = dict[str, tuple[str, ...]]

# Cmdlets that show recipients; any other that reads is in the role that shows the configuration,
# but for those that other roles hold.
RECIPIENT_READS = (
    *("Get-CASMailbox", "Get-DistributionGroupMember", "Get-MailContact", "Get-MailUser"),
    *("Get-Mailbox", "Get-MailboxPermission", "Get-MailboxStatistics", "Get-Recipient"),
    *("Get-RecipientPermission", "Get-UnifiedGroupLinks", "Get-User"),
    *("Get-MailboxFolderPermission", "Get-MailboxFolderStatistics", "Get-SweepRule", "Get-App"),
    *("Get-MailboxJunkEmailConfiguration", "Get-MailboxAutoReplyConfiguration"),
    "Get-MailboxCalendarFolder",
)
OTHER_READS = ("Get-InboxRule", "Get-RoleGroup", "Get-RoleGroupMember")
ALL_READS: Role = {
    name: tuple(dict.fromkeys(("Identity", "ResultSize", *cmdlet.read_parameters)))
    for name, cmdlet in CMDLETS.items()
    if name.startswith("Get-")
}
READ_CMDLETS: Role = {name: ALL_READS[name] for name in RECIPIENT_READS}
CONFIGURATION_CMDLETS: Role = {
    name: parameters
    for name, parameters in ALL_READS.items()
    if name not in (*RECIPIENT_READS, *OTHER_READS)
}
AUDIT_CMDLETS: Role = {
    "Set-Mailbox": (
        *("Identity", "AuditEnabled", "AuditLogAgeLimit", "DefaultAuditSet"),
        *("AuditAdmin", "AuditDelegate", "AuditOwner", "WhatIf", "Type"),
    ),
    "Set-AdminAuditLogConfig": ("UnifiedAuditLogIngestionEnabled", "Name"),
    "Set-MailboxAuditBypassAssociation": ("Identity", "AuditBypassEnabled", "WhatIf"),
    "Get-MailboxAuditBypassAssociation": ("Identity", "ResultSize"),
}
RECIPIENT_CMDLETS: Role = {
    **READ_CMDLETS,
    "Get-InboxRule": ("Mailbox", "Identity", "IncludeHidden", "ResultSize"),
    "New-Mailbox": ("Name",),
    "Set-Mailbox": (
        *("Identity", "ForwardingAddress", "ForwardingSmtpAddress", "DeliverToMailboxAndForward"),
        *("Type", "Password", "AuditEnabled", "AuditOwner"),
    ),
    "Set-CASMailbox": (
        *("Identity", "ImapEnabled", "PopEnabled", "SmtpClientAuthenticationDisabled"),
        "OWAEnabled",
    ),
    "Set-CASMailboxPlan": ("Identity", "ImapEnabled", "PopEnabled", "OWAEnabled"),
}
BUILT_IN_ROLES: dict[str, Role] = {
    "View-Only Recipients": READ_CMDLETS,
    "View-Only Configuration": {**CONFIGURATION_CMDLETS, "Get-Everything": ()},
    "Audit Logs": AUDIT_CMDLETS,
    "Mail Recipients": RECIPIENT_CMDLETS,
    "Role Management": {
        "Get-RoleGroup": ALL_READS["Get-RoleGroup"],
        "Get-RoleGroupMember": ("Identity", "ResultSize"),
        "New-RoleGroup": ("Name", "Members"),
    },
    "User Options": {"Set-User": ("Identity", "EXOModuleEnabled", "Office")},
    "Organization Configuration": {"Set-OrganizationConfig": ("AuditDisabled", "Name")},
    "Organization Transport Settings": {
        "Set-TransportConfig": ("SmtpClientAuthenticationDisabled", "MaxSendSize")
    },
    "Recipient Policies": {"Set-AuthenticationPolicy": ("Identity", "AllowBasicAuthSmtp")},
    "MyBaseOptions": {
        "Get-Mailbox": ("Identity", "RecipientTypeDetails", "ResultSize"),
        "Get-InboxRule": ("Mailbox", "IncludeHidden", "ResultSize"),
    },
}


class FakeExchange:
    """Roles, assignments, a role group and service principals. `writes` names every change."""

    def __init__(self) -> None:
        self.roles: dict[str, PsObject] = {}
        self.entries: dict[str, Role] = {}
        self.groups: dict[str, list[PsObject]] = {}
        self.assignments: list[PsObject] = []
        self.principals: list[PsObject] = []
        self.writes: list[str] = []
        self.dehydrated = False
        self.entra_object_id = ""
        self.failures_left: dict[str, int] = {}
        self.module_versions = ["3.9.2"]
        self.imported: list[str] = []
        self.said: list[str] = []
        for name, entries in BUILT_IN_ROLES.items():
            self.roles[name] = PsObject(
                Name=name,
                Parent="",
                IsEndUserRole=name.startswith("My"),
                IsDeprecated=False,
                ImplicitRecipientReadScope="Organization",
            )
            self.entries[name] = dict(entries)
        # Roles with few entries that are no parents: for people's own settings, retired, derived.
        for role in (
            PsObject(Name="Own Settings", Parent="", IsEndUserRole=True),
            PsObject(Name="Own Rules", Parent="", ImplicitRecipientReadScope="Self"),
            PsObject(Name="Some Rules", Parent="", ImplicitRecipientReadScope="None"),
            PsObject(Name="Old Rules", Parent="", IsDeprecated=True),
            PsObject(Name="Help Desk", Parent="Mail Recipients"),
        ):
            role.setdefault("implicitrecipientreadscope", "Organization")
            self.roles[role["name"]] = role
            self.entries[role["name"]] = {"Get-InboxRule": RECIPIENT_CMDLETS["Get-InboxRule"]}

    def build_cmdlets(self) -> dict[str, Cmdlet]:
        """All that the script may call."""
        silent: Iterable[str] = (*("Connect-ExchangeOnline", "Set-StrictMode", "Start-Sleep"),)
        known: dict[str, Cmdlet] = {name: ignore_call for name in silent}
        known |= {
            "ConvertFrom-Json": convert_from_json,
            "Write-Host": self.say,
            "Write-Warning": self.say,
            "Import-Module": self.import_module,
            "Select-Object": lambda stream, values, named: stream[:1],
            "Sort-Object": sort_objects,
            "Get-Module": self.get_module,
            "Get-Command": lambda *_: ["there"],
            "Get-ConnectionInformation": lambda *_: [PsObject(State="Connected")],
            "az": lambda *_: [self.entra_object_id] if self.entra_object_id else [],
        }
        own: dict[str, Callable[[dict[str, Any]], list[Any]]] = {
            "Get-OrganizationConfig": lambda _: [PsObject(IsDehydrated=self.dehydrated)],
            "Get-ManagementRole": self.get_role,
            "New-ManagementRole": self.new_role,
            "Remove-ManagementRole": self.remove_role,
            "Get-ManagementRoleEntry": self.get_entry,
            "Set-ManagementRoleEntry": self.set_entry,
            "Get-ManagementRoleAssignment": self.get_assignment,
            "New-ManagementRoleAssignment": self.new_assignment,
            "Remove-ManagementRoleAssignment": self.remove_assignment,
            "Get-RoleGroup": lambda _: [PsObject(Name=name) for name in self.groups],
            "New-RoleGroup": self.new_group,
            "Remove-RoleGroup": self.remove_group,
            "Get-RoleGroupMember": lambda named: list(self.groups[named["identity"]]),
            "Add-RoleGroupMember": self.add_member,
            "Get-ServicePrincipal": lambda _: list(self.principals),
            "New-ServicePrincipal": self.new_principal,
            "Remove-ServicePrincipal": self.remove_principal,
        }
        return known | {name: self.wrap_cmdlet(name, action) for name, action in own.items()}

    def wrap_cmdlet(self, name: str, action: Callable[[dict[str, Any]], list[Any]]) -> Cmdlet:
        """A cmdlet that notes its writes, and fails as often as it is told to."""

        def run(stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
            if self.failures_left.get(name, 0):
                self.failures_left[name] -= 1
                raise TerminatingError(f"{name}: the object could not be found")
            if not name.startswith("Get-"):
                self.writes.append(name)
            return action(named)

        return run

    def say(self, stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
        """Write-Host and Write-Warning."""
        self.said += [format_value(value) for value in values]
        return []

    def get_module(self, stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
        """The installed versions of the module, or the one that is loaded."""
        versions = self.module_versions if named.get("listavailable") else self.imported
        return [PsObject(Name="ExchangeOnlineManagement", Version=one) for one in versions]

    def import_module(
        self, stream: list[Any], values: list[Any], named: dict[str, Any]
    ) -> list[Any]:
        """Load a version of the module."""
        self.imported.append(format_value(named["requiredversion"]))
        return []

    def get_role(self, named: dict[str, Any]) -> list[PsObject]:
        """All roles, or those that hold the cmdlet with every one of the parameters."""
        cmdlet, wanted = named.get("cmdlet"), set(unroll(named.get("cmdletparameters") or []))
        return [
            role
            for name, role in self.roles.items()
            if cmdlet is None
            or (cmdlet in self.entries[name] and wanted <= set(self.get_parameters(name, cmdlet)))
        ]

    def get_parameters(self, role: str, cmdlet: str) -> tuple[str, ...]:
        return self.entries[role][cmdlet]

    def new_role(self, named: dict[str, Any]) -> list[PsObject]:
        name, parent, kept = named["name"], named["parent"], unroll(named["enabledcmdlets"])
        if name in self.roles:
            raise TerminatingError(f"{name} exists already")
        self.entries[name] = {one: self.entries[parent][one] for one in kept}
        self.roles[name] = PsObject(
            Name=name, Parent=parent, IsEndUserRole=False, IsDeprecated=False
        )
        # Whoever manages roles may hand a new one on.
        self.assignments.append(
            PsObject(
                Identity=f"{name}-Delegating",
                Role=name,
                RoleAssigneeName="Organization Management",
                Delegating=True,
            )
        )
        return [self.roles[name]]

    def remove_role(self, named: dict[str, Any]) -> list[Any]:
        name = named["identity"]
        if any(one["role"] == name for one in self.assignments):
            raise TerminatingError(f"{name} is still assigned")
        if not self.roles[name]["parent"]:
            raise TerminatingError(f"{name} is built in")
        del self.roles[name], self.entries[name]
        return []

    def get_entry(self, named: dict[str, Any]) -> list[PsObject]:
        role = format_value(named["identity"]).partition("\\")[0]
        return [
            PsObject(Name=cmdlet, Parameters=list(parameters))
            for cmdlet, parameters in self.entries.get(role, {}).items()
        ]

    def set_entry(self, named: dict[str, Any]) -> list[Any]:
        role, _, cmdlet = format_value(named["identity"]).partition("\\")
        wanted = tuple(unroll(named["parameters"]))
        if not set(wanted) <= set(self.entries[self.roles[role]["parent"]][cmdlet]):
            raise TerminatingError("the parent role lacks a parameter")
        self.entries[role][cmdlet] = wanted
        return []

    def get_assignment(self, named: dict[str, Any]) -> list[PsObject]:
        return [
            one
            for one in self.assignments
            if named.get("role") in (None, one["role"])
            and ("delegating" not in named or bool(one.get("delegating")) is named["delegating"])
        ]

    def new_assignment(self, named: dict[str, Any]) -> list[Any]:
        if named["securitygroup"] not in self.groups or named["role"] not in self.roles:
            raise TerminatingError("the group or role could not be found")
        self.assignments.append(
            PsObject(
                Identity=named["name"], Role=named["role"], RoleAssigneeName=named["securitygroup"]
            )
        )
        return []

    def remove_assignment(self, named: dict[str, Any]) -> list[Any]:
        self.assignments = [one for one in self.assignments if one["identity"] != named["identity"]]
        return []

    def new_group(self, named: dict[str, Any]) -> list[Any]:
        self.groups[named["name"]] = []
        return []

    def remove_group(self, named: dict[str, Any]) -> list[Any]:
        name = named["identity"]
        del self.groups[name]
        self.assignments = [one for one in self.assignments if one["roleassigneename"] != name]
        return []

    def add_member(self, named: dict[str, Any]) -> list[Any]:
        self.groups[named["identity"]].append(PsObject(Name=named["member"]))
        return []

    def new_principal(self, named: dict[str, Any]) -> list[Any]:
        self.principals.append(
            PsObject(AppId=named["appid"], ObjectId=named["objectid"], Identity=named["objectid"])
        )
        return []

    def remove_principal(self, named: dict[str, Any]) -> list[Any]:
        self.principals = [one for one in self.principals if one["objectid"] != named["identity"]]
        return []

    def get_allowed_cmdlets(self, group: str) -> dict[str, set[str]]:
        """What the members of a group may run: cmdlets with their parameters."""
        found: dict[str, set[str]] = {}
        for one in self.get_assignment({"delegating": False}):
            if one["roleassigneename"] == group:
                for cmdlet, parameters in self.entries[one["role"]].items():
                    found.setdefault(cmdlet, set()).update(parameters)
        return found


def ignore_call(stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
    """A cmdlet that only talks."""
    return []


def sort_objects(stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
    """Sort-Object by its properties."""
    if "property" not in named:
        return sorted(stream, reverse="descending" in named)
    keys = [name.lower() for name in unroll(named["property"])]
    return sorted(stream, key=lambda one: [one[key] for key in keys])
