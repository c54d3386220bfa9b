"""What an operator does about administrators and their acts, step by step. Pure."""

from core.microsoft365.remedies import (
    ask,
    block_sign_in,
    build_command,
    find_actor,
    lock_out,
    look_around,
    make_exchange_step,
    make_graph_step,
    name_evidence,
    read_directory_log,
    read_sign_ins,
    save_from_exchange,
    save_from_graph,
    trace_sent,
)
from core.model.findings import Shell, Step
from core.tenant.directory import RoleHolder

REMOVE_METHOD = (
    "Remove the method that they do not know: Entra admin center > Users > the account > "
    "Authentication methods. The default method goes last."
)
AZURE_SWITCH = (
    "Unless they meant it, take it back: signed in as them, Entra admin center > Properties > "
    "Access management for Azure resources: No. The next step shows what is left of it."
)
LAPS = (
    "Change the secrets that were read: rotate the keys and the local administrators' passwords of "
    "these devices in the Intune admin center."
)


def build_sender_remedy(address: str, name: str) -> tuple[Step, ...]:
    """The steps about an account that Microsoft keeps from sending. `name` is quoted."""
    return (
        save_from_exchange(
            "why Microsoft blocked it", "blocked-sender", address, "Get-BlockedSenderAddress"
        ),
        make_exchange_step(
            f"Save all inbox rules of {name}, hidden ones too.",
            build_command(
                "Get-InboxRule",
                "-IncludeHidden | Export-Clixml -Depth 4 -NoClobber -Path "
                f"'{name_evidence('blocked-sender-rules', address)}.xml'",
                Mailbox=address,
            ),
        ),
        ask(f"the owner of {name}"),
        *lock_out(address),
        look_around(name, address),
        trace_sent(address),
        make_exchange_step(
            "When the account is clean, let it send again; not before.",
            build_command("Remove-BlockedSenderAddress", SenderAddress=address),
        ),
    )


def build_emergency_remedy(account_id: str, name: str) -> tuple[Step, ...]:
    """The steps about a sign-in with an emergency account. `name` is quoted.

    Somebody has to administer while it is blocked.
    """
    return (
        read_sign_ins(name, account_id),
        ask("everybody who can open the envelope"),
        Step("Make sure that another administrator can sign in before it is blocked."),
        *block_sign_in(account_id, "one of them did it"),
        look_around(name, account_id),
        read_directory_log(name, account_id),
    )


def build_holder_remedy(holder: RoleHolder, role_id: str, name: str, role: str) -> tuple[Step, ...]:
    """The steps about a new holder of a role. `name` and `role` are quoted."""
    wanted = f"principalId eq '{holder.id}' and roleDefinitionId eq '{role_id}'"
    is_eligible = holder.assigned_via == "eligible"
    noun = "RoleEligibilityScheduleInstance" if is_eligible else "RoleAssignment"
    found = build_command(f"Get-MgRoleManagementDirectory{noun}", "-All", Filter=wanted)
    return (
        make_graph_step(
            f"Save how {name} holds the role {role}, before anything is changed.",
            f"{found} | Export-Clixml -NoClobber -Path 'evidence-role-{role_id[:8]}.xml'"
            if found and role_id.isascii() and role_id.replace("-", "").isalnum()
            else "",
        ),
        find_actor("gave it", "Add member to role.", "Add eligible member to role."),
        ask("whoever gave it, and a second administrator"),
        Step(
            "Unless somebody answers for it, take it away: Entra admin center > Identity "
            "Governance > Privileged Identity Management > Microsoft Entra roles > Assignments."
        )
        if is_eligible
        else make_graph_step(
            f"Unless somebody answers for it: take the role {role} away, by the id of its "
            "assignment. If none was saved, the role comes through a group: take the account out "
            "of that.",
            f"{found} | ForEach-Object {{ Remove-MgRoleManagementDirectoryRoleAssignment "
            "-UnifiedRoleAssignmentId $_.Id }"
            if found
            else "",
        ),
        *block_sign_in(holder.id, "somebody answers for it"),
        look_around(name, holder.name, holder.id),
        read_directory_log(name, holder.id),
    )


def build_owner_remedy(holder: RoleHolder, name: str, role: str) -> tuple[Step, ...]:
    """The steps about a new owner of a group that holds a role. `name` and `role` are quoted."""
    return (
        save_from_graph(
            f"what {name} owns: one of these groups holds the role {role}",
            "owned-groups",
            holder.id,
            *("users", holder.id, "ownedObjects"),
        ),
        find_actor("made them an owner", "Add owner to group."),
        ask("whoever did it, and a second administrator"),
        Step(
            "Unless somebody answers for it, take the ownership away: Entra admin center > Groups "
            "> the group > Owners. Then look who was put into the group."
        ),
        *block_sign_in(holder.id, "somebody answers for it"),
        look_around(name, holder.name, holder.id),
        read_directory_log(name, holder.id),
    )


def build_act_remedy(kind: str, object_id: str, name: str) -> tuple[Step, ...]:
    """The steps about an act of an administrator, or on one. `name` is quoted."""
    rest = (
        look_around(name, object_id),
        read_sign_ins(name, object_id),
        read_directory_log(name, object_id),
    )
    if kind == "azure-elevation":
        return (
            rest[2],
            ask(name),
            Step(AZURE_SWITCH),
            Step(
                "See who holds a role at the root of Azure; take away what nobody answers for.",
                "Get-AzRoleAssignment -Scope '/'",
                Shell.AZURE,
            ),
            *lock_out(object_id, "they meant it"),
            *rest[:2],
        )
    if kind == "recovery-secrets-read":
        return (
            rest[2],
            ask(name),
            *block_sign_in(object_id, "there was a reason"),
            Step(LAPS),
            *rest[:2],
        )
    save = save_from_graph(
        f"the sign-in methods of {name}",
        "sign-in-methods",
        object_id,
        *("users", object_id, "authentication", "methods"),
    )
    if kind == "second-factor-disabled":
        return (
            save,
            ask("whoever did it"),
            Step(
                f"Switch it on again for {name}: Entra admin center > Users > Per-user MFA, or a "
                "policy of Conditional Access that asks for it."
            ),
            *lock_out(object_id, "somebody answers for it"),
            *rest,
        )
    return (
        save,
        ask(name, "If they know of it, acknowledge the case."),
        Step(REMOVE_METHOD),
        *lock_out(object_id, "they know of it"),
        *rest,
    )
