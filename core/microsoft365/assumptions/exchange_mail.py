"""What Exchange prints about forwards, inbox rules and mail flow."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

FORWARD_FILTER = Assumption(
    id="exchange-forward-filter",
    assumed="Get-Mailbox filters by ForwardingAddress, ForwardingSmtpAddress and "
    "GrantSendOnBehalfTo that are not null.",
    standing=Standing.MEASURED,
    source="Export-RecipientPermissions",
    dated="2025-04",
    otherwise="The forwards of mailboxes are unread; the listing without a filter takes longer.",
    depends=Dependents(guards=("mailbox-forwarding", "mailbox-delegation")),
    probe="exchange-forward-filter",
)
HIDDEN_RULES = Assumption(
    id="exchange-hidden-rules",
    assumed="Get-InboxRule -IncludeHidden shows rules that Graph and Outlook do not.",
    standing=Standing.MEASURED,
    source="graph2otel (live: 1 with, 0 without)",
    dated="2026-07",
    otherwise="A hidden rule is not seen.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("hides-mail",)),
)
OWN_RULES = Assumption(
    id="exchange-own-rules",
    assumed="Exchange keeps one hidden rule for junk mail, which only moves to Junk Email or shows "
    "no action, and one for each of three kinds of automatic replies, which show none; all are "
    "without conditions, and Graph does not list them.",
    standing=Standing.UNSEEN,
    source="CIPP and Hawk leave them out by name; their properties are inferred",
    dated="2026-11",
    otherwise="A rule of Exchange's own is told as a hidden one; exempt its case.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("hides-mail", "could-not-tell")),
)
INBOX_RULE_ROLE = Assumption(
    id="exchange-inbox-rule-role",
    assumed="An app whose role holds Get-InboxRule may read the rules of any mailbox.",
    standing=Standing.CONTESTED,
    source="for: graph2otel at Global and Security Reader (live); against, for users: Microsoft "
    "Learn, O365ITPro#780",
    dated="2026-07",
    otherwise="Hidden rules are unread by name; Graph still shows the visible ones.",
    depends=Dependents(guards=("mailbox-forwarding",)),
    probe="exchange-inbox-rules",
)
RULE_IDENTITY = Assumption(
    id="exchange-rule-identity",
    assumed="RuleIdentity is an unsigned number of 64 bits, kept as text.",
    standing=Standing.MEASURED,
    source="graph2otel (live)",
    dated="2026-07",
    otherwise="A rule without a usable id is unread.",
    depends=Dependents(guards=("mailbox-forwarding",)),
)
RULE_FIELDS = Assumption(
    id="exchange-rule-fields",
    assumed="Get-InboxRule prints the targets, folders and deletions of a rule under the names of"
    " New-InboxRule's parameters.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, New-InboxRule (the parameters; the output is inferred)",
    dated="2026-08",
    otherwise="A rule of which nothing can be told is reported as such.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("could-not-tell",)),
)
RULE_TARGETS = Assumption(
    id="exchange-rule-targets",
    assumed="A target of a rule is a display name in quotes, then an address in brackets; only "
    "the bracket counts.",
    standing=Standing.MEASURED,
    source="public code of three projects",
    dated="2026-07",
    otherwise="A target in another form is unresolved, never inside.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("unresolved",)),
)
GROUP_MEMBERS = Assumption(
    id="exchange-group-members",
    assumed="Get-DistributionGroupMember and Get-UnifiedGroupLinks print a member as Get-Recipient "
    "does, with its kind and where mail to a contact or mail user goes.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell (the cmdlets; the output is inferred)",
    dated="2026-08",
    otherwise="A member that is a contact is looked up; one of an unknown kind is unresolved.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("unresolved", "could-not-tell")),
)
FORWARD_PRECEDENCE = Assumption(
    id="exchange-forward-precedence",
    assumed="Where a mailbox has both forwards, ForwardingAddress wins.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, Set-Mailbox",
    dated="2026-08",
    otherwise="The card names the wrong one of two forwards; both are shown.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("external",)),
)
AUTO_FORWARD_MODE = Assumption(
    id="exchange-automatic-mode",
    assumed="AutoForwardingMode Automatic lets no automatic forward out in a tenant of today, and"
    " may in an old one.",
    standing=Standing.CONTESTED,
    source="Microsoft Learn, outbound spam policies",
    dated="2025-02",
    otherwise="A forward is reported as let through or blocked wrongly; set the mode to Off or On.",
    depends=Dependents(
        guards=("mailbox-forwarding", "tenant-baseline"), verdicts=("external", "drift")
    ),
)
REMOTE_DOMAIN_DEFAULT = Assumption(
    id="exchange-remote-domain-star",
    assumed="The remote domain * stands for every domain without its own.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, remote domains",
    dated="2025-02",
    otherwise="The card says wrongly whether a forward leaves the tenant.",
    depends=Dependents(guards=("mailbox-forwarding",)),
)
SUBDOMAINS = Assumption(
    id="exchange-match-subdomains",
    assumed="An accepted domain with MatchSubDomains stands for everything below it.",
    standing=Standing.UNSEEN,
    source="the name of the property; no page says it of Exchange Online",
    dated="2026-08",
    otherwise="A forward to a subdomain of the tenant is reported as external.",
    depends=Dependents(
        guards=("mailbox-forwarding", "mailbox-delegation"),
        verdicts=("external",),
        settings=("ALLOWED_FORWARD_DOMAINS",),
    ),
    probe="exchange-accepted-domains",
)
TRANSPORT_RULE_ACTIONS = Assumption(
    id="exchange-transport-actions",
    assumed="Get-TransportRule prints conditions and actions under the names of the parameters of "
    "New-TransportRule, and the classes of the actions in Actions.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, Microsoft365DSC#3541",
    dated="2026-08",
    otherwise="A rule that does something in a new way is reported as one that is not understood.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("could-not-tell",)),
)
OUTBOUND_SCOPE = Assumption(
    id="exchange-outbound-scope",
    assumed="A rule of an outbound spam policy applies where all its kinds of conditions are met, "
    "one value of each, and no exception is; a domain includes its subdomains, and the "
    "rule with the lowest priority number decides.",
    standing=Standing.MEASURED,
    source="defender-docs, outbound-spam-policies-configure.md",
    dated="2025-02",
    otherwise="The card says wrongly whether a forward leaves the tenant.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("external",)),
)
AUTO_FORWARD_TYPE = Assumption(
    id="exchange-auto-forward-type",
    assumed="A mail-flow rule on MessageTypeMatches AutoForward meets what inbox rules forward, "
    "not what a setting of the mailbox forwards; of redirected mail it is not known.",
    standing=Standing.UNSEEN,
    source="MicrosoftDocs/microsoft-365-docs#1377, #2044",
    dated="2021",
    otherwise="The card says wrongly whether a forward leaves the tenant.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("external",)),
)
CONNECTOR_SHAPES = Assumption(
    id="exchange-connector-shapes",
    assumed="Get-OutboundConnector, Get-InboundConnector and Get-JournalRule print servers, "
    "domains and certificates under the names of the parameters of their New- cmdlets; without "
    "connectors and journals they print nothing.",
    standing=Standing.MEASURED,
    source="graph2otel (live, a small tenant), ScubaGear sample report",
    dated="2026-07",
    otherwise="A connector without a readable server is taken for one that follows MX records.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("routed", "trusted")),
)

BLOCKED_SENDERS = Assumption(
    id="exchange-blocked-senders",
    assumed="Get-BlockedSenderAddress lists the accounts that may not send, each by its "
    "SenderAddress, and with -SenderAddress that one alone, or nothing; Reason is text.",
    standing=Standing.UNSEEN,
    source="CIPP-API reads it as an app; its answer is not published",
    dated="2026-08",
    otherwise="Blocked senders are unread, which the case says.",
    depends=Dependents(guards=("privileged-change",), verdicts=("blocked-sender",)),
)
ASSUMPTIONS = (
    BLOCKED_SENDERS,
    FORWARD_FILTER,
    HIDDEN_RULES,
    OWN_RULES,
    INBOX_RULE_ROLE,
    RULE_IDENTITY,
    RULE_FIELDS,
    RULE_TARGETS,
    GROUP_MEMBERS,
    FORWARD_PRECEDENCE,
    AUTO_FORWARD_MODE,
    REMOTE_DOMAIN_DEFAULT,
    SUBDOMAINS,
    TRANSPORT_RULE_ACTIONS,
    OUTBOUND_SCOPE,
    AUTO_FORWARD_TYPE,
    CONNECTOR_SHAPES,
)
