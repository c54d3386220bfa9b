"""What each filter, allow list and mailbox lets through, and what is said of it, word for word."""

from collections.abc import Mapping

from core.guards.mail_protection import COLLECTIONS
from core.guards.mail_protection.policies import (
    ANTI_PHISH,
    CONNECTION,
    CONTENT,
    DEFENDER_FOR_FILES,
    MALWARE,
    SAFE_ATTACHMENTS,
    SAFE_LINKS,
)
from core.guards.mail_protection.properties import FilterShape
from core.tenant.configuration import Configuration
from tests.support.sentences import check_text
from tests.support.watched_sentences import Cases, Describer, render_collection

LONG = "n" * 300
OUTSIDE = "thief@drop.example"
ADDRESSES = ["Help@Contoso.com", '"a@b"@fabrikam.example', OUTSIDE, LONG]
CONTEXT = {
    "accepted-domain": (
        Configuration("accepted-domain", "Contoso.com", "Main", {}),
        Configuration("accepted-domain", "d2", "Other", {"DomainName": "Fabrikam.example"}),
    )
}
describe = Describer(COLLECTIONS, CONTEXT).describe
SHAPES: Mapping[str, FilterShape] = {
    "anti-phish-policy": ANTI_PHISH,
    "malware-filter-policy": MALWARE,
    "content-filter-policy": CONTENT,
    "connection-filter-policy": CONNECTION,
    "safe-links-policy": SAFE_LINKS,
    "safe-attachment-policy": SAFE_ATTACHMENTS,
    "defender-for-files": DEFENDER_FOR_FILES,
}


def build_cases(shape: FilterShape) -> Cases:
    """A filter of a shape in every state that counts."""
    switches = {one.name for one in shape.switches}
    lists = {one.name for one in shape.allowed} | {one.name for one in shape.protected}
    actions = sorted({value for one in shape.steps for value in (*one.values, *one.apart)})
    receivers = {one.receivers: ADDRESSES for one in shape.steps if one.receivers}
    return {
        "nothing said*": [{}, {"Called": "", "Id": LONG}],
        "all on": [dict.fromkeys((*switches, *(one.name for one in shape.holes)), True)],
        "all off": [dict.fromkeys((*switches, *(one.name for one in shape.holes)), "False")],
        "entries*": [dict.fromkeys(lists, ADDRESSES)],
        **{
            f"every action is {action}, and nothing is switched on": [
                dict.fromkeys((one.name for one in shape.steps), action.lower())
            ]
            for action in (*actions, "Fly")
            if shape.steps
        },
        **{
            f"every action is {action}, with receivers": [
                {
                    **dict.fromkeys((one.name for one in shape.steps), action),
                    **dict.fromkeys((one.switch for one in shape.steps if one.switch), True),
                    **receivers,
                }
            ]
            for action in ("Redirect", "BccMessage", "NoAction", "Delete")
            if receivers
        },
        **{
            f"every threshold is {number}": [
                dict.fromkeys((one.name for one in shape.numbers), number)
            ]
            for number in (-5, 1, 2, "3", 4, 5, 9, 99, "many")
            if shape.numbers
        },
        "a preset": [
            {
                "RecommendedPolicyType": kind,
                **dict.fromkeys(switches, False),
                **dict.fromkeys(lists, "a.example"),
                **dict.fromkeys((one.name for one in shape.numbers), 1),
            }
            for kind in ("Standard", "STRICT", "Custom")
        ],
    }


