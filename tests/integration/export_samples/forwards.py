"""Forwards of mailboxes and mail-flow rules, each with the verdict it should get."""

from typing import Any

from tests.integration.export_samples.export import (
    ABSENT,
    CANONICAL_ROOT,
    DN_SUFFIX,
    EVIL,
    LEGACY_DN_PREFIX,
    ExportedMailbox,
    Row,
    build_guid,
    drop_absent,
)


def build_forward_sample(
    alias: str, verdict: str | None, to: object = None, address: object = None, **more: Any
) -> ExportedMailbox:
    said = {("mailbox-forward", verdict)} if verdict else set()
    both = {"ForwardingSmtpAddress": to, "ForwardingAddress": address}
    return ExportedMailbox(alias, said, both | more)


CANONICAL_NAME = f"{CANONICAL_ROOT}/contoso.onmicrosoft.com"
GUEST_UPN = "guest_mail.example#EXT#@contoso.onmicrosoft.com"
OUTSIDE_FORWARDS = (
    build_forward_sample("smtp", "external", f"smtp:{EVIL}"),
    build_forward_sample("smtp-upper", "external", "SMTP:X@EVIL.EXAMPLE"),
    build_forward_sample("smtp-bare", "external", EVIL),
    build_forward_sample("lookalike", "external", "smtp:x@evilcontoso.com"),
    build_forward_sample("suffix", "external", "smtp:x@contoso.com.evil.example"),
    build_forward_sample("subdomain", "external", "smtp:x@sub.contoso.com"),
    build_forward_sample("sub-lookalike", "external", "smtp:x@xfabrikam.com"),
    build_forward_sample("homoglyph", "external", "smtp:x@\u0441ontoso.com"),
    build_forward_sample("literal", "external", "smtp:x@[203.0.113.5]"),
    build_forward_sample("quoted", "external", 'smtp:"anna@contoso.com"@evil.example'),
    build_forward_sample("unproven", "external", "smtp:x@unproven.example"),
    build_forward_sample("guest-upn", "external", f"smtp:{GUEST_UPN}"),
    build_forward_sample("proxy-of-contact", "external", "smtp:extcontact@contoso.com"),
    build_forward_sample(
        "shared", "external", f"smtp:{EVIL}", RecipientTypeDetails="SharedMailbox"
    ),
)
NAMED_FORWARDS = (
    build_forward_sample("by-name", "external", address="Ext Contact"),
    build_forward_sample("by-name-case", "external", address="EXT contact"),
    build_forward_sample("by-canonical", "external", address=f"{CANONICAL_NAME}/Ext Contact"),
    build_forward_sample("by-alias", "external", address="extmailuser"),
    build_forward_sample("by-guid", "external", address=build_guid("recipient", "Ext Contact")),
    build_forward_sample("by-dn", "external", address=f"CN=Ext Contact,{DN_SUFFIX}"),
    build_forward_sample("by-legacy", "external", address=f"{LEGACY_DN_PREFIX}77-ExtContact"),
    build_forward_sample("by-dn-alone", "external", address=f"CN=No DN,{DN_SUFFIX}"),
    build_forward_sample("by-chain", "external", address="Chain"),
    build_forward_sample("to-loop", None, address="Loop"),
    build_forward_sample("by-guest", "external", address="guest_mail.example#EXT#"),
    build_forward_sample(
        "by-canonical-guest", "external", address=f"{CANONICAL_NAME}/guest_mail.example#EXT#"
    ),
    build_forward_sample("to-mail-user", "external", address="Ext Mail User", to=""),
    build_forward_sample("to-inner-contact", None, address="Inner Contact"),
    build_forward_sample("to-group", "could-not-tell", address="All Staff"),
    build_forward_sample("to-list", None, address="Sales"),
    build_forward_sample("to-colleague", None, address="by-name"),
    build_forward_sample("to-colleague-canonical", None, address=f"{CANONICAL_NAME}/by-name"),
    build_forward_sample("to-nobody", "unresolved", address="Somebody Who Left"),
    build_forward_sample(
        "to-nobody-canonical", "unresolved", address=f"{CANONICAL_NAME}/Somebody Who Left"
    ),
    build_forward_sample("to-empty-contact", "unresolved", address="Empty Contact"),
    build_forward_sample("to-pat", "unresolved", address="pat"),
    build_forward_sample("to-quote", "unresolved", address="O'Brien' -or Name -like '*"),
    build_forward_sample("overridden", "dormant", f"smtp:{EVIL}", "by-name"),
    ExportedMailbox(
        "both-outside",
        {("mailbox-forward", "external"), ("mailbox-forward", "dormant")},
        {"ForwardingSmtpAddress": f"smtp:{EVIL}", "ForwardingAddress": "Ext Contact"},
    ),
    build_forward_sample("same-case", None, "smtp:Anna@CONTOSO.COM"),
    build_forward_sample("other-domain", None, "smtp:x@fabrikam.com"),
    build_forward_sample("matched-subdomain", None, "smtp:x@a.b.FABRIKAM.com"),
    build_forward_sample("punycode", None, "smtp:x@bücher.example"),
    build_forward_sample("unicode", None, "smtp:x@xn--kln-sna.example"),
    build_forward_sample("verified", "unresolved", "smtp:x@entra-only.example"),
    build_forward_sample("relay", "unresolved", "smtp:x@relay.example"),
    build_forward_sample("colleague", None, "smtp:by-name@contoso.com"),
    build_forward_sample("empty", None, "", ""),
    build_forward_sample("null", None, None, None),
    build_forward_sample("absent", None, ABSENT, ABSENT),
)


