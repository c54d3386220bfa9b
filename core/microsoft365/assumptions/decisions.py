"""What a write changes for others, and what counts as proof before one is made."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

SHARED_USE = Assumption(
    id="write-shared-use",
    assumed="Scanners, portals and people sign in to shared mailboxes, so nobody's account is "
    "blocked without proof that nobody does.",
    standing=Standing.MEASURED,
    source="microsoft-365-docs#4002, O365ITPro#270, CIPP-API#165, CIPP#583, #337",
    dated="2026-08",
    otherwise="A sign-in that is in use is cut; the undo enables it again.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("block", "ask")),
)
ROOM_DEVICES = Assumption(
    id="write-room-devices",
    assumed="Room panels and hubs sign in as the room; with any licence, they are in use.",
    standing=Standing.MEASURED,
    source="Extron Room Agent, Devices-docs#153, Microsoft Learn Teams panels",
    dated="2025",
    otherwise="A meeting room's device is cut off.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in",),
        verdicts=("never",),
        settings=("RESOURCE_MAILBOX_KINDS",),
    ),
)
BOOKINGS = Assumption(
    id="write-bookings",
    assumed="A blocked Bookings mailbox keeps serving bookings.",
    standing=Standing.CONTESTED,
    source="CIPP#1124 blocks them since 2022, no complaint found",
    dated="2026",
    otherwise="Bookings stop; enable the account.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("block",)),
)
OTHER_USES = Assumption(
    id="write-other-uses",
    assumed="Teams, Viva, Dynamics queues and members from other tenants do not need an enabled "
    "shared account.",
    standing=Standing.UNSEEN,
    source="nothing was found",
    dated="2026",
    otherwise="Something stops that uses the account; enable it.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("block",)),
)
FIRST_LOOK = Assumption(
    id="write-first-look",
    assumed="What was there at the first look is in use until a person says otherwise.",
    standing=Standing.CONTESTED,
    source="no public tool was found that writes unasked",
    dated="2026",
    otherwise="Fewer changes are made unattended than could be.",
    depends=Dependents(guards=("mailbox-audit", "mailbox-forwarding"), verdicts=("ask",)),
)
SIGN_IN_FIRST_LOOK = Assumption(
    id="write-sign-in-first-look",
    assumed="An account that is proven unused may be blocked unattended although it could sign in "
    "at the first look: the first run previews the blocks, and the brake stops many.",
    standing=Standing.CONTESTED,
    source="no public tool was found that writes unasked; CIPP#337 (a blanket block, no proof)",
    dated="2026-08",
    otherwise="A tenant is changed before anybody read the preview; SIGN_IN_AT_FIRST_LOOK=ask "
    "leaves those accounts to an operator.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in",),
        verdicts=("block", "ask"),
        settings=("SIGN_IN_AT_FIRST_LOOK",),
    ),
)
ENABLED_AGAIN = Assumption(
    id="write-enabled-again",
    assumed="An account that was enabled after a block was enabled on purpose.",
    standing=Standing.CONTESTED,
    source="CIPP#583 (people who came back)",
    dated="2022",
    otherwise="An operator is asked, with the name of who enabled it.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("ask", "contested")),
)
REVOCATION = Assumption(
    id="write-revocation",
    assumed="Revoking sessions ends them within minutes, outlives an undo, and its answer proves "
    "nothing.",
    standing=Standing.CONTESTED,
    source="entra-docs users-revoke-access; against: msgraph-beta-sdk-dotnet#957, microsoft-"
    "graph-docs#19012",
    dated="2025",
    otherwise="Devices and flows have to sign in by hand after an undo. So sessions are ended with "
    "the block only where somebody set the password lately, and otherwise a week after it.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("block",)),
)
NARROW_ROLES = Assumption(
    id="write-narrow-roles",
    assumed="User.EnableDisableAccount.All and User.RevokeSessions.All are enough to block an "
    "account and end its sessions.",
    standing=Standing.UNSEEN,
    source="the permission data of Graph; never seen alone",
    dated="2026-08",
    otherwise="The write is refused; grant User.ReadWrite.All or leave it to an operator.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("refused",)),
)
ROLE_HOLDERS = Assumption(
    id="write-role-holders",
    assumed="Graph refuses to disable holders of roles; those who may only take one are found in "
    "the roster.",
    standing=Standing.MEASURED,
    source="microsoft-graph-docs#7104, #3128, #18105; eligible holders unseen",
    dated="2024",
    otherwise="An administrator's account is blocked; the roster is asked first.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("never", "protected")),
)
SIGNATURES = Assumption(
    id="write-blocked-effects",
    assumed="Signature services skip disabled accounts, and whoever deletes the disabled account "
    "purges the mailbox.",
    standing=Standing.MEASURED,
    source="Exclaimer (its knowledge base), microsoft-365-docs#4407",
    dated="2025",
    otherwise="The card says both.",
    depends=Dependents(guards=("shared-mailbox-sign-in",)),
)
CONVERTED_BACK = Assumption(
    id="write-converted-back",
    assumed="Converting a mailbox back to a person's does not enable its account.",
    standing=Standing.UNSEEN,
    source="O365ITPro#270, PR#379",
    dated="2019",
    otherwise="The card of the conversion says who blocked the account and when.",
    depends=Dependents(guards=("shared-mailbox-sign-in",)),
)
SYNCED_BLOCK = Assumption(
    id="write-synced-block",
    assumed="A block in the cloud is undone by the next synchronisation.",
    standing=Standing.MEASURED,
    source="azure-docs PR#35963, #56804, #76071",
    dated="2021",
    otherwise="Nothing is written to synchronised accounts.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("on-premises",)),
)
AUDIT_OFF_ON_PURPOSE = Assumption(
    id="write-audit-off",
    assumed="The unified log or mailbox auditing that is off at the first look may be off on "
    "purpose.",
    standing=Standing.CONTESTED,
    source="Microsoft Learn, audit-log-enable-disable",
    dated="2023",
    otherwise="An operator is asked; switched off later, it is repaired at once.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("ask", "repair")),
)
BYPASS_ON_PURPOSE = Assumption(
    id="write-bypass",
    assumed="A bypass that is there at the first look serves a backup or an archive.",
    standing=Standing.CONTESTED,
    source="OfficeDocs-Exchange#382, elastic#1702",
    dated="2023",
    otherwise="An operator is asked; a new bypass is cleared.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("ask", "repair")),
)
AUDIT_ENABLED_WRITE = Assumption(
    id="write-audit-enabled",
    assumed="AuditEnabled true on each mailbox does no harm where auditing is on by default.",
    standing=Standing.CONTESTED,
    source="CIPP took it out; older Microsoft Learn: E3 reaches the unified log only so; "
    "ScubaGear#1072",
    dated="2025",
    otherwise="Some writes are unnecessary. It is never switched off and on unattended.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("repair",)),
)
TICKET_FORWARDS = Assumption(
    id="write-ticket-forwards",
    assumed="A forward that was there at the first look may feed a ticket system.",
    standing=Standing.CONTESTED,
    source="guides of Zendesk and Halo",
    dated="2025",
    otherwise="An operator is asked; only new forwards are cleared unattended.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("ask", "external")),
)
FORWARDING_MODE_WRITE = Assumption(
    id="write-forwarding-mode",
    assumed="AutoForwardingMode Off ends every outside forward of the organization.",
    standing=Standing.MEASURED,
    source="microsoft-365-docs#3665",
    dated="2020",
    otherwise="It is written only when no live forward would be cut, else the list is shown.",
    depends=Dependents(guards=("tenant-baseline",), verdicts=("repair", "ask")),
)
POLICY_MERGE = Assumption(
    id="write-policy-merge",
    assumed="A PATCH of authorizationPolicy keeps the siblings of what it names.",
    standing=Standing.UNSEEN,
    source="the shape is seen (graph2otel), the merge is not",
    dated="2026-07",
    otherwise="Everything that was read is sent, and all of it compared afterwards.",
    depends=Dependents(guards=("tenant-baseline",), verdicts=("failed",)),
)
RULE_PATCH = Assumption(
    id="write-rule-patch",
    assumed="A PATCH of isEnabled alone disables a rule and keeps the rest.",
    standing=Standing.MEASURED,
    source="QuickMail PR#488 (67 rules), PR#335",
    dated="2026-08",
    otherwise="The rule is read back whole; a difference is reported.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("failed",)),
)
GRAPH_READ_BACK = Assumption(
    id="write-graph-read-back",
    assumed="A write to Graph shows within 15 seconds.",
    standing=Standing.UNSEEN,
    source="replicas, without a promise; no figures",
    dated="2026",
    otherwise="The change is reported as not confirmed, and never made a second time.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in", "tenant-baseline", "mailbox-forwarding"),
        verdicts=("failed",),
    ),
)

ASSUMPTIONS = (
    SHARED_USE,
    ROOM_DEVICES,
    BOOKINGS,
    OTHER_USES,
    FIRST_LOOK,
    SIGN_IN_FIRST_LOOK,
    ENABLED_AGAIN,
    REVOCATION,
    NARROW_ROLES,
    ROLE_HOLDERS,
    SIGNATURES,
    CONVERTED_BACK,
    SYNCED_BLOCK,
    AUDIT_OFF_ON_PURPOSE,
    BYPASS_ON_PURPOSE,
    AUDIT_ENABLED_WRITE,
    TICKET_FORWARDS,
    FORWARDING_MODE_WRITE,
    POLICY_MERGE,
    RULE_PATCH,
    GRAPH_READ_BACK,
)
