"""What Exchange prints of the ways in that outlast a password: partners, scopes, policies."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

PARTNER_GROUPS = Assumption(
    id="exchange-partner-groups",
    assumed="Get-RoleGroup lists the groups of partners only with ShowPartnerLinked, each with its "
    "LinkedPartnerOrganizationId; a role may lack this parameter.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, Get-RoleGroup; what else the parameter lists is inferred",
    dated="2026",
    otherwise="A partner that may administer Exchange is not told, which the report says where the "
    "parameter is refused.",
    depends=Dependents(guards=("exchange-roles",)),
    probe="exchange-role-groups",
)
SCOPE_FILTERS = Assumption(
    id="exchange-scope-filters",
    assumed="Get-ManagementScope prints the condition of a scope as RecipientFilter.",
    standing=Standing.UNSEEN,
    source="inferred from New-ManagementScope; a fresh tenant has no scope",
    dated="2026",
    otherwise="An assignment is told with the name of its scope and not with how wide it is.",
    depends=Dependents(guards=("exchange-roles",)),
)
SPAM_LEVELS = Assumption(
    id="exchange-spam-levels",
    assumed="Get-TransportRule prints SetSCL as a number or the same as text, -1 for mail that "
    "skips the filter.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, New-TransportRule; the type on the wire is inferred",
    dated="2026",
    otherwise="A rule that lets mail past the spam filter is told as any other rule that is new.",
    depends=Dependents(guards=("mail-protection", "mailbox-forwarding")),
)
MODERATORS = Assumption(
    id="exchange-moderators",
    assumed="Get-Mailbox prints ModeratedBy as the names of recipients.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, Set-Mailbox; the form on the wire is inferred",
    dated="2026",
    otherwise="That a mailbox is moderated is told, and by whom is not.",
    depends=Dependents(guards=("mail-protection",)),
)
PRESET_POLICIES = Assumption(
    id="exchange-preset-policies",
    assumed="A policy of a preset says Standard or Strict as RecommendedPolicyType, and its name "
    "ends with a number that differs in each family.",
    standing=Standing.MEASURED,
    source="graph2otel (live), ScubaGear; that a tenant changes only state, recipients and "
    "exceptions is inferred",
    dated="2026-07",
    otherwise="A preset that Microsoft tightens or loosens is told as a change of the policy.",
    depends=Dependents(guards=("mail-protection",)),
)
ORGANIZATION_ADD_INS = Assumption(
    id="exchange-organization-add-ins",
    assumed="Get-App prints what an add-in may do as Requirements, and where it came from as Type; "
    "centrally deployed ones may be missing from it.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, Get-App; the values on the wire are inferred",
    dated="2026",
    otherwise="An add-in is told without what it may do; one that was deployed centrally is not "
    "told.",
    depends=Dependents(guards=("app-consent", "mailbox-delegation")),
)
RESTORE_REQUESTS = Assumption(
    id="exchange-restore-requests",
    assumed="Get-MailboxRestoreRequest prints where a deleted mailbox goes as TargetAlias or "
    "TargetMailbox; only its statistics name the source.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, Get-MailboxRestoreRequest; where the source stands is inferred",
    dated="2026",
    otherwise="A restore is told without its target.",
    depends=Dependents(guards=("external-trust",)),
)

ASSUMPTIONS = (
    PARTNER_GROUPS,
    SCOPE_FILTERS,
    SPAM_LEVELS,
    MODERATORS,
    PRESET_POLICIES,
    ORGANIZATION_ADD_INS,
    RESTORE_REQUESTS,
)
