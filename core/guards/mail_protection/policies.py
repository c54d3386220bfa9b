"""The filter policies of Exchange Online and Defender, and what counts about each. Pure.

Microsoft Learn: Recommended settings for EOP and Microsoft Defender for Office 365.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from core.guards.mail_protection.properties import (
    LOW,
    MAX_NAME_LENGTH,
    MEDIUM,
    AllowList,
    FilterShape,
    Hole,
    Number,
    ProtectedList,
    Steps,
    Switch,
    Tag,
    explain_filter_loss,
    list_exposures,
    list_kept,
    restore_filter,
)
from core.model.findings import Severity, Step
from core.property_values import get_text
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, WatchedCollection, WatchedItem
from core.watched.own_domains import list_own_names, list_settled_names

RELIES_ON = ("exchange-preset-policies",)

DOMAINS = "accepted-domain"
PRESETS = frozenset({"standard", "strict"})
PRESET_PREFIX = "preset "
MAIL_ACTIONS = ("Quarantine", "MoveToJmf", "AddXHeader", "ModifySubject", "NoAction")
# Deleted mail reaches nobody; redirected mail reaches whom the policy names.
OTHER_ACTIONS = ("Delete", "Redirect")
IMPERSONATION_SWITCHES = {
    "TargetedUser": "EnableTargetedUserProtection",
    "TargetedDomain": "EnableTargetedDomainsProtection",
    "MailboxIntelligence": "EnableMailboxIntelligenceProtection",
}
IMPERSONATION_ACTIONS = ("Quarantine", "MoveToJmf", "BccMessage", "NoAction")
TECHNIQUES = ("T1562.001",)
REFERENCE = "Microsoft Learn: Recommended settings for EOP and Defender for Office 365"


def define_mail_action(name: str, about: str, severity: Severity = MEDIUM) -> Steps:
    """What a policy does with mail of one kind."""
    return Steps(name, about, MAIL_ACTIONS, severity, OTHER_ACTIONS, "RedirectToRecipients")


def define_impersonation_action(part: str, about: str, more: str = "") -> Steps:
    """What a policy does with mail that imitates somebody, where it looks for that at all."""
    return Steps(
        f"{part}ProtectionAction",
        about,
        IMPERSONATION_ACTIONS,
        MEDIUM,
        OTHER_ACTIONS,
        f"{part}{more}ActionRecipients",
        IMPERSONATION_SWITCHES[part],
    )


ANTI_PHISH = FilterShape(
    switches=(
        Switch("Enabled", "looks at mail at all"),
        Switch("EnableSpoofIntelligence", "looks for spoofing"),
        Switch("HonorDmarcPolicy", "heeds the DMARC policy of senders"),
        Switch("EnableMailboxIntelligence", "learns who writes to whom", severity=LOW),
        Switch("EnableUnauthenticatedSender", "marks senders it cannot verify", severity=LOW),
        Switch("EnableTargetedUserProtection", "protects named people", is_on_by_default=False),
        Switch("EnableTargetedDomainsProtection", "protects domains", is_on_by_default=False),
        Switch(
            "EnableOrganizationDomainsProtection", "protects own domains", is_on_by_default=False
        ),
        Switch(
            "EnableMailboxIntelligenceProtection",
            "acts on people that mail pretends to be from",
            is_on_by_default=False,
        ),
    ),
    steps=(
        Steps("AuthenticationFailAction", "spoofed mail", ("Quarantine", "MoveToJmf")),
        Steps("DmarcRejectAction", "mail to be rejected by DMARC", ("Reject", "Quarantine")),
        Steps("DmarcQuarantineAction", "mail to be held by DMARC", ("Quarantine", "MoveToJmf")),
        define_impersonation_action("TargetedUser", "mail that imitates named people"),
        define_impersonation_action("TargetedDomain", "mail that imitates a domain"),
        define_impersonation_action(
            "MailboxIntelligence", "mail that imitates who often writes", "Protection"
        ),
    ),
    numbers=(Number("PhishThresholdLevel", "phishing", 1, 4, is_higher_weaker=False),),
    allowed=(
        AllowList("ExcludedSenders", "does not check mail that claims to be from"),
        AllowList("ExcludedDomains", "does not check mail of the domain"),
    ),
    protected=(
        ProtectedList("TargetedUsersToProtect", "protects"),
        ProtectedList("TargetedDomainsToProtect", "protects the domain"),
    ),
    set_by_tenant=frozenset(
        {
            "TargetedUsersToProtect",
            "TargetedDomainsToProtect",
            "ExcludedSenders",
            "ExcludedDomains",
        }
    ),
)
MALWARE = FilterShape(
    switches=(
        Switch("EnableFileFilter", "stops dangerous kinds of files"),
        Switch("ZapEnabled", "takes delivered malware back"),
    ),
    tags=(Tag("QuarantineTag", "malware"),),
    protected=(ProtectedList("FileTypes", "stops files of the kind", LOW, is_set_whole=True),),
)
CONTENT = FilterShape(
    switches=(
        Switch("SpamZapEnabled", "takes delivered spam back", severity=LOW),
        Switch("PhishZapEnabled", "takes delivered phishing back"),
    ),
    steps=(
        define_mail_action("SpamAction", "spam"),
        define_mail_action("HighConfidenceSpamAction", "certain spam"),
        define_mail_action("PhishSpamAction", "phishing"),
        define_mail_action("HighConfidencePhishAction", "certain phishing", Severity.HIGH),
        define_mail_action("BulkSpamAction", "bulk mail", LOW),
        Steps("MarkAsSpamBulkMail", "bulk mail", ("On", "Off"), LOW),
    ),
    numbers=(Number("BulkThreshold", "bulk mail", 1, 9, is_higher_weaker=True),),
    tags=(
        Tag("HighConfidencePhishQuarantineTag", "certain phishing"),
        Tag("PhishQuarantineTag", "phishing", LOW),
    ),
    allowed=(
        AllowList("AllowedSenders", "lets pass"),
        AllowList("AllowedSenderDomains", "lets pass the domain"),
    ),
)
CONNECTION = FilterShape(
    holes=(Hole("EnableSafeList", "lets a list of Microsoft's partners skip the filter"),),
    allowed=(AllowList("IPAllowList", "lets every message skip the spam filter that comes from"),),
)
SAFE_LINKS = FilterShape(
    switches=(
        Switch("EnableSafeLinksForEmail", "checks links in mail"),
        Switch("EnableSafeLinksForTeams", "checks links in Teams", severity=LOW),
        Switch("EnableSafeLinksForOffice", "checks links in Office", severity=LOW),
        Switch("ScanUrls", "scans what links lead to"),
        Switch("DeliverMessageAfterScan", "waits for the scan of links", severity=LOW),
        Switch("TrackClicks", "records who clicked", severity=LOW),
        Switch("EnableForInternalSenders", "checks colleagues' links", is_on_by_default=False),
    ),
    holes=(Hole("AllowClickThrough", "lets people go on to a blocked address", LOW),),
    allowed=(AllowList("DoNotRewriteUrls", "does not check links to"),),
)
SAFE_ATTACHMENTS = FilterShape(
    switches=(Switch("Enable", "opens attachments in a sandbox first"),),
    steps=(Steps("Action", "dangerous attachments", ("Block", "DynamicDelivery", "Allow")),),
    tags=(Tag("QuarantineTag", "dangerous attachments"),),
)
DEFENDER_FOR_FILES = FilterShape(
    switches=(
        Switch("EnableATPForSPOTeamsODB", "checks files in SharePoint, OneDrive and Teams"),
        Switch("EnableSafeDocs", "checks documents that leave Protected View", severity=LOW),
    ),
    holes=(Hole("AllowSafeDocsOpen", "lets people open documents found dangerous"),),
)


def is_preset(policy: Configuration) -> bool:
    """Whether Microsoft sets the policy's values: what changes then is not the tenant's doing."""
    return get_text(policy.values, "RecommendedPolicyType").casefold() in PRESETS


def find_policy_id(policy: Configuration) -> str:
    """What makes a policy this one. A preset that is made anew gets another id and number."""
    kind = get_text(policy.values, "RecommendedPolicyType").casefold()
    return f"{PRESET_PREFIX}{kind}" if is_preset(policy) else policy.id


def name_filter(policy: Configuration) -> tuple[str, ...]:
    """The item that a policy makes up. Another one may be taken for a second one of its kind only
    beside a preset.
    """
    return () if is_preset(policy) else (policy.id,)


def read_own_domains(rows: SourceRows) -> frozenset[str]:
    """The tenant's accepted domains: mail that claims to be from one seems to be a colleague's."""
    return frozenset(list_own_names(rows[DOMAINS]))


def read_settled_domains(rows: SourceRows) -> frozenset[str]:
    """Those that did not come lately: what leads to one of them stays with the tenant."""
    return frozenset(list_settled_names(rows[DOMAINS]))


def make_restore(
    shape: FilterShape, cmdlet: str
) -> Callable[[str, Sequence[str]], tuple[Step, ...]]:
    """The `restore` of one kind of policy; what a tenant sets of a preset, it sets in a wizard."""

    def restore(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
        if identity.startswith(PRESET_PREFIX):
            return ()
        return tuple(restore_filter(shape, cmdlet, identity, tokens))

    return restore


def make_policy_description(
    source: str, shape: FilterShape
) -> Callable[[SourceRows], Iterator[WatchedItem]]:
    """The `describe` of one kind of policy."""

    def describe(rows: SourceRows) -> Iterator[WatchedItem]:
        own, settled = read_own_domains(rows), read_settled_domains(rows)
        presets = Counter(find_policy_id(one) for one in rows[source] or () if is_preset(one))
        for one in rows[source] or ():
            if presets[find_policy_id(one)] > 1:
                # Microsoft makes one of a kind, and any cmdlet may call another one so: who does
                # has a filter of their own that nobody else looks at.
                yield describe_one(shape, one, own, settled)
            part = shape.for_preset() if is_preset(one) else shape
            item = describe_one(part, one, own, settled)
            yield (
                replace(item, id=find_policy_id(one), is_object=False, arrival=Severity.INFO)
                if is_preset(one)
                else item
            )

    return describe


def describe_one(
    shape: FilterShape, policy: Configuration, own: frozenset[str], settled: frozenset[str]
) -> WatchedItem:
    """One policy as one of the tenant's own."""
    return WatchedItem(
        id=policy.id,
        name=quote_text(policy.name or policy.id, MAX_NAME_LENGTH),
        opens=tuple(list_exposures(shape, policy, own, settled)),
        keeps=frozenset(list_kept(shape, policy)),
        arrival=LOW,
    )


