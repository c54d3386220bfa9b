"""Inbox rules as Graph and as Exchange show them, each with the verdict it should get."""

from typing import Any

from tests.integration.export_samples.export import (
    ABSENT,
    EVIL,
    LEGACY,
    Case,
    Row,
    Said,
    guid,
    without,
)
from tests.integration.export_samples.forwards import GUEST

HOSTILE = "**[x](https://evil.example)** <at>all</at>"


def to(address: object, name: object = ABSENT) -> Row:
    return {"emailAddress": without({"name": name, "address": address})}


def graph_rule(actions: object, **more: Any) -> Row:
    row = {
        "id": guid("rule", repr(actions), repr(more)),
        "displayName": HOSTILE,
        "sequence": 1,
        "isEnabled": True,
        "hasError": False,
        "isReadOnly": False,
        "conditions": {"subjectContains": ["invoice"]},
        "actions": actions,
    }
    return without(row | more)


def exchange_rule(**properties: Any) -> Row:
    row = {
        "Identity": f"box\\{int(guid(repr(properties))[:8], 16)}",
        "RuleIdentity@data.type": "System.UInt64",
        "RuleIdentity": int(guid(repr(properties)).replace("-", "")[:16], 16),
        "Name": HOSTILE,
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
    return without(row | properties)


def sends(verdict: str | None) -> Said:
    return {("inbox-rule-forward", verdict)} if verdict else set()


def hides(verdict: str | None = "hides-mail") -> Said:
    return {("inbox-rule-hides", verdict)} if verdict else set()


UNREADABLE = {("inbox-rule-unreadable", "could-not-tell")}


def rule(alias: str, said: Said, actions: object, **more: Any) -> Case:
    return Case(alias, said, rules=(graph_rule(actions, **more),))


def hidden(alias: str, said: Said, **properties: Any) -> Case:
    return Case(alias, said, exchange_rules=(exchange_rule(**properties),))


TWIN = {"Name": "Twin", "RedirectTo": [f'"x" [SMTP:{EVIL}]']}
SENDING_RULES = (
    rule("forward", sends("external"), {"forwardTo": [to(EVIL, "x")]}),
    rule(
        "redirect-only", sends("external"), {"redirectTo": [to(EVIL)], "stopProcessingRules": True}
    ),
    rule("attachment-only", sends("external"), {"forwardAsAttachmentTo": [to(EVIL)]}),
    rule("enabled-absent", sends("external"), {"forwardTo": [to(EVIL)]}, isEnabled=ABSENT),
    rule(
        "nameless",
        sends("external"),
        {"forwardTo": [to(EVIL)]},
        displayName=ABSENT,
        conditions=ABSENT,
    ),
    rule(
        "null-name", sends("external"), {"forwardTo": [to(EVIL)]}, displayName=None, conditions=None
    ),
    rule("disguised", sends("external"), {"redirectTo": [to(EVIL, "anna@contoso.com")]}),
    rule("holes", sends("external"), {"forwardTo": [None, to(EVIL), None]}),
    rule("mixed", sends("external"), {"forwardTo": [to("anna@contoso.com"), to("X@Evil.Example")]}),
    rule("twice", sends("external"), {"forwardTo": [to(EVIL)], "redirectTo": [to(EVIL.upper())]}),
    rule("guest", sends("external"), {"redirectTo": [to(GUEST)]}),
    rule("contact-ex", sends("external"), {"redirectTo": [to(f"{LEGACY}77-ExtContact".upper())]}),
    rule("prefixed", sends("external"), {"redirectTo": [to(f"smtp:{EVIL}")]}),
    rule("both", sends("external") | hides(), {"redirectTo": [to(EVIL)], "permanentDelete": True}),
    Case(
        "disabled-account",
        sends("external"),
        user={"accountEnabled": False},
        rules=(graph_rule({"redirectTo": [to(EVIL)]}),),
    ),
    rule("inside", set(), {"forwardTo": [to("Anna@contoso.COM")]}),
    rule("inside-ex", set(), {"forwardTo": [to(f"{LEGACY}0a1b-forward".upper())]}),
    rule("inside-x500", set(), {"forwardTo": [to("/o=OldOrg/ou=First/cn=Recipients/cn=forward")]}),
    rule("inside-group", set(), {"redirectTo": [to("sales@contoso.com")]}),
    rule("inside-contact", set(), {"redirectTo": [to(f"{LEGACY}77-InnerContact")]}),
    rule("stop-only", set(), {"stopProcessingRules": True}),
    rule("empty-lists", set(), {"forwardTo": [], "redirectTo": [], "markAsRead": True}),
    rule("category", set(), {"assignCategories": ["Red"], "markImportance": "low"}),
    rule(
        "stale-ex", sends("unresolved"), {"forwardTo": [to("/o=Contoso/ou=Old/cn=Recipients/cn=x")]}
    ),
    rule("name-only", sends("unresolved"), {"forwardTo": [to(ABSENT, "Bob From Home")]}),
    rule("broken", sends("external"), {"forwardTo": [to(EVIL)]}, hasError=True),
    rule("spaces", sends("external"), {"forwardTo": [to(f"  {EVIL} ")]}),
    rule("off", sends("dormant"), {"forwardTo": [to(EVIL)]}, isEnabled=False),
    rule("no-actions", UNREADABLE, ABSENT, isReadOnly=True),
    rule("no-actions-but-writable", UNREADABLE, {}),
    rule("null-actions", UNREADABLE, None, isReadOnly=True),
)
DEEP_RULES = (
    # Client-side rules Graph shows without their actions, and Exchange with them.
    Case(
        "read-only-forward",
        sends("external"),
        rules=(graph_rule(ABSENT, displayName="Twin", isReadOnly=True),),
        exchange_rules=(exchange_rule(**TWIN),),
    ),
    Case(
        "read-only-harmless",
        set(),
        rules=(graph_rule(ABSENT, displayName="Twin", isReadOnly=True),),
        exchange_rules=(exchange_rule(Name="Twin", MarkAsRead="True"),),
    ),
    Case(
        "hidden-twin",
        sends("external"),
        rules=(graph_rule({"redirectTo": [to(EVIL)]}, displayName="Twin"),),
        exchange_rules=(exchange_rule(**TWIN),),
    ),
    Case(
        "read-only-with-actions",
        sends("external"),
        rules=(graph_rule({"redirectTo": [to(EVIL)]}, isReadOnly=True),),
    ),
    Case(
        "decoy",
        sends("external"),
        rules=(graph_rule({"redirectTo": [to(EVIL)]}, displayName="Twin", isEnabled=False),),
        exchange_rules=(exchange_rule(**TWIN), exchange_rule(**TWIN | {"Enabled": "False"})),
    ),
    Case(
        "same-name",
        sends("external"),
        rules=(graph_rule({"redirectTo": [to("anna@contoso.com")]}, displayName="Twin"),),
        exchange_rules=(exchange_rule(**TWIN),),
    ),
    Case(
        "same-name-delete",
        hides(),
        rules=(graph_rule({"moveToFolder": "AAMk-projects="}, displayName="Twin"),),
        exchange_rules=(
            exchange_rule(Name="Twin", DeleteMessage=True),
            exchange_rule(Name="Twin", MoveToFolder="Projects"),
        ),
    ),
    Case(
        "same-name-move",
        hides(),
        rules=(graph_rule({"moveToFolder": "AAMk-projects="}, displayName="Twin"),),
        exchange_rules=(
            exchange_rule(Name="Twin", MoveToFolder="RSS Feeds"),
            exchange_rule(Name="Twin", MoveToFolder="Projects"),
        ),
    ),
    # Rules only Exchange shows.
    hidden(
        "hidden-joined",
        sends("external"),
        ForwardTo=f'"x" [SMTP:{EVIL}]; "Anna" [SMTP:anna@contoso.com]',
    ),
    hidden("hidden-joined-bare", sends("external"), ForwardTo=f"{EVIL},anna@contoso.com"),
    hidden("hidden-junk-delete", hides(), Name="Junk E-Mail Rule", DeleteMessage=True),
    hidden("hidden-junk-move", set(), Name="Junk E-Mail Rule", MoveToFolder="Junk Email"),
    hidden("hidden", sends("external"), ForwardTo=[f'"x" [SMTP:{EVIL}]']),
    hidden("hidden-text", sends("external"), ForwardTo=f'"x" [SMTP:{EVIL}]'),
    hidden("hidden-bare", sends("external"), RedirectTo=[EVIL]),
    hidden("hidden-lower", sends("external"), RedirectTo=[f'"x" [smtp:{EVIL}]']),
    hidden("hidden-disguised", sends("external"), RedirectTo=[f'"anna@contoso.com" [SMTP:{EVIL}]']),
    hidden(
        "hidden-brackets",
        sends("external"),
        RedirectTo=[f'"[SMTP:anna@contoso.com]" [SMTP:{EVIL}]'],
    ),
    hidden(
        "hidden-holes", sends("external"), ForwardAsAttachmentTo=[None, "", f'"x" [SMTP:{EVIL}]']
    ),
    hidden("hidden-nameless", sends("external"), Name=None, RedirectTo=[f'"x" [SMTP:{EVIL}]']),
    hidden("hidden-contact", sends("external"), RedirectTo=["Ext Contact"]),
    hidden("hidden-ex", sends("external"), RedirectTo=[f'"Ext" [EX:{LEGACY}77-ExtContact]']),
    hidden(
        "hidden-junk", sends("external"), Name="Junk E-mail Rule", ForwardTo=[f'"x" [SMTP:{EVIL}]']
    ),
    hidden(
        "hidden-oof",
        sends("external"),
        Name="Microsoft.Exchange.OOF.Known",
        RedirectTo=[f'"x" [SMTP:{EVIL}]'],
    ),
    hidden("hidden-off", sends("dormant"), Enabled="False", ForwardTo=[f'"x" [SMTP:{EVIL}]']),
    hidden("hidden-nobody", sends("unresolved"), ForwardTo=["Somebody Who Left"]),
    hidden("hidden-fax", sends("unresolved"), ForwardTo=['"Fax" [FAX:+43 1 2345]']),
    hidden(
        "hidden-stale", sends("unresolved"), ForwardTo=['"Old" [EX:/o=Contoso/cn=Recipients/cn=x]']
    ),
    hidden("hidden-inside", set(), ForwardTo=[f'"{EVIL}" [SMTP:anna@contoso.com]']),
    hidden("hidden-inside-ex", set(), ForwardTo=[f'"hidden" [EX:{LEGACY}0a1b-hidden]']),
    hidden("junk", set(), Name="Junk E-mail Rule", StopProcessingRules=False),
    hidden(
        "oof",
        set(),
        Name="Microsoft.Exchange.OOF.InternalSenders.Global",
        StopProcessingRules=False,
    ),
    hidden("hidden-delete", hides(), DeleteMessage="True"),
    hidden("hidden-soft-delete", hides(), SoftDeleteMessage=True),
    hidden("hidden-projects", set(), MoveToFolder="Projects"),
    hidden("hidden-not-deleting", set(), DeleteMessage="False", MarkAsRead="True"),
)
HIDING_RULES = (
    rule("delete", hides(), {"delete": True}),
    rule("permanent", hides(), {"permanentDelete": True, "stopProcessingRules": True}),
    rule("permanent-text", hides(), {"permanentDelete": "True"}),
    rule("visible-junk", hides(), {"permanentDelete": True}, displayName="Junk E-Mail Rule"),
    rule("to-deleted", hides(), {"moveToFolder": "AAMk-deleted="}),
    rule("to-archive", hides(), {"moveToFolder": "AAMk-archive="}),
    rule("to-junk", hides(), {"moveToFolder": "AAMk-junk="}),
    rule("to-history", hides(), {"moveToFolder": "AAMk-history=", "markAsRead": True}),
    rule("to-sync", hides(), {"moveToFolder": "AAMk-sync="}),
    rule("to-rss", hides(), {"moveToFolder": "AAMk-rss="}),
    rule("to-well-known", hides(), {"moveToFolder": "deleteditems"}),
    rule("to-well-known-case", hides(), {"moveToFolder": "ConversationHistory"}),
    rule("to-own-archive", set(), {"moveToFolder": "AAMk-own-archive="}),
    rule("to-projects", set(), {"moveToFolder": "AAMk-projects=", "markAsRead": True}),
    rule("to-inbox", set(), {"moveToFolder": "AAMk-inbox="}),
    rule("copy", set(), {"copyToFolder": "AAMk-deleted="}),
    rule("not-deleting", set(), {"delete": False, "markAsRead": True}),
    rule("off-delete", set(), {"delete": True}, isEnabled=False),
)
