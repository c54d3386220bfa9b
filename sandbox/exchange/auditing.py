"""What a mailbox's audit settings hold and how they change (Microsoft Learn: "Manage mailbox
auditing").

A logon type in DefaultAuditSet is kept up to date by Microsoft. Setting its actions by hand takes
it out of there, even when the actions are the default ones; naming it in DefaultAuditSet puts the
default actions back and it in again.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.graph.odata import to_list
from sandbox.http_types import Row, split_words

LOGON_TYPES = ("Admin", "Delegate", "Owner")
DEFAULT_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "Admin": split_words(
        "Update MoveToDeletedItems SoftDelete HardDelete SendAs SendOnBehalf Create"
        " UpdateFolderPermissions UpdateInboxRules UpdateCalendarDelegation ApplyRecord"
        " MailItemsAccessed Send"
    ),
    "Delegate": split_words(
        "Update MoveToDeletedItems SoftDelete HardDelete SendAs SendOnBehalf Create"
        " UpdateFolderPermissions UpdateInboxRules ApplyRecord MailItemsAccessed"
    ),
    "Owner": split_words(
        "Update MoveToDeletedItems SoftDelete HardDelete UpdateFolderPermissions"
        " UpdateInboxRules UpdateCalendarDelegation ApplyRecord MailItemsAccessed Send"
    ),
}
COMMON_ACTIONS = frozenset(
    split_words(
        "RecordDelete Copy Move AddFolderPermissions ModifyFolderPermissions"
        " RemoveFolderPermissions Create"
    )
)
ALLOWED_ACTIONS: Mapping[str, frozenset[str]] = {
    "Admin": COMMON_ACTIONS | {*DEFAULT_ACTIONS["Admin"], "FolderBind", "MessageBind"},
    "Delegate": COMMON_ACTIONS | {*DEFAULT_ACTIONS["Delegate"], "FolderBind"},
    "Owner": COMMON_ACTIONS | {*DEFAULT_ACTIONS["Owner"], "MailboxLogin", "SearchQueryInitiated"},
}
LICENSED_ACTIONS = frozenset({"MailItemsAccessed", "Send"})
ADVANCED_AUDITING = "M365Auditing"
HASHTABLE = "#Exchange.GenericHashTable"
TIME_SPAN = re.compile(r"(?:(\d{1,5})\.)?(\d{1,2}):([0-5]\d):([0-5]\d)(?:\.\d+)?")


class InvalidParameterType(ValueError):
    """A value that is not of its parameter's type."""


class ValueNotAllowed(ValueError):
    """A value of the right type that this mailbox does not take."""


def list_default_actions(mailbox: Row, logon_type: str, all_defaults: bool) -> list[str]:
    """Microsoft's list for a logon type: two actions go only to who is licensed for them.

    A mailbox that does not print its capabilities counts as licensed, as does every one where the
    scene says so (`all_defaults`).
    """
    capabilities = mailbox.get("PersistedCapabilities")
    if all_defaults or capabilities is None or ADVANCED_AUDITING in to_list(capabilities):
        return list(DEFAULT_ACTIONS[logon_type])
    return [each for each in DEFAULT_ACTIONS[logon_type] if each not in LICENSED_ACTIONS]


def parse_logon_types(value: Any) -> list[str]:
    """The value of DefaultAuditSet. Raises NotTransformable for what is no logon type."""
    words = value.split(",") if isinstance(value, str) else to_list(value)
    named = {str(word).strip().casefold() for word in words}
    known = [each for each in LOGON_TYPES if each.casefold() in named]
    if not known or len(known) != len(named):
        raise InvalidParameterType(
            f"Cannot convert value to MailboxAuditOperations: {str(value)[:64]}"
        )
    return known


def resolve_actions(value: Any, present: Iterable[str], logon_type: str) -> list[str]:
    """The value of AuditAdmin and its like: a list replaces, a tagged hashtable adds and removes.

    Raises NotTransformable for an untagged one, which arrives as a type no binder knows.
    """
    if isinstance(value, Mapping):
        if value.get("@odata.type") != HASHTABLE:
            raise InvalidParameterType(
                f"Cannot process argument transformation on parameter 'Audit{logon_type}'. Cannot "
                'convert the "Newtonsoft.Json.Linq.JObject" value to the multi-valued property.'
            )
        removed = {str(each).casefold() for each in to_list(value.get("Remove"))}
        kept = [each for each in present if each.casefold() not in removed]
        return merge_actions(kept, normalize_actions(to_list(value.get("Add")), logon_type))
    return merge_actions([], normalize_actions(to_list(value), logon_type))


def normalize_actions(values: Iterable[Any], logon_type: str) -> list[str]:
    """Actions in their own spelling. Raises NotTransformable for those of another logon type."""
    spelling = {each.casefold(): each for each in ALLOWED_ACTIONS[logon_type]}
    spelling["none"] = "None"
    result = []
    for value in values:
        action = spelling.get(str(value).casefold())
        if action is None:
            raise InvalidParameterType(
                f"The audit operation {str(value)[:64]} is not valid for Audit{logon_type}."
            )
        if action != "None":
            result.append(action)
    return result


def merge_actions(present: list[str], added: list[str]) -> list[str]:
    return present + [each for each in dict.fromkeys(added) if each not in present]


def normalize_time_span(value: Any) -> str:
    """A TimeSpan as Exchange prints it, `dd.hh:mm:ss`. Raises NotTransformable."""
    found = TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 23:
        raise InvalidParameterType(f"Cannot convert value to EnhancedTimeSpan: {str(value)[:64]}")
    days = f"{int(found[1])}." if found[1] and int(found[1]) else ""
    return f"{days}{int(found[2]):02}:{found[3]}:{found[4]}"


def build_audit_changes(mailbox: Row, requested: Mapping[str, Any], all_defaults: bool) -> Row:
    """The properties that the audit parameters of Set-Mailbox change, with their new values."""
    result: Row = {}
    managed = set(to_list(mailbox.get("DefaultAuditSet")))
    if "DefaultAuditSet" in requested:
        for logon_type in parse_logon_types(requested["DefaultAuditSet"]):
            managed.add(logon_type)
            result[f"Audit{logon_type}"] = list_default_actions(mailbox, logon_type, all_defaults)
    for logon_type in LOGON_TYPES:
        name = f"Audit{logon_type}"
        if name not in requested:
            continue
        usual = list_default_actions(mailbox, logon_type, all_defaults)
        present = to_list(result.get(name, mailbox.get(name, usual)))
        chosen = resolve_actions(requested[name], present, logon_type)
        licensed = ADVANCED_AUDITING in to_list(mailbox.get("PersistedCapabilities"))
        if licensed and "MessageBind" in chosen and "MessageBind" not in present:
            raise ValueNotAllowed(
                "MessageBind is no longer an audit action of this mailbox's licence."
            )
        result[name] = chosen
        managed.discard(logon_type)
    if result:
        result["DefaultAuditSet"] = [each for each in LOGON_TYPES if each in managed]
    return result