# Mail-flow rules --------------------------------------------------------------------------------


def build_flow_rule(name: str, **properties: Any) -> Row:
    row: Row = {
        "Identity": name,
        "Name": name,
        "Guid": build_guid("flow", name),
        "State": "Enabled",
        "Mode": "Enforce",
        "RedirectMessageTo@odata.type": "#Collection(String)",
        "RedirectMessageTo": None,
        "BlindCopyTo": None,
        "CopyTo": [],
        "AddToRecipients": None,
    }
    return drop_absent(row | properties)


FLOW_KINDS = {"manager": "transport-rule-manager", "connector": "transport-rule-route"}
"""The kinds of the findings about rules that do something else than sending mail to somebody."""
FLOW_RULES: tuple[tuple[str | None, Row], ...] = (
    ("external", build_flow_rule("redirect", RedirectMessageTo=["flow1@evil.example"])),
    ("external", build_flow_rule("blind-copy-text", BlindCopyTo="flow2@evil.example")),
    ("external", build_flow_rule("copy", CopyTo=["anna@contoso.com", None, "flow3@evil.example"])),
    ("external", build_flow_rule("add", AddToRecipients=["smtp:X@Evil.example"])),
    ("external", build_flow_rule("by-contact", BlindCopyTo=["Ext Contact"])),
    (
        "external",
        build_flow_rule("by-guid", BlindCopyTo=[build_guid("recipient", "Ext Mail User")]),
    ),
    (
        "external",
        build_flow_rule(
            "mode-absent", BlindCopyTo=["flow4@evil.example"], Mode=ABSENT, State=ABSENT
        ),
    ),
    ("unresolved", build_flow_rule("by-nobody", RedirectMessageTo=["Somebody Who Left"])),
    ("dormant", build_flow_rule("tested", RedirectMessageTo=["flow5@evil.example"], Mode="Audit")),
    (
        "dormant",
        build_flow_rule(
            "tested-loudly", RedirectMessageTo=["flow6@evil.example"], Mode="AuditAndNotify"
        ),
    ),
    (
        "dormant",
        build_flow_rule("switched-off", RedirectMessageTo=["flow7@evil.example"], State="Disabled"),
    ),
    ("external", build_flow_rule("at-work", RedirectMessageTo=["both@evil.example"])),
    (
        "dormant",
        build_flow_rule("at-rest", RedirectMessageTo=["both@evil.example"], State="Disabled"),
    ),
    (None, build_flow_rule("inside", CopyTo=["Anna@CONTOSO.com"], BlindCopyTo="delete")),
    ("could-not-tell", build_flow_rule("manager", AddManagerAsRecipientType="Bcc")),
    ("could-not-tell", build_flow_rule("connector", RouteMessageOutboundConnector="To partner")),
    (None, build_flow_rule("empty", RedirectMessageTo=[], BlindCopyTo="")),
)
