"""How Exchange takes the writes. None of it can be probed: only a write shows it."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

WRITE_ANCHOR = Assumption(
    id="exchange-write-anchor",
    assumed="A write to a mailbox runs only on the mailbox's own server: it is anchored to it.",
    standing=Standing.MEASURED,
    source="CIPP (CmdletProxyNotAvailable otherwise)",
    dated="2026-08",
    otherwise="The write is sent again as transient, then reported as failed with its command.",
    depends=Dependents(
        guards=(
            "shared-mailbox-sign-in",
            "mailbox-forwarding",
            "mailbox-audit",
            "legacy-protocols",
            "exchange-module-access",
        ),
        verdicts=("failed",),
    ),
)
ANCHOR_FORM = Assumption(
    id="exchange-anchor-form",
    assumed="A mailbox is named to the router as MBX:<guid>@<tenant>, with parameter-based-"
    "routing.",
    standing=Standing.CONTESTED,
    source="the official module: SMTP: or MBX:; CIPP: UPN: of the real name",
    dated="2026-08",
    otherwise="Commands are slower or refused with CmdletProxyNotAvailable.",
    ways={
        "mbx": "MBX: and the mailbox's Guid",
        "smtp": "SMTP: and its address",
        "upn": "UPN: and its user principal name",
    },
    probe="exchange-anchor",
)
MBX_GUID = Assumption(
    id="exchange-mbx-guid",
    assumed="The anchor MBX: takes the Guid that Get-Mailbox prints, the id of the object, and not "
    "its ExchangeGuid.",
    standing=Standing.UNSEEN,
    source="the official module (MBX:<mailbox guid>, without saying which)",
    dated="2026",
    otherwise="The router does not find the mailbox; the address is named instead.",
    probe="exchange-anchor",
)
AUDIT_LOG_ANCHOR = Assumption(
    id="exchange-audit-log-anchor",
    assumed="Set-AdminAuditLogConfig runs only on the server of the arbitration mailbox 8cc370d3.",
    standing=Standing.MEASURED,
    source="cli-microsoft365#4677, CIPP",
    dated="2026-08",
    otherwise="Switching the unified log on fails; switch it on by hand.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("failed",)),
)
AUDIT_LOG_LAG = Assumption(
    id="exchange-audit-log-lag",
    assumed="The unified log may read False for up to an hour after it was switched on.",
    standing=Standing.CONTESTED,
    source="Microsoft Learn: 60 minutes; Microsoft365DSC#1142, microsoft-365-docs#12126: longer",
    dated="2023",
    otherwise="The change is accepted, not visible yet; the next run looks again.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("repair",)),
)
WRITE_ANSWER = Assumption(
    id="exchange-write-answer",
    assumed="Set-OrganizationConfig may be carried out although its answer fails; with "
    "$select=Identity the answer succeeds.",
    standing=Standing.MEASURED,
    source="a fork of CIPP (OrganizationConfigHash)",
    dated="2026",
    otherwise="The object is read once after every refusal, before the undo is forgotten.",
    depends=Dependents(guards=("mailbox-audit", "tenant-baseline"), verdicts=("failed", "refused")),
)
EMPTY_LIST = Assumption(
    id="exchange-empty-list",
    assumed="A list is emptied by removing what was read from it; an empty list may change "
    "nothing.",
    standing=Standing.CONTESTED,
    source="terraprovider (successor of go-exoscc)",
    dated="2026",
    otherwise="The read-back shows the old values; the change is reported as failed.",
    depends=Dependents(guards=("tenant-baseline",), verdicts=("failed",)),
)
ADD_PRESENT = Assumption(
    id="exchange-add-present",
    assumed="Adding an audited action that is there already may be refused, so only missing ones "
    "are added.",
    standing=Standing.CONTESTED,
    source="OfficeDocs-o365seccomp#385, #306",
    dated="2019",
    otherwise="A note says refused although nothing was missing.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("refused",)),
)
MESSAGE_BIND = Assumption(
    id="exchange-message-bind",
    assumed="MessageBind is refused for every mailbox, so it is never added.",
    standing=Standing.MEASURED,
    source="o365soa/Scripts#29",
    dated="2024",
    otherwise="Nothing: opened messages are recorded as MailItemsAccessed.",
    depends=Dependents(guards=("mailbox-audit",)),
)
AUDIT_RESET = Assumption(
    id="exchange-audit-reset",
    assumed="Set-Mailbox -DefaultAuditSet puts Microsoft's list back; what is added after it "
    "stays.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, manage mailbox auditing",
    dated="2023",
    otherwise="The read-back shows it; the next run repairs again, then the case is contested.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("repair", "contested")),
)
NULL_CLEARS = Assumption(
    id="exchange-null-clears",
    assumed="null for both forwards clears them.",
    standing=Standing.MEASURED,
    source="CIPP-API",
    dated="2026-08",
    otherwise="The read-back shows the forward; the change is reported as failed.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("failed",)),
)
BULK_WRITES = Assumption(
    id="exchange-bulk-writes",
    assumed="One Set-Mailbox per mailbox, a few at a time, is not slowed down.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell#8216 (15 s each over remote PowerShell)",
    dated="2021",
    otherwise="A run ends before its plan does; the next one continues.",
    depends=Dependents(guards=("mailbox-audit",), settings=("EXCHANGE_CONCURRENCY",)),
)
READ_BACK_LAG = Assumption(
    id="exchange-read-back",
    assumed="A write shows within 15 seconds where it is read again on the same server.",
    standing=Standing.UNSEEN,
    source="no figures were found",
    dated="2026",
    otherwise="The change is reported as not confirmed, and never made a second time.",
    depends=Dependents(verdicts=("failed",)),
)
SYNCED_AUDIT = Assumption(
    id="exchange-synced-audit",
    assumed="Audit settings of a synchronised mailbox can be written in the cloud.",
    standing=Standing.UNSEEN,
    source="no refusal was found",
    dated="2026",
    otherwise="The refusal is reported once per mailbox.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("on-premises", "refused")),
)
MODULE_WRITE = Assumption(
    id="exchange-module-write",
    assumed="EXOModuleEnabled false takes PowerShell and the Exchange admin center from a user, "
    "and nothing else.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, Set-User; PR#10021",
    dated="2026-08",
    otherwise="A script that runs as this user fails; the undo gives it back.",
    depends=Dependents(guards=("exchange-module-access",), verdicts=("repair",)),
)
CLIENT_RULES = Assumption(
    id="exchange-client-rules",
    assumed="Exchange's rule cmdlets remove Outlook's own rules, so rules are disabled through "
    "Graph.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, Disable-InboxRule; QuickMail PR#488 (67 rules)",
    dated="2026-08",
    otherwise="Rules are counted before and after; fewer is reported.",
    depends=Dependents(guards=("mailbox-forwarding",)),
)

ASSUMPTIONS = (
    WRITE_ANCHOR,
    ANCHOR_FORM,
    MBX_GUID,
    AUDIT_LOG_ANCHOR,
    AUDIT_LOG_LAG,
    WRITE_ANSWER,
    EMPTY_LIST,
    ADD_PRESENT,
    MESSAGE_BIND,
    AUDIT_RESET,
    NULL_CLEARS,
    BULK_WRITES,
    READ_BACK_LAG,
    SYNCED_AUDIT,
    MODULE_WRITE,
    CLIENT_RULES,
)
