"""Facts from the field as the wire prints them: parameters of commands become rows of a tenant."""

from collections.abc import Mapping, Sequence
from typing import Any

type Row = dict[str, Any]

LISTS = frozenset(
    {
        *("BodyContainsWords", "From", "FromAddressContainsWords", "HeaderContainsWords"),
        *("RecipientAddressContainsWords", "SentTo", "SubjectContainsWords"),
        *("SubjectOrBodyContainsWords", "ForwardTo", "ForwardAsAttachmentTo", "RedirectTo"),
    }
)
GRAPH_CONDITIONS = {
    "BodyContainsWords": "bodyContains",
    "From": "fromAddresses",
    "FromAddressContainsWords": "senderContains",
    "HasAttachment": "hasAttachments",
    "HeaderContainsWords": "headerContains",
    "MyNameInCcBox": "sentCcMe",
    "MyNameInToBox": "sentToMe",
    "RecipientAddressContainsWords": "recipientContains",
    "SentTo": "sentToAddresses",
    "SubjectContainsWords": "subjectContains",
    "SubjectOrBodyContainsWords": "bodyOrSubjectContains",
    "WithImportance": "importance",
}
GRAPH_ACTIONS = {
    "CopyToFolder": "copyToFolder",
    "DeleteMessage": "delete",
    "ForwardAsAttachmentTo": "forwardAsAttachmentTo",
    "ForwardTo": "forwardTo",
    "MarkAsRead": "markAsRead",
    "MoveToFolder": "moveToFolder",
    "RedirectTo": "redirectTo",
    "SoftDeleteMessage": "permanentDelete",
    "StopProcessingRules": "stopProcessingRules",
}
PEOPLE = frozenset({"From", "SentTo", "ForwardTo", "ForwardAsAttachmentTo", "RedirectTo"})
WELL_KNOWN = {
    "archive": "archive",
    "calendar": "",
    "conversation history": "conversationhistory",
    "deleted items": "deleteditems",
    "inbox": "inbox",
    "notes": "",
    "sent items": "sentitems",
    "junk email": "junkemail",
    "rss feeds": "",
    "rss subscriptions": "",
}


def parse_parameter(name: str, text: str) -> object:
    """A parameter as an audit record has it, all text, as what was meant."""
    if name in LISTS:
        # Some write commas between words that others part with semicolons.
        mark = ";" if ";" in text or name in PEOPLE else ","
        return [part.strip(" ") for part in text.split(mark)]
    return text.casefold() == "true" if text.casefold() in ("true", "false") else text


def get_folder_names(path: str) -> list[str]:
    """The names along the path of a folder, without the mailbox before the colon."""
    return [name for name in path.rpartition(":")[2].split("\\") if name]


def build_folder_id(path: str) -> str:
    """An id for a folder, derived from its path."""
    return f"AAMk{'-'.join(get_folder_names(path)).encode().hex()}="


def build_graph_rule(number: int, parameters: Mapping[str, str]) -> Row:
    """A messageRule with these parameters, as Graph prints it."""
    conditions: Row = {}
    actions: Row = {}
    for name, text in parameters.items():
        value = parse_parameter(name, text)
        if isinstance(value, list) and name in PEOPLE:
            value = [{"emailAddress": {"name": one, "address": one}} for one in value]
        if name in ("MoveToFolder", "CopyToFolder"):
            value = build_folder_id(text)
        if name == "WithImportance":
            value = text.casefold()
        if name in GRAPH_CONDITIONS:
            conditions[GRAPH_CONDITIONS[name]] = value
        elif name in GRAPH_ACTIONS:
            actions[GRAPH_ACTIONS[name]] = value
    return {
        "id": f"AQAAB{number:04}=",
        "displayName": parameters.get("Name", ""),
        "sequence": 1,
        "isEnabled": True,
        "hasError": False,
        "isReadOnly": False,
        "conditions": conditions,
        "actions": actions,
    }


def build_exchange_rule(number: int, parameters: Mapping[str, str]) -> Row:
    """The same rule as Get-InboxRule prints it."""
    row: Row = {
        "Identity": f"box\\{number}",
        "RuleIdentity": 10_000_000 + number,
        "Enabled": True,
        "Priority": 1,
        "InError": False,
        "ForwardTo": None,
        "ForwardAsAttachmentTo": None,
        "RedirectTo": None,
        "MoveToFolder": None,
        "DeleteMessage": False,
        "SoftDeleteMessage": False,
        "MarkAsRead": False,
        "StopProcessingRules": False,
    }
    for name, text in parameters.items():
        value = parse_parameter(name, text)
        if isinstance(value, list) and name in PEOPLE:
            value = [f'"{one}" [SMTP:{one}]' for one in value]
        if name == "MoveToFolder":
            value = f"box:\\{'\\'.join(get_folder_names(text))}"
        row[name] = value
    return row


def build_folders(rules: Sequence[Mapping[str, str]]) -> list[Row]:
    """The folders that rules move mail to, each below the one before it on its path."""
    found: dict[str, Row] = {}
    for parameters in rules:
        for name in ("MoveToFolder", "CopyToFolder"):
            names = get_folder_names(parameters.get(name, ""))
            for depth, shown in enumerate(names, 1):
                folder_id = build_folder_id("\\".join(names[:depth]))
                row: Row = {"id": folder_id, "displayName": shown}
                if depth > 1:
                    row["parentFolderId"] = build_folder_id("\\".join(names[: depth - 1]))
                known = WELL_KNOWN.get(shown.casefold()) if depth == 1 else None
                if known:
                    row["wellKnownName"] = known
                found[folder_id] = row
    return list(found.values())
