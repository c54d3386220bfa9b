"""What an operator does about acts that are not recorded, step by step. Pure.

The audit log is not always there to ask: where it is off, whoever switched it off is found in
Entra's.
"""

from core.microsoft365.remedies import (
    ask,
    build_command,
    find_actor,
    look_around,
    make_exchange_step,
    save_from_exchange,
    save_from_graph,
    trace_sent,
)
from core.model.findings import Shell, Step
from core.tenant.mailboxes import Mailbox, format_mailbox_name

AUDIT_PROPERTIES = "Guid, AuditEnabled, DefaultAuditSet, AuditOwner, AuditDelegate, AuditAdmin"
MEANT = "If it is meant to be so, exempt it with the reason."


def build_organization_remedy() -> tuple[Step, ...]:
    """The steps about mailbox auditing that is off for everybody."""
    return (
        save_from_exchange(
            "the settings of the organization",
            "organization-audit",
            "organization",
            "Get-OrganizationConfig",
        ),
        make_exchange_step("Switch it on.", "Set-OrganizationConfig -AuditDisabled $false"),
        find_actor("switched it off", "Set-OrganizationConfig"),
        ask("whoever switched it off", MEANT),
        look_around("the organization", "organization"),
    )


def build_log_remedy(*, is_dehydrated: bool) -> tuple[Step, ...]:
    """The steps about a unified audit log that is off."""
    first = Step(
        "First let the organization have settings of its own; the next step works an hour later.",
        "Enable-OrganizationCustomization",
        Shell.EXCHANGE,
    )
    return (
        save_from_exchange(
            "the settings of the audit log",
            "audit-log",
            "organization",
            "Get-AdminAuditLogConfig",
        ),
        *((first,) if is_dehydrated else ()),
        make_exchange_step(
            "Switch it on, in Exchange Online PowerShell: Security & Compliance always shows "
            "False. What happened meanwhile cannot be searched.",
            "Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true",
        ),
        find_actor("switched it off", "Set-AdminAuditLogConfig"),
        ask("whoever switched it off", MEANT),
        look_around("the organization", "organization"),
    )


def build_bypass_remedy(account_id: str, name: str) -> tuple[Step, ...]:
    """The steps about an account whose acts are not recorded. `name` is quoted."""
    return (
        save_from_exchange(
            f"the bypass of {name}",
            "audit-bypass",
            account_id,
            build_command("Get-MailboxAuditBypassAssociation", Identity=account_id),
        ),
        find_actor("set it", "Set-MailboxAuditBypassAssociation"),
        ask("whoever set it", "If a service needs it, exempt it with a reason and an end."),
        make_exchange_step(
            "Clear the bypass; afterwards look for IsThrottled in the records of the mailboxes "
            f"that {name} reads.",
            build_command(
                "Set-MailboxAuditBypassAssociation",
                "-AuditBypassEnabled $false",
                Identity=account_id,
            ),
        ),
        look_around(name, account_id),
    )


def build_actions_remedy(mailbox: Mailbox) -> tuple[Step, ...]:
    """The steps about a mailbox that does not record all that Microsoft's default records."""
    name = format_mailbox_name(mailbox)
    return (
        save_audit(mailbox),
        find_actor("changed it", "Set-Mailbox"),
        ask("whoever changed it"),
        make_exchange_step(
            f"Have {name} record again what Microsoft's default records.",
            build_command(
                "Set-Mailbox", "-DefaultAuditSet Admin,Delegate,Owner", Identity=mailbox.guid
            ),
        ),
        look_around(name, mailbox.address, mailbox.id),
        trace_sent(mailbox.address),
    )


def save_audit(mailbox: Mailbox) -> Step:
    """Save what a mailbox records."""
    return save_from_exchange(
        f"what {format_mailbox_name(mailbox)} records",
        "mailbox-audit",
        mailbox.id,
        build_command("Get-Mailbox", f"| Select-Object {AUDIT_PROPERTIES}", Identity=mailbox.guid),
    )


def build_plan_remedy(mailbox: Mailbox) -> tuple[Step, ...]:
    """The steps about an auditing plan that somebody switched off."""
    name = format_mailbox_name(mailbox)
    return (
        save_from_graph(
            f"the licences of {name}",
            "auditing-plan",
            mailbox.id,
            *("users", mailbox.id, "licenseDetails"),
        ),
        save_audit(mailbox),
        find_actor("took it away", "Change user license."),
        ask("whoever took it away", "Intruders untick this plan before they read mail."),
        Step(
            "Switch the plan on again: Entra admin center > Users > the account > Licenses > the "
            "licence > Microsoft 365 Advanced Auditing."
        ),
        look_around(name, mailbox.address, mailbox.id),
        trace_sent(mailbox.address),
    )
