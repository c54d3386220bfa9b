"""Forwards, mail-flow rules and rights from public records, and small tenants beside them.

Of the records: panther-labs/panther-analysis (Apache-2.0), Set-Mailbox with an own domain in its
place; invictus-ir/o365_dataset (2021), New-TransportRule, Add-MailboxPermission and
Add-RecipientPermission of a break-in; cisagov/ScubaGear (CC0), the mail-flow rules of two tenants;
samples of Digital Defense Institute (MIT). The others are made up to break the kinds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio

from core.config.catalog import CATALOG
from core.model.findings import Severity
from tests.integration.export_samples.export import (
    ExportedMailbox,
    build_export_scene,
    build_guid,
    build_recipient_row,
)
from tests.support.run_scene import AUDIT, FORWARDING, run_scene

DELEGATION = "mailbox-delegation"
SID = "S-1-5-21-1111111111-2222222222-3333333333-"
AUTH_AS = "X-MS-Exchange-Organization-AuthAs"

type Row = dict[str, Any]

# Forwards of mailboxes: the address, the least severity, and what is said.
FORWARDS: Mapping[str, tuple[str, str, str]] = {
    "panther-external": ("smtp:peter@familyguy.example", "high", ""),
    "panther-other-own-domain": ("smtp:marge@fabrikam.com", "", ""),
    "panther-subdomain": ("smtp:bart@springfield.fabrikam.com", "", ""),
    "panther-look-alike": ("smtp:evil@fabrikam2.com", "high", ""),
    "panther-same-domain": ("smtp:bruce@contoso.com", "", ""),
    "blocked-by-group": ("smtp:one@evil.example", "medium", "outbound spam policy Staff stops it"),
    "not-in-group": ("smtp:two@evil.example", "high", "and it leaves"),
    "nested-in-group": ("smtp:three@evil.example", "medium", "outbound spam policy Staff stops it"),
    "trailing-dot": ("smtp:x@contoso.com.", "", ""),
    "below-own-name": ("smtp:x@contoso.com.evil.example", "high", ""),
}
# Mail-flow rules: the row, the least severity; empty for one that is nobody's business.
FLOWS: Mapping[str, tuple[Row, str]] = {
    ".": (
        {
            "SetAuditSeverity": "DoNotAudit",
            "BlindCopyTo": ["ITCornpany@gmail.com"],
            "SubjectOrBodyContainsWords": ["password", "payment", "invoice", "project"],
        },
        "critical",
    ),
    "Sender is outside: prepend": (
        {"FromScope": "NotInOrganization", "PrependSubject": "[External]", "State": "Disabled"},
        "",
    ),
    "ALS Sender Warning": ({"FromScope": "NotInOrganization", "PrependSubject": "[External]"}, ""),
    "Audit only": (
        {"FromScope": "NotInOrganization", "PrependSubject": "External", "Mode": "Audit"},
        "",
    ),
    "Copy to a group with a guest": ({"BlindCopyTo": ["helpers@contoso.com"]}, "critical"),
    "Copy to colleagues": ({"BlindCopyTo": ["inner@contoso.com"]}, ""),
    "Bypass": (
        {"SetHeaderName": "X-MS-Exchange-Organization-AuthAs", "SetHeaderValue": "x"},
        "low",
    ),
    "Bypass clutter": (
        {"SetHeaderName": "X-MS-Exchange-Organization-BypassClutter", "SetHeaderValue": "true"},
        "",
    ),
    "To nobody": ({"SubjectContainsWords": ["phish"], "DeleteMessage": True}, "high"),
}
# Rights: holder, right, mailbox, the least severity, the verdict.
RIGHTS: Sequence[tuple[str, str, str, str, str]] = (
    ("itcornpany", "FullAccess", "adele", "critical", "external"),
    ("itcornpany", "SendAs", "henrietta", "critical", "external"),
    ("thulile", "FullAccess", "henrietta", "medium", "delegated"),
    ("helpers", "FullAccess", "adele", "critical", "external"),
    ("inner", "FullAccess", "adele", "medium", "delegated"),
    ("everybody", "FullAccess", "adele", "medium", "could-not-tell"),
)
PEOPLE = ("adele", "henrietta", "thulile")


def build_member(alias: str, kind: str = "UserMailbox", outside: str = "") -> Row:
    address = outside or f"{alias}@contoso.com"
    row = {"Name": alias, "RecipientTypeDetails": kind, "PrimarySmtpAddress": address}
    return row | ({"ExternalEmailAddress": f"SMTP:{outside}"} if outside else {})


GROUPS: Mapping[str, list[Row]] = {
    "helpers": [build_member("ann"), build_member("max", "GuestMailUser", "max@partner.example")],
    "inner": [build_member("ann"), build_member("nested-in-group")],
    "staff": [
        build_member("blocked-by-group"),
        build_member("inner", "MailUniversalSecurityGroup"),
    ],
}


def build_flow_row(name: str, parts: Row) -> Row:
    return {
        "Guid": build_guid("flow", name),
        "Identity": name,
        "Name": name,
        "State": "Enabled",
        "Mode": "Enforce",
        "Priority": 0,
        **parts,
    }


def build_right(holder: str, right: str, of: str) -> Row:
    user = f"{holder}@contoso.com" if holder != "itcornpany" else "itcornpany"
    row: Row = {"Identity": of, "IsInherited": False, "Deny": False, "AccessRights": [right]}
    if right == "SendAs":
        return row | {"Trustee": user, "AccessControlType": "Allow", "TrusteeSidString": None}
    return row | {"User": user, "UserSid": None, "InheritanceType": "All"}


def build_scene() -> Row:
    cases = [
        ExportedMailbox(name, mailbox={"ForwardingSmtpAddress": address})
        for name, (address, _, _) in FORWARDS.items()
    ]
    cases += [ExportedMailbox(name) for name in PEOPLE]
    scene = build_export_scene(
        cases, [build_flow_row(name, one) for name, (one, _) in FLOWS.items()]
    )
    exchange = scene["exchange"]
    exchange["Get-Recipient"] = [
        *exchange["Get-Recipient"],
        *(build_recipient_row(name, "MailUniversalSecurityGroup") for name in GROUPS),
        build_recipient_row("everybody", "DynamicDistributionGroup"),
        build_recipient_row("itcornpany", "GuestMailUser", "SMTP:ITCornpany@gmail.com"),
    ]
    exchange["Get-DistributionGroupMember"] |= GROUPS
    exchange["Get-HostedOutboundSpamFilterPolicy"] = [
        {"Identity": "Default", "Name": "Default", "IsDefault": True, "AutoForwardingMode": "On"},
        {"Identity": "Staff", "Name": "Staff", "IsDefault": False, "AutoForwardingMode": "Off"},
    ]
    exchange["Get-HostedOutboundSpamFilterRule"] = [
        {
            "Identity": "Staff",
            "Name": "Staff",
            "HostedOutboundSpamFilterPolicy": "Staff",
            "State": "Enabled",
            "Priority": 0,
            "FromMemberOf": ["staff@contoso.com"],
        }
    ]
    exchange["Get-RemoteDomain"] = [
        {"Identity": "Default", "DomainName": "*", "Name": "Default", "AutoForwardEnabled": True}
    ]
    rights = [(build_right(*one[:3]), one[1]) for one in RIGHTS]
    exchange["Get-MailboxPermission"] = [row for row, right in rights if right != "SendAs"]
    exchange["Get-RecipientPermission"] = [row for row, right in rights if right == "SendAs"]
    # Somebody whose acts no mailbox records (a sample of Digital Defense Institute).
    exchange["Get-MailboxAuditBypassAssociation"] = [
        {
            "Identity": name,
            "Name": name,
            "Guid": build_guid("mailbox", name),
            "ObjectId": build_guid("mailbox", name),
            "AuditBypassEnabled": name == "thulile",
        }
        for name in PEOPLE
    ]
    return scene


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told() -> Mapping[str, Sequence[Row]]:
    """What each guard finds in one look."""
    guards = (FORWARDING, DELEGATION, AUDIT)
    modes = {one.guard.name: "off" for one in CATALOG} | dict.fromkeys(guards, "alert")
    result = await run_scene(build_scene(), modes=modes)
    return {run["guard"]: run["findings"] for run in result["runs"] if run["guard"] in guards}


def select(rows: Sequence[Row], subject: str) -> list[Row]:
    return [one for one in rows if one["subject"] == subject]


@pytest.mark.parametrize("name", FORWARDS)
def test_a_forward_is_told_by_where_it_leads(told: Mapping[str, Sequence[Row]], name: str) -> None:
    _, severity, says = FORWARDS[name]
    found = [one for one in select(told[FORWARDING], f"{name}@contoso.com") if one["summary"]]
    if not severity:
        assert found == []
        return
    (one,) = found
    assert (one["severity"], one["verdict"]) == (severity, "external"), one
    assert says in one["summary"]


@pytest.mark.parametrize("name", FLOWS)
def test_a_mail_flow_rule_is_told_by_what_it_does(
    told: Mapping[str, Sequence[Row]], name: str
) -> None:
    found = [one for one in told[FORWARDING] if one["object"] == build_guid("flow", name)]
    least = FLOWS[name][1]
    if not least:
        assert [one for one in found if one["severity"] != "info"] == []
        return
    worst = max(Severity[one["severity"].upper()] for one in found)
    assert worst >= Severity[least.upper()], found


@pytest.mark.parametrize("right", RIGHTS, ids=lambda one: f"{one[0]} {one[1]} {one[2]}")
def test_a_right_is_told_by_who_holds_it(
    told: Mapping[str, Sequence[Row]], right: tuple[str, str, str, str, str]
) -> None:
    holder, name, of, severity, verdict = right
    kind = "send-as" if name == "SendAs" else "full-access"
    (one,) = (
        one
        for one in select(told[DELEGATION], f"{of}@contoso.com")
        if one["kind"] == kind and one["summary"].startswith(f"{holder}@")
    )
    assert (one["severity"], one["verdict"]) == (severity, verdict), one


def test_an_account_whose_acts_nobody_records_is_critical(
    told: Mapping[str, Sequence[Row]],
) -> None:
    assert [
        (one["subject"], one["severity"]) for one in told[AUDIT] if one["kind"] == "audit-bypass"
    ] == [("thulile", "critical")]
