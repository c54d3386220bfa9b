"""Inbox rules as Graph and as Exchange show them, each with the verdict it should get."""

from typing import Any

from tests.integration.export_samples.export import (
    ABSENT,
    EVIL,
    LEGACY_DN_PREFIX,
    ExpectedFindings,
    ExportedMailbox,
    Row,
    build_guid,
    drop_absent,
)
from tests.integration.export_samples.forwards import GUEST_UPN

HOSTILE_NAME = "**[x](https://evil.example)** <at>all</at>"


def build_email_address(address: object, name: object = ABSENT) -> Row:
    return {"emailAddress": drop_absent({"name": name, "address": address})}


def build_graph_rule(actions: object, **more: Any) -> Row:
    row = {
        "id": build_guid("rule", repr(actions), repr(more)),
        "displayName": HOSTILE_NAME,
        "sequence": 1,
        "isEnabled": True,
        "hasError": False,
        "isReadOnly": False,
        "conditions": {"subjectContains": ["invoice"]},
        "actions": actions,
    }
    return drop_absent(row | more)


def build_exchange_rule(**properties: Any) -> Row:
    row = {
        "Identity": f"box\\{int(build_guid(repr(properties))[:8], 16)}",
        "RuleIdentity@data.type": "System.UInt64",
        "RuleIdentity": int(build_guid(repr(properties)).replace("-", "")[:16], 16),
        "Name": HOSTILE_NAME,
        "Enabled": "True",
        "Priority": 1,
        "InError": False,
        "Description": "If the message: ...",
        "ForwardTo@odata.type": "#Collection(String)",
        "ForwardTo": None,
        "ForwardAsAttachmentTo": [],
        "RedirectTo": None,
        "MoveToFolder": None,
        "DeleteMessage": "False",
        "SoftDeleteMessage": False,
        "MarkAsRead": False,
        "StopProcessingRules": True,
        "SubjectContainsWords": ["invoice"],
    }
    return drop_absent(row | properties)


def expect_forward(verdict: str | None) -> ExpectedFindings:
    return {("inbox-rule-forward", verdict)} if verdict else set()


def expect_hiding(verdict: str | None = "hides-mail") -> ExpectedFindings:
    return {("inbox-rule-hides", verdict)} if verdict else set()


EXPECT_LOST = {("inbox-rule-hides", "could-not-tell")}
EXPECT_HIDDEN = {("inbox-rule-hidden", "could-not-tell")}
EXPECT_UNREADABLE = {("inbox-rule-unreadable", "could-not-tell")}


def build_rule_sample(
    alias: str, expected: ExpectedFindings, actions: object, **more: Any
) -> ExportedMailbox:
    return ExportedMailbox(alias, expected, rules=(build_graph_rule(actions, **more),))


def build_hidden_rule_sample(
    alias: str, expected: ExpectedFindings, **properties: Any
) -> ExportedMailbox:
    return ExportedMailbox(alias, expected, exchange_rules=(build_exchange_rule(**properties),))