RULES: Cases = {
    "for everybody": [{}, {"State": "Enabled"}, {"State": "DISABLED"}, {"Called": LONG}],
    "without a name": [{"Called": ""}],
    "for some": [
        {"SentTo": ["ann@contoso.com", LONG], "SentToMemberOf": ["Board"]},
        {"RecipientDomainIs": ["contoso.com"], "State": "Disabled"},
    ],
    "but for some": [
        {
            "ExceptIfSentTo": ["ann@contoso.com", LONG],
            "ExceptIfSentToMemberOf": ["Board"],
            "ExceptIfRecipientDomainIs": ["contoso.com"],
        }
    ],
}
FLOW_RULES: Cases = {
    "skips for all mail": [{"SetSCL": level} for level in ("-1", -1, 0, "9", None)],
    "is off": [{"SetSCL": -1, "State": "Disabled"}, {"SetSCL": -1, "State": "Enabled"}],
    "skips for some senders": [
        {"SetSCL": -1, name: [LONG, "entry"]}
        for name in (
            "From",
            "FromAddressContainsWords",
            "FromAddressMatchesPatterns",
            "FromMemberOf",
            "SenderDomainIs",
            "SenderIpRanges",
            "HeaderContainsWords",
            "HeaderMatchesPatterns",
            "SubjectContainsWords",
        )
    ],
    "sets a header": [
        {"SetHeaderName": name, "SetHeaderValue": "1", **more}
        for name in (
            "X-MS-Exchange-Organization-SkipSafeLinksProcessing",
            "x-ms-exchange-organization-skipsafeattachmentprocessing",
            "X-MS-Exchange-Organization-BypassFocusedInbox",
            "X-MS-Exchange-Organization-Antispam-Report",
            "X-Own",
        )
        for more in ({}, {"From": ["ann@contoso.com"]}, {"SetHeaderValue": ""})
    ],
    "names": [{"Called": LONG}, {"Called": ""}],
}
ENTRIES: Cases = {
    "what it does": [
        {"Action": action, "Value": "a.example"} for action in ("Allow", "BLOCK", "Later", "")
    ],
    "when it ends": [
        {"Action": "Allow", "Value": "a.example", **end}
        for end in (
            {"ExpirationDate": None, "RemoveAfter": ""},
            {"ExpirationDate": "2027-01-01"},
            {"RemoveAfter": 45},
        )
    ],
    "of the organization*": [
        {"Action": "Allow", "Value": value, "RemoveAfter": 45}
        for value in ("Boss@Contoso.com", "contoso.com", "notcontoso.com", "fabrikam.example")
    ],
    "of the organization, without an end": [{"Action": "Allow", "Value": "boss@contoso.com"}],
    "texts": [{"Action": "Allow", "Value": LONG, "Notes": LONG}],
}
SPOOFS: Cases = {
    "what it does*": [
        {"Action": action, "SpoofedUser": who, "SendingInfrastructure": "harbour.example"}
        for action in ("Allow", "BLOCK")
        for who in ("Contoso.com", "boss@Contoso.com", "other.example")
    ],
    "long": [{"Action": "Allow", "SpoofedUser": LONG, "SendingInfrastructure": LONG}],
}
SIMULATIONS: Cases = {
    "in force": [
        {"Domains": ["exercise.example", LONG], "SenderIpRanges": ["192.0.2.1"], "Mode": "Enforce"},
        {"Called": "", "Mode": ""},
        {"Called": LONG},
    ],
    "going": [{"Domains": ["exercise.example"], "Mode": "PendingDELETION"}],
}
SIGNED: Cases = {
    "signed, and not": [
        {"Domain": "contoso.com", "Enabled": True},
        {"Domain": "contoso.com", "Enabled": "False"},
        {"Called": LONG},
    ]
}
RIGHTS: Cases = {
    "as a text": [
        {"EndUserQuarantinePermissions": text}
        for text in (
            "[PermissionToBlockSender: False\r\nPermissionToRelease: True\r\n"
            "permissiontoallowsender:   true\r\nPermissionToPreview: True]",
            "PermissionToRelease:True",
            "",
        )
    ],
    "as an object": [
        {
            "EndUserQuarantinePermissions": {
                "PermissionToRelease": "True",
                "PermissionToPreview": True,
                "PermissionToDelete": False,
                "Other": True,
            }
        }
    ],
    "names": [{"Called": LONG}, {"Called": ""}],
}
REPORTS: Cases = {
    "where to*": [
        {name: ADDRESSES}
        for name in (
            "ReportJunkAddresses",
            "ReportNotJunkAddresses",
            "ReportPhishAddresses",
            "ThirdPartyReportAddresses",
        )
    ],
    "to Microsoft": [{"EnableReportToMicrosoft": True}, {"EnableReportToMicrosoft": "false"}],
    "names": [{"Called": LONG}, {"Called": ""}, {"Called": "", "Id": ""}],
}
BOX: Mapping[str, object] = {
    "Identity": "director",
    "Alias": "Boss",
    "PrimarySmtpAddress": "director@contoso.com",
    "RecipientTypeDetails": "UserMailbox",
}
MODERATED: Mapping[str, object] = {**BOX, "ModerationEnabled": True}
MODERATION: Cases = {
    "by whom": [
        {**MODERATED, "ModeratedBy": ["temphelp", LONG], "RecipientTypeDetails": kind}
        for kind in ("UserMailbox", "USERMAILBOX", "SharedMailbox", "")
    ],
    "by its owner": [
        {**MODERATED, "Name": "Dana", "ModeratedBy": [name]}
        for name in ("Director", "dana", "boss", "director@contoso.com", "directors")
    ],
    "by nobody": [MODERATED],
    "in silence": [
        {**MODERATED, "ModeratedBy": ["temphelp"], "SendModerationNotifications": how}
        for how in ("NEVER", "Always")
    ],
    "not at all": [{**BOX, "ModeratedBy": ["temphelp"]}],
    "names": [{"Called": LONG}, {"Called": "", "Id": LONG}, {"RecipientTypeDetails": LONG}],
}
REJECTION: Cases = {
    "of whom": [
        {
            **BOX,
            "RejectMessagesFromSendersOrMembers": ["itdesk", LONG],
            "RejectMessagesFrom": ["itdesk", "soc"],
            "RejectMessagesFromDLMembers": ["Board"],
        },
        {**BOX, "AcceptMessagesOnlyFrom": ["soc", LONG]},
        BOX,
    ]
}
HOLDS: Cases = {
    "for how long": [
        {**BOX, "LitigationHoldEnabled": True, "LitigationHoldDuration": duration}
        for duration in ("", "UNLIMITED", "90.00:00:00")
    ],
    "off, and on": [{**BOX, "LitigationHoldEnabled": False}, BOX, {"LitigationHoldEnabled": True}],
}
RECOVERY: Cases = {
    "off": [
        {**BOX, "SingleItemRecoveryEnabled": True},
        {**BOX, "SingleItemRecoveryEnabled": False},
        {**BOX, "SingleItemRecoveryEnabled": "False", "RetainDeletedItemsFor": LONG},
        {**BOX, "SingleItemRecoveryEnabled": False, "RetainDeletedItemsFor": "00:00:00"},
        {**BOX, "SingleItemRecoveryEnabled": False, "RecipientTypeDetails": "DiscoveryMailbox"},
    ],
    "on": [{**BOX, "SingleItemRecoveryEnabled": True}, BOX],
    "for how long": [
        {**BOX, "RetainDeletedItemsFor": kept}
        for kept in ("14.00:00:00", "13.00:00:00", "1.00:00:00", "00:00:00", LONG)
    ],
}
CONTACTS: Cases = {
    "where to*": [
        {"displayName": LONG, name: ADDRESSES}
        for name in ("technicalNotificationMails", "securityComplianceNotificationMails")
    ],
    "nobody": [{"displayName": "Contoso"}, {"Called": "Its id"}],
}
HIDDEN: Cases = {
    "of whom": [
        {**BOX, "AccountDisabled": False, "WhenCreated": "2026-11-01T00:00:00Z"},
        {**BOX, "RecipientTypeDetails": "USERMAILBOX", "WhenCreated": LONG},
        {**BOX, "AccountDisabled": "True"},
        {**BOX, "RecipientTypeDetails": "SharedMailbox"},
        {"AccountDisabled": False},
    ]
}
LEADING: Cases = {
    "where to*": [
        {"ExternalEmailAddress": target, "EmailAddresses": ["SMTP:Sales@Contoso.com"]}
        for target in (f"SMTP: {OUTSIDE} ", OUTSIDE, "ann@contoso.com", "", "X400:c=us", LONG)
    ],
    "with which addresses": [
        {"ExternalEmailAddress": OUTSIDE, "EmailAddresses": [address]}
        for address in (
            "sales@contoso.com",
            f"smtp:{LONG}@fabrikam.example",
            "smtp:ann@contoso.onmicrosoft.com",
            "sip:ann@contoso.com",
            f"smtp:{OUTSIDE}",
            "smtp:contoso.com",
        )
    ],
    "names": [
        {"ExternalEmailAddress": OUTSIDE, "EmailAddresses": ["sales@contoso.com"], "Called": name}
        for name in ("", LONG)
    ],
}