def define_filter(
    name: str, noun: str, plural: str, shape: FilterShape, cmdlet: str
) -> WatchedCollection:
    """The collection of one kind of policy; `cmdlet` is its noun."""
    return WatchedCollection(
        name=name,
        noun=noun,
        plural=plural,
        needs=(name, DOMAINS),
        describe=make_policy_description(name, shape),
        name_items=name_filter,
        explain_loss=partial(explain_filter_loss, shape),
        restore=make_restore(shape, cmdlet),
        advice="Ask who changed it and why. Unless somebody answers for it, set it back in the "
        f"Defender portal > Policies > Threat policies ({cmdlet}).",
        techniques=TECHNIQUES,
        reference=REFERENCE,
        harmless="how strict it was at the first look, whatever gets stricter, and what Microsoft "
        "changes in its presets",
        departure=Severity.MEDIUM,
        departure_text="nobody is protected by it any longer",
    )


FILTER_POLICIES = (
    define_filter(
        "anti-phish-policy",
        "anti-phishing policy",
        "anti-phishing policies",
        ANTI_PHISH,
        "AntiPhishPolicy",
    ),
    define_filter(
        "malware-filter-policy",
        "anti-malware policy",
        "anti-malware policies",
        MALWARE,
        "MalwareFilterPolicy",
    ),
    define_filter(
        "content-filter-policy",
        "anti-spam policy",
        "anti-spam policies",
        CONTENT,
        "HostedContentFilterPolicy",
    ),
    define_filter(
        "connection-filter-policy",
        "connection filter policy",
        "connection filter policies",
        CONNECTION,
        "HostedConnectionFilterPolicy",
    ),
    define_filter(
        "safe-links-policy",
        "Safe Links policy",
        "Safe Links policies",
        SAFE_LINKS,
        "SafeLinksPolicy",
    ),
    define_filter(
        "safe-attachment-policy",
        "Safe Attachments policy",
        "Safe Attachments policies",
        SAFE_ATTACHMENTS,
        "SafeAttachmentPolicy",
    ),
    define_filter(
        "defender-for-files",
        "Defender policy for files",
        "Defender policies for files",
        DEFENDER_FOR_FILES,
        "AtpPolicyForO365",
    ),
)
