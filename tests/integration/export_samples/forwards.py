"""Forwards of mailboxes and mail-flow rules, each with the verdict it should get."""

from typing import Any

from tests.integration.export_samples.export import (
    ABSENT,
    EVIL,
    FOREST,
    LEGACY,
    TREE,
    Case,
    Row,
    guid,
    without,
)


def forward(
    alias: str, verdict: str | None, to: object = None, address: object = None, **more: Any
) -> Case:
    said = {("mailbox-forward", verdict)} if verdict else set()
    both = {"ForwardingSmtpAddress": to, "ForwardingAddress": address}
    return Case(alias, said, both | more)


CANONICAL = f"{FOREST}/contoso.onmicrosoft.com"
GUEST = "guest_mail.example#EXT#@contoso.onmicrosoft.com"
OUTSIDE_FORWARDS = (
    forward("smtp", "external", f"smtp:{EVIL}"),
    forward("smtp-upper", "external", "SMTP:X@EVIL.EXAMPLE"),
    forward("smtp-bare", "external", EVIL),
    forward("lookalike", "external", "smtp:x@evilcontoso.com"),
    forward("suffix", "external", "smtp:x@contoso.com.evil.example"),
    forward("subdomain", "external", "smtp:x@sub.contoso.com"),
    forward("sub-lookalike", "external", "smtp:x@xfabrikam.com"),
    forward("homoglyph", "external", "smtp:x@\u0441ontoso.com"),
    forward("literal", "external", "smtp:x@[203.0.113.5]"),
    forward("quoted", "external", 'smtp:"anna@contoso.com"@evil.example'),
    forward("unproven", "external", "smtp:x@unproven.example"),
    forward("guest-upn", "external", f"smtp:{GUEST}"),
    forward("proxy-of-contact", "external", "smtp:extcontact@contoso.com"),
    forward("shared", "external", f"smtp:{EVIL}", RecipientTypeDetails="SharedMailbox"),
)
NAMED_FORWARDS = (
    forward("by-name", "external", address="Ext Contact"),
    forward("by-name-case", "external", address="EXT contact"),
    forward("by-canonical", "external", address=f"{CANONICAL}/Ext Contact"),
    forward("by-alias", "external", address="extmailuser"),
    forward("by-guid", "external", address=guid("recipient", "Ext Contact")),
    forward("by-dn", "external", address=f"CN=Ext Contact,{TREE}"),
    forward("by-legacy", "external", address=f"{LEGACY}77-ExtContact"),
    forward("by-dn-alone", "external", address=f"CN=No DN,{TREE}"),
    forward("by-chain", "external", address="Chain"),
    forward("to-loop", None, address="Loop"),
    forward("by-guest", "external", address="guest_mail.example#EXT#"),
    forward("by-canonical-guest", "external", address=f"{CANONICAL}/guest_mail.example#EXT#"),
    forward("to-mail-user", "external", address="Ext Mail User", to=""),
    forward("to-inner-contact", None, address="Inner Contact"),
    forward("to-group", None, address="All Staff"),
    forward("to-list", None, address="Sales"),
    forward("to-colleague", None, address="by-name"),
    forward("to-colleague-canonical", None, address=f"{CANONICAL}/by-name"),
    forward("to-nobody", "unresolved", address="Somebody Who Left"),
    forward("to-nobody-canonical", "unresolved", address=f"{CANONICAL}/Somebody Who Left"),
    forward("to-empty-contact", "unresolved", address="Empty Contact"),
    forward("to-pat", "unresolved", address="pat"),
    forward("to-quote", "unresolved", address="O'Brien' -or Name -like '*"),
    forward("overridden", "dormant", f"smtp:{EVIL}", "by-name"),
    Case(
        "both-outside",
        {("mailbox-forward", "external"), ("mailbox-forward", "dormant")},
        {"ForwardingSmtpAddress": f"smtp:{EVIL}", "ForwardingAddress": "Ext Contact"},
    ),
    forward("same-case", None, "smtp:Anna@CONTOSO.COM"),
    forward("other-domain", None, "smtp:x@fabrikam.com"),
    forward("matched-subdomain", None, "smtp:x@a.b.FABRIKAM.com"),
    forward("punycode", None, "smtp:x@bücher.example"),
    forward("unicode", None, "smtp:x@xn--kln-sna.example"),
    forward("verified", None, "smtp:x@entra-only.example"),
    forward("relay", None, "smtp:x@relay.example"),
    forward("colleague", None, "smtp:by-name@contoso.com"),
    forward("empty", None, "", ""),
    forward("null", None, None, None),
    forward("absent", None, ABSENT, ABSENT),
)


# Mail-flow rules --------------------------------------------------------------------------------


def flow(name: str, **properties: Any) -> Row:
    row: Row = {
        "Identity": name,
        "Name": name,
        "Guid": guid("flow", name),
        "State": "Enabled",
        "Mode": "Enforce",
        "RedirectMessageTo@odata.type": "#Collection(String)",
        "RedirectMessageTo": None,
        "BlindCopyTo": None,
        "CopyTo": [],
        "AddToRecipients": None,
    }
    return without(row | properties)


FLOWS: tuple[tuple[str | None, Row], ...] = (
    ("external", flow("redirect", RedirectMessageTo=["flow1@evil.example"])),
    ("external", flow("blind-copy-text", BlindCopyTo="flow2@evil.example")),
    ("external", flow("copy", CopyTo=["anna@contoso.com", None, "flow3@evil.example"])),
    ("external", flow("add", AddToRecipients=["smtp:X@Evil.example"])),
    ("external", flow("by-contact", BlindCopyTo=["Ext Contact"])),
    ("external", flow("by-guid", BlindCopyTo=[guid("recipient", "Ext Mail User")])),
    (
        "external",
        flow("mode-absent", BlindCopyTo=["flow4@evil.example"], Mode=ABSENT, State=ABSENT),
    ),
    ("unresolved", flow("by-nobody", RedirectMessageTo=["Somebody Who Left"])),
    ("dormant", flow("tested", RedirectMessageTo=["flow5@evil.example"], Mode="Audit")),
    (
        "dormant",
        flow("tested-loudly", RedirectMessageTo=["flow6@evil.example"], Mode="AuditAndNotify"),
    ),
    ("dormant", flow("switched-off", RedirectMessageTo=["flow7@evil.example"], State="Disabled")),
    ("external", flow("at-work", RedirectMessageTo=["both@evil.example"])),
    (None, flow("at-rest", RedirectMessageTo=["both@evil.example"], State="Disabled")),
    (None, flow("inside", CopyTo=["Anna@CONTOSO.com"], BlindCopyTo="delete")),
    (None, flow("manager", AddManagerAsRecipientType="Bcc")),
    (None, flow("connector", RouteMessageOutboundConnector="To partner")),
    (None, flow("empty", RedirectMessageTo=[], BlindCopyTo="")),
)