def test_sentences_about_filters() -> None:
    check_text(
        "mail_protection_filters",
        [line for name, shape in SHAPES.items() for line in describe(name, build_cases(shape))],
    )


def test_sentences_about_rules_and_allow_lists() -> None:
    rules = [one.name for one in COLLECTIONS if one.name.endswith("-rule") and one.departs_with]
    check_text(
        "mail_protection_lists",
        [
            *(line for name in rules for line in describe(name, RULES)),
            *describe("mail-flow-skip", FLOW_RULES),
            *describe("allow-entry", ENTRIES),
            *(
                line
                for source in ("allow-url", "allow-file", "allow-address")
                for line in describe(
                    "allow-entry", {source: [{"Action": "Allow", "Value": "x"}]}, source
                )
            ),
            *describe("spoof-entry", SPOOFS),
            *describe("phish-simulation-rule", SIMULATIONS),
            *describe("dkim-config", SIGNED),
            *describe("quarantine-policy", RIGHTS),
            *describe("report-policy", REPORTS),
            *(line for one in COLLECTIONS for line in render_collection(one)),
        ],
    )


def test_sentences_about_mailboxes_and_recipients() -> None:
    check_text(
        "mail_protection_mailboxes",
        [
            *describe("mailbox-moderation", MODERATION),
            *describe("mailbox-rejection", REJECTION),
            *describe("mailbox-hold", HOLDS),
            *describe("mailbox-recovery", RECOVERY),
            *describe("notice-contact", CONTACTS),
            *describe("hidden-mailbox", HIDDEN),
            *describe("leading-recipient", LEADING),
            *describe("leading-recipient", LEADING, "mail-user"),
        ],
    )