TWIN_RULE = {"Name": "Twin", "RedirectTo": [f'"x" [SMTP:{EVIL}]']}
SENDING_RULES = (
    build_rule_sample(
        "forward", expect_forward("external"), {"forwardTo": [build_email_address(EVIL, "x")]}
    ),
    build_rule_sample(
        "redirect-only",
        expect_forward("external"),
        {"redirectTo": [build_email_address(EVIL)], "stopProcessingRules": True},
    ),
    build_rule_sample(
        "attachment-only",
        expect_forward("external"),
        {"forwardAsAttachmentTo": [build_email_address(EVIL)]},
    ),
    build_rule_sample(
        "enabled-absent",
        expect_forward("external"),
        {"forwardTo": [build_email_address(EVIL)]},
        isEnabled=ABSENT,
    ),
    build_rule_sample(
        "nameless",
        expect_forward("external"),
        {"forwardTo": [build_email_address(EVIL)]},
        displayName=ABSENT,
        conditions=ABSENT,
    ),
    build_rule_sample(
        "null-name",
        expect_forward("external"),
        {"forwardTo": [build_email_address(EVIL)]},
        displayName=None,
        conditions=None,
    ),
    build_rule_sample(
        "disguised",
        expect_forward("external"),
        {"redirectTo": [build_email_address(EVIL, "anna@contoso.com")]},
    ),
    build_rule_sample(
        "holes", expect_forward("external"), {"forwardTo": [None, build_email_address(EVIL), None]}
    ),
    build_rule_sample(
        "mixed",
        expect_forward("external"),
        {
            "forwardTo": [
                build_email_address("anna@contoso.com"),
                build_email_address("X@Evil.Example"),
            ]
        },
    ),
    build_rule_sample(
        "twice",
        expect_forward("external"),
        {
            "forwardTo": [build_email_address(EVIL)],
            "redirectTo": [build_email_address(EVIL.upper())],
        },
    ),
    build_rule_sample(
        "guest", expect_forward("external"), {"redirectTo": [build_email_address(GUEST_UPN)]}
    ),
    build_rule_sample(
        "contact-ex",
        expect_forward("external"),
        {"redirectTo": [build_email_address(f"{LEGACY_DN_PREFIX}77-ExtContact".upper())]},
    ),
    build_rule_sample(
        "prefixed",
        expect_forward("external"),
        {"redirectTo": [build_email_address(f"smtp:{EVIL}")]},
    ),
    build_rule_sample(
        "both",
        expect_forward("external") | expect_hiding(),
        {"redirectTo": [build_email_address(EVIL)], "permanentDelete": True},
    ),
    ExportedMailbox(
        "disabled-account",
        expect_forward("external"),
        user={"accountEnabled": False},
        rules=(build_graph_rule({"redirectTo": [build_email_address(EVIL)]}),),
    ),
    build_rule_sample("inside", set(), {"forwardTo": [build_email_address("Anna@contoso.COM")]}),
    build_rule_sample(
        "inside-ex",
        set(),
        {"forwardTo": [build_email_address(f"{LEGACY_DN_PREFIX}0a1b-forward".upper())]},
    ),
    build_rule_sample(
        "inside-x500",
        set(),
        {"forwardTo": [build_email_address("/o=OldOrg/ou=First/cn=Recipients/cn=forward")]},
    ),
    build_rule_sample(
        "inside-group", set(), {"redirectTo": [build_email_address("sales@contoso.com")]}
    ),
    build_rule_sample(
        "inside-contact",
        set(),
        {"redirectTo": [build_email_address(f"{LEGACY_DN_PREFIX}77-InnerContact")]},
    ),
    build_rule_sample("stop-only", set(), {"stopProcessingRules": True}),
    build_rule_sample(
        "empty-lists", expect_hiding(), {"forwardTo": [], "redirectTo": [], "markAsRead": True}
    ),
    build_rule_sample("category", set(), {"assignCategories": ["Red"], "markImportance": "low"}),
    build_rule_sample(
        "stale-ex",
        expect_forward("unresolved"),
        {"forwardTo": [build_email_address("/o=Contoso/ou=Old/cn=Recipients/cn=x")]},
    ),
    build_rule_sample(
        "name-only",
        expect_forward("unresolved"),
        {"forwardTo": [build_email_address(ABSENT, "Bob From Home")]},
    ),
    build_rule_sample(
        "broken",
        expect_forward("external"),
        {"forwardTo": [build_email_address(EVIL)]},
        hasError=True,
    ),
    build_rule_sample(
        "spaces", expect_forward("external"), {"forwardTo": [build_email_address(f"  {EVIL} ")]}
    ),
    build_rule_sample(
        "off",
        expect_forward("dormant"),
        {"forwardTo": [build_email_address(EVIL)]},
        isEnabled=False,
    ),
    build_rule_sample("no-actions", EXPECT_UNREADABLE, ABSENT, isReadOnly=True),
    build_rule_sample("no-actions-but-writable", EXPECT_UNREADABLE, {}),
    build_rule_sample("null-actions", EXPECT_UNREADABLE, None, isReadOnly=True),
)
DEEP_RULES = (
    # Client-side rules Graph shows without their actions, and Exchange with them.
    ExportedMailbox(
        "read-only-forward",
        expect_forward("external"),
        rules=(build_graph_rule(ABSENT, displayName="Twin", isReadOnly=True),),
        exchange_rules=(build_exchange_rule(**TWIN_RULE),),
    ),
    ExportedMailbox(
        "read-only-harmless",
        expect_hiding(),
        rules=(build_graph_rule(ABSENT, displayName="Twin", isReadOnly=True),),
        exchange_rules=(build_exchange_rule(Name="Twin", MarkAsRead="True"),),
    ),
    ExportedMailbox(
        "hidden-twin",
        expect_forward("external"),
        rules=(build_graph_rule({"redirectTo": [build_email_address(EVIL)]}, displayName="Twin"),),
        exchange_rules=(build_exchange_rule(**TWIN_RULE),),
    ),
    ExportedMailbox(
        "read-only-with-actions",
        expect_forward("external"),
        rules=(build_graph_rule({"redirectTo": [build_email_address(EVIL)]}, isReadOnly=True),),
    ),
    ExportedMailbox(
        "decoy",
        expect_forward("external"),
        rules=(
            build_graph_rule(
                {"redirectTo": [build_email_address(EVIL)]}, displayName="Twin", isEnabled=False
            ),
        ),
        exchange_rules=(
            build_exchange_rule(**TWIN_RULE),
            build_exchange_rule(**TWIN_RULE | {"Enabled": "False"}),
        ),
    ),
    ExportedMailbox(
        "same-name",
        expect_forward("external"),
        rules=(
            build_graph_rule(
                {"redirectTo": [build_email_address("anna@contoso.com")]}, displayName="Twin"
            ),
        ),
        exchange_rules=(build_exchange_rule(**TWIN_RULE),),
    ),
    ExportedMailbox(
        "same-name-delete",
        expect_hiding(),
        rules=(build_graph_rule({"moveToFolder": "AAMk-projects="}, displayName="Twin"),),
        exchange_rules=(
            build_exchange_rule(Name="Twin", DeleteMessage=True),
            build_exchange_rule(Name="Twin", MoveToFolder="Projects"),
        ),
    ),
    ExportedMailbox(
        "same-name-move",
        expect_hiding(),
        rules=(build_graph_rule({"moveToFolder": "AAMk-projects="}, displayName="Twin"),),
        exchange_rules=(
            build_exchange_rule(Name="Twin", MoveToFolder="RSS Feeds"),
            build_exchange_rule(Name="Twin", MoveToFolder="Projects"),
        ),
    ),
    # Rules only Exchange shows.
    build_hidden_rule_sample(
        "hidden-joined",
        expect_forward("external"),
        ForwardTo=f'"x" [SMTP:{EVIL}]; "Anna" [SMTP:anna@contoso.com]',
    ),
    build_hidden_rule_sample(
        "hidden-joined-bare", expect_forward("external"), ForwardTo=f"{EVIL},anna@contoso.com"
    ),
    build_hidden_rule_sample(
        "hidden-junk-delete", expect_hiding(), Name="Junk E-Mail Rule", DeleteMessage=True
    ),
    build_hidden_rule_sample(
        "hidden-junk-move",
        set(),
        Name="Junk E-Mail Rule",
        MoveToFolder="Junk Email",
        SubjectContainsWords=None,
    ),
    build_hidden_rule_sample(
        "hidden", expect_forward("external"), ForwardTo=[f'"x" [SMTP:{EVIL}]']
    ),
    build_hidden_rule_sample(
        "hidden-text", expect_forward("external"), ForwardTo=f'"x" [SMTP:{EVIL}]'
    ),
    build_hidden_rule_sample("hidden-bare", expect_forward("external"), RedirectTo=[EVIL]),
    build_hidden_rule_sample(
        "hidden-lower", expect_forward("external"), RedirectTo=[f'"x" [smtp:{EVIL}]']
    ),
    build_hidden_rule_sample(
        "hidden-disguised",
        expect_forward("external"),
        RedirectTo=[f'"anna@contoso.com" [SMTP:{EVIL}]'],
    ),
    build_hidden_rule_sample(
        "hidden-brackets",
        expect_forward("external"),
        RedirectTo=[f'"[SMTP:anna@contoso.com]" [SMTP:{EVIL}]'],
    ),
    build_hidden_rule_sample(
        "hidden-holes",
        expect_forward("external"),
        ForwardAsAttachmentTo=[None, "", f'"x" [SMTP:{EVIL}]'],
    ),
    build_hidden_rule_sample(
        "hidden-nameless", expect_forward("external"), Name=None, RedirectTo=[f'"x" [SMTP:{EVIL}]']
    ),
    build_hidden_rule_sample(
        "hidden-contact", expect_forward("external"), RedirectTo=["Ext Contact"]
    ),
    build_hidden_rule_sample(
        "hidden-ex",
        expect_forward("external"),
        RedirectTo=[f'"Ext" [EX:{LEGACY_DN_PREFIX}77-ExtContact]'],
    ),
    build_hidden_rule_sample(
        "hidden-junk",
        expect_forward("external"),
        Name="Junk E-mail Rule",
        ForwardTo=[f'"x" [SMTP:{EVIL}]'],
    ),
    build_hidden_rule_sample(
        "hidden-oof",
        expect_forward("external"),
        Name="Microsoft.Exchange.OOF.Known",
        RedirectTo=[f'"x" [SMTP:{EVIL}]'],
    ),
    build_hidden_rule_sample(
        "hidden-off", expect_forward("dormant"), Enabled="False", ForwardTo=[f'"x" [SMTP:{EVIL}]']
    ),
    build_hidden_rule_sample(
        "hidden-nobody", expect_forward("unresolved"), ForwardTo=["Somebody Who Left"]
    ),
    build_hidden_rule_sample(
        "hidden-fax", expect_forward("unresolved"), ForwardTo=['"Fax" [FAX:+43 1 2345]']
    ),
    build_hidden_rule_sample(
        "hidden-stale",
        expect_forward("unresolved"),
        ForwardTo=['"Old" [EX:/o=Contoso/cn=Recipients/cn=x]'],
    ),
    build_hidden_rule_sample(
        "hidden-inside", EXPECT_HIDDEN, ForwardTo=[f'"{EVIL}" [SMTP:anna@contoso.com]']
    ),
    build_hidden_rule_sample(
        "hidden-inside-ex",
        EXPECT_HIDDEN,
        ForwardTo=[f'"hidden" [EX:{LEGACY_DN_PREFIX}0a1b-hidden]'],
    ),
    build_hidden_rule_sample(
        "junk",
        set(),
        Name="Junk E-mail Rule",
        StopProcessingRules=False,
        SubjectContainsWords=None,
    ),
    build_hidden_rule_sample(
        "junk-of-some-words",
        EXPECT_UNREADABLE,
        Name="Junk E-mail Rule",
        StopProcessingRules=False,
    ),
    build_hidden_rule_sample(
        "oof",
        set(),
        Name="Microsoft.Exchange.OOF.InternalSenders.Global",
        StopProcessingRules=False,
        SubjectContainsWords=None,
    ),
    build_hidden_rule_sample("hidden-delete", expect_hiding(), DeleteMessage="True"),
    build_hidden_rule_sample("hidden-soft-delete", expect_hiding(), SoftDeleteMessage=True),
    build_hidden_rule_sample("hidden-projects", expect_hiding(), MoveToFolder="Projects"),
    build_hidden_rule_sample(
        "hidden-not-deleting", expect_hiding(), DeleteMessage="False", MarkAsRead="True"
    ),
)
HIDING_RULES = (
    build_rule_sample("delete", expect_hiding(), {"delete": True}),
    build_rule_sample(
        "permanent", expect_hiding(), {"permanentDelete": True, "stopProcessingRules": True}
    ),
    build_rule_sample("permanent-text", expect_hiding(), {"permanentDelete": "True"}),
    build_rule_sample(
        "visible-junk", expect_hiding(), {"permanentDelete": True}, displayName="Junk E-Mail Rule"
    ),
    build_rule_sample("to-deleted", expect_hiding(), {"moveToFolder": "AAMk-deleted="}),
    build_rule_sample("to-archive", expect_hiding(), {"moveToFolder": "AAMk-archive="}),
    build_rule_sample("to-junk", expect_hiding(), {"moveToFolder": "AAMk-junk="}),
    build_rule_sample(
        "to-history", expect_hiding(), {"moveToFolder": "AAMk-history=", "markAsRead": True}
    ),
    build_rule_sample("to-sync", expect_hiding(), {"moveToFolder": "AAMk-sync="}),
    build_rule_sample("to-rss", expect_hiding(), {"moveToFolder": "AAMk-rss="}),
    build_rule_sample("to-well-known", expect_hiding(), {"moveToFolder": "deleteditems"}),
    build_rule_sample(
        "to-well-known-case", expect_hiding(), {"moveToFolder": "ConversationHistory"}
    ),
    build_rule_sample("to-own-archive", set(), {"moveToFolder": "AAMk-own-archive="}),
    build_rule_sample(
        "to-projects", expect_hiding(), {"moveToFolder": "AAMk-projects=", "markAsRead": True}
    ),
    build_rule_sample("to-inbox", set(), {"moveToFolder": "AAMk-inbox="}),
    build_rule_sample("copy", set(), {"copyToFolder": "AAMk-deleted="}),
    build_rule_sample("not-deleting", expect_hiding(), {"delete": False, "markAsRead": True}),
    build_rule_sample("off-delete", set(), {"delete": True}, isEnabled=False),
    *(
        build_rule_sample(f"every-{number}", expect_hiding(), {"delete": True}, conditions=every)
        for number, every in enumerate(
            (
                {"sentToMe": True},
                {"bodyContains": ["@"]},
                {"bodyContains": ["\0"]},
                {"headerContains": ["Received"]},
                {"recipientContains": ["@contoso.com"]},
                {"withinSizeRange": {"minimumSize": 0, "maximumSize": None}},
                {"importance": "normal"},
            )
        )
    ),
    build_rule_sample(
        "everything-in-sight", expect_hiding(), {"moveToFolder": "AAMk-projects="}, conditions=None
    ),
    *(
        build_rule_sample(
            f"sorts-{number}", set(), {"moveToFolder": "AAMk-projects="}, conditions=some
        )
        for number, some in enumerate(
            (
                {"subjectContains": ["invoice"]},
                {"senderContains": ["news@shop.example"]},
                {"fromAddresses": [build_email_address("anna@contoso.com")]},
                {"sentToAddresses": [build_email_address("sales@contoso.com")]},
                {"sentCcMe": True},
                {"isAutomaticReply": True},
            )
        )
    ),
    build_rule_sample("to-nowhere", EXPECT_LOST, {"moveToFolder": "AAMk-gone="}),
)
