"""Inbox rules, as Graph and as Exchange show them, into `InboxRule`. Pure."""

from collections.abc import Collection, Iterable, Mapping

from core.adapters.m365.inbox_rules.conditions import (
    EXCEPTION_PREFIX,
    parse_exchange_conditions,
    parse_graph_conditions,
)
from core.adapters.parsing import (
    FOLDER_ID_LIMIT,
    LIST_LIMIT,
    NAME_LIMIT,
    ResponseRow,
    is_set,
    parse_identifier,
    parse_recipient_text,
    parse_row_flag,
    parse_sequence_number,
    parse_text,
    split_recipients,
)
from core.tenant.mail_flow import InboxRule
from core.tenant.mail_readers import ReadingTest

RELIES_ON = (
    "exchange-rule-identity",
    "exchange-rule-fields",
    "graph-message-rules",
)

GRAPH_ACTIONS = frozenset(
    (
        "assignCategories",
        "copyToFolder",
        "delete",
        "forwardAsAttachmentTo",
        "forwardTo",
        "markAsRead",
        "markImportance",
        "moveToFolder",
        "permanentDelete",
        "redirectTo",
        "stopProcessingRules",
    )
)
# Of Graph's actions those that send mail on, those that hide it, and what the harmless ones hold.
FORWARD_ACTIONS = frozenset({"forwardAsAttachmentTo", "forwardTo", "redirectTo"})
DELETE_ACTIONS = frozenset({"delete", "permanentDelete"})
TELLING_ACTIONS = FORWARD_ACTIONS | DELETE_ACTIONS | {"moveToFolder"}
HARMLESS_ACTIONS: Mapping[str, type] = {
    "assignCategories": list,
    "copyToFolder": str,
    "markImportance": str,
    "stopProcessingRules": bool,
}
MAX_CONDITIONS_DEPTH = 6
SCALARS = frozenset({str, bool, int, float, type(None)})
EMPTY_TYPES = frozenset({str, list})
TEXT = frozenset({str})
EXCHANGE_ACTIONS = frozenset(
    (
        "ApplyCategory",
        "ApplySystemCategory",
        "CopyToFolder",
        "DeleteMessage",
        "DeleteSystemCategory",
        "ForwardAsAttachmentTo",
        "ForwardTo",
        "MarkAsRead",
        "MarkImportance",
        "MoveToFolder",
        "PinMessage",
        "RedirectTo",
        "SendTextMessageNotificationTo",
        "SoftDeleteMessage",
        "StopProcessingRules",
    )
)


# Of Exchange's actions those that send mail on or move it, and those that delete it.
EXCHANGE_TARGETS = ("ForwardTo", "ForwardAsAttachmentTo", "RedirectTo", "MoveToFolder")
EXCHANGE_DELETIONS = ("DeleteMessage", "SoftDeleteMessage")
EXCHANGE_FLAGS = ("Enabled", "InError", "MarkAsRead")


def parse_graph_recipients(value: object) -> tuple[str, ...]:
    """Recipients as strings: the address (which may be an X500 path), else the name."""
    if value is None:
        return ()
    found = []
    for entry in split_recipients(value):
        holder = entry.get("emailAddress") if isinstance(entry, dict) else None
        part = holder if isinstance(holder, dict) else {}
        shown = part.get("address") or part.get("name")
        if not isinstance(shown, str) or not shown.strip():
            raise ValueError("an inbox rule with a recipient that cannot be read")
        found.append(parse_recipient_text(shown.strip()))
    return tuple(found)


def is_harmless_rule(row: ResponseRow, is_plain_reading: ReadingTest | None = None) -> bool:
    """True for a Graph messageRule that surely leaves mail where it is, unread and in sight.

    Most rules are like that, and parsing them costs more than requesting them. Such a rule has
    exactly the form that Graph prints, and another action. Anything unusual in a rule, such as an
    unknown action, makes it one to parse. `is_plain_reading` says which of those that only mark
    mail as read nobody needs either.
    """
    done = list_plain_actions(row.get("actions"))
    if not done or not has_usual_form(row):
        return False
    return "markAsRead" not in done or is_plain(row, is_plain_reading)


def list_plain_actions(actions: object) -> list[str]:
    """What a rule does, if that surely neither sends mail nor moves or deletes it; else nothing."""
    if not isinstance(actions, dict):
        return []
    done = []
    for name, value in actions.items():
        if value is None:
            continue
        kind = HARMLESS_ACTIONS.get(name)
        if kind is not None and isinstance(value, kind):
            if is_set(value):
                done.append(name)
        elif value is True and name == "markAsRead":
            done.append(name)
        elif not (
            (value is False and (name in DELETE_ACTIONS or name == "markAsRead"))
            or (value == [] and name in FORWARD_ACTIONS)
        ):
            return []
    return done


def has_usual_form(row: ResponseRow) -> bool:
    """True for a rule that is printed, beside its actions, exactly as Graph prints one."""
    enabled, read_only, in_error = row.get("isEnabled"), row.get("isReadOnly"), row.get("hasError")
    return (
        (enabled is True or enabled is False)
        # Not `in (None, False)`: a zero is no boolean, and equals one.
        and (read_only is None or read_only is False)
        and (in_error is None or in_error is False)
        and bool(parse_identifier(row.get("id")))
        and are_usual_predicates(row.get("conditions"))
        and are_usual_predicates(row.get("exceptions"))
    )


def are_usual_predicates(value: object) -> bool:
    """True for conditions or exceptions that surely can be parsed."""
    return value is None or (isinstance(value, dict) and is_within_limits(value))


def is_plain(row: ResponseRow, is_plain_reading: ReadingTest | None) -> bool:
    """True for a rule of the usual form that only marks mail as read, and that nobody needs."""
    if is_plain_reading is None or row.get("exceptions") is not None:
        return False
    conditions = parse_graph_conditions(row.get("conditions"))
    return is_plain_reading(parse_text(row.get("displayName")), conditions)


def is_within_limits(value: object, depth: int = MAX_CONDITIONS_DEPTH) -> bool:
    """True for a value whose lists are not too long and which is not nested too deeply."""
    if type(value) in SCALARS:
        return True
    if isinstance(value, dict):
        parts: Iterable[object] = value.values()
    elif isinstance(value, list):
        if len(value) > LIST_LIMIT:
            return False
        parts = value
    else:
        return True
    if depth == 0:
        return False
    for part in parts:
        # Asked here too, since nearly every part is one and a call takes longer than the question.
        if type(part) not in SCALARS and not is_within_limits(part, depth - 1):
            return False
    return True


def parse_graph_rule(mailbox_id: str, row: ResponseRow) -> InboxRule:
    """A Graph messageRule. Without an action that tells what becomes of the mail, it is not
    readable, nor with an unknown one beside others that tell nothing.

    Graph shows rules it cannot express without conditions and actions (public issue
    microsoft-graph-docs-contrib 3336).
    """
    rule_id = parse_identifier(row.get("id"))
    if not rule_id:
        raise ValueError("an inbox rule without a usable id")
    actions = row.get("actions") or {}
    if not isinstance(actions, dict):
        raise ValueError("an inbox rule whose actions are not an object")
    acting = {name for name, value in actions.items() if is_set(value)}
    deletes = "delete" if parse_row_flag(actions, "delete") else ""
    return InboxRule(
        id=rule_id,
        mailbox_id=mailbox_id,
        name=parse_text(row.get("displayName")),
        api="graph",
        enabled=parse_row_flag(row, "isEnabled", default=True),
        read_only=parse_row_flag(row, "isReadOnly"),
        in_error=parse_row_flag(row, "hasError"),
        sequence=parse_sequence_number(row.get("sequence")),
        forward_to=parse_graph_recipients(actions.get("forwardTo")),
        forward_as_attachment_to=parse_graph_recipients(actions.get("forwardAsAttachmentTo")),
        redirect_to=parse_graph_recipients(actions.get("redirectTo")),
        delete="permanent" if parse_row_flag(actions, "permanentDelete") else deletes,
        move_to=parse_folder_id(actions.get("moveToFolder")),
        mark_as_read=parse_row_flag(actions, "markAsRead"),
        conditions=parse_graph_conditions(row.get("conditions")),
        exceptions=parse_graph_conditions(row.get("exceptions")),
        readable=shows_enough(acting),
        has_unknown_action=not acting <= GRAPH_ACTIONS,
    )


def shows_enough(acting: Collection[str]) -> bool:
    """True when what a Graph rule does suffices to judge it.

    Beside an action that sends, moves or deletes mail, an unknown one takes nothing back: the rule
    is judged by what is known of it, and the unknown one is told where that is harmless.
    """
    return bool(acting) and (
        GRAPH_ACTIONS.issuperset(acting) or not TELLING_ACTIONS.isdisjoint(acting)
    )


def parse_folder_id(value: object) -> str:
    """A rule's target folder. What is set but cannot be an id would hide a move: an error."""
    if not is_set(value):
        return ""
    found = parse_identifier(value, FOLDER_ID_LIMIT)
    if not found:
        raise ValueError("an inbox rule with a folder that cannot be read")
    return found


def parse_exchange_recipients(value: object) -> tuple[str, ...]:
    """Recipient strings as Exchange prints them, e.g. `"Ann" [SMTP:ann@example.org]`."""
    found = []
    for entry in split_recipients(value):
        if not isinstance(entry, str) or not entry.strip():
            raise ValueError("a rule with a recipient that cannot be read")
        found.append(parse_recipient_text(entry.strip()))
    return tuple(found)


def parse_exchange_rule(mailbox_id: str, row: ResponseRow) -> InboxRule:
    """A row of Get-InboxRule. DeleteMessage goes to Deleted Items, SoftDeleteMessage past it."""
    rule_id = parse_identifier(row.get("RuleIdentity")) or parse_identifier(
        parse_text(row.get("Identity"), NAME_LIMIT).rpartition("\\")[2]
    )
    if not rule_id:
        raise ValueError("an inbox rule without a usable id")
    deletes = "delete" if parse_row_flag(row, "DeleteMessage") else ""
    return InboxRule(
        id=rule_id,
        mailbox_id=mailbox_id,
        name=parse_text(row.get("Name")),
        api="exchange",
        enabled=parse_row_flag(row, "Enabled", default=True),
        in_error=parse_row_flag(row, "InError"),
        sequence=parse_sequence_number(row.get("Priority")),
        forward_to=parse_exchange_recipients(row.get("ForwardTo")),
        forward_as_attachment_to=parse_exchange_recipients(row.get("ForwardAsAttachmentTo")),
        redirect_to=parse_exchange_recipients(row.get("RedirectTo")),
        delete="permanent" if parse_row_flag(row, "SoftDeleteMessage") else deletes,
        move_to=parse_text(row.get("MoveToFolder")),
        mark_as_read=parse_row_flag(row, "MarkAsRead"),
        conditions=parse_exchange_conditions(row),
        exceptions=parse_exchange_conditions(row, EXCEPTION_PREFIX),
        readable=any([is_set(row[name]) for name in EXCHANGE_ACTIONS & row.keys()]),
    )


def is_plain_exchange_rule(row: ResponseRow) -> bool:
    """True for a row of Get-InboxRule that surely can be parsed, and whose rule surely neither
    sends mail nor moves or deletes it.
    """
    for name in EXCHANGE_TARGETS:
        value = row.get(name)
        if value is not None and (value or type(value) not in EMPTY_TYPES):
            return False
    for name in EXCHANGE_DELETIONS:
        value = row.get(name)
        if value is not None and value is not False:
            return False
    for name in EXCHANGE_FLAGS:
        value = row.get(name)
        if value is not None and value is not False and value is not True:
            return False
    return bool(parse_identifier(row.get("RuleIdentity"))) and all(
        [type(value) in SCALARS or is_list_of_texts(value) for value in row.values()]
    )


def is_list_of_texts(value: object) -> bool:
    """True for a list of texts that is not too long."""
    return (
        isinstance(value, list) and len(value) <= LIST_LIMIT and TEXT.issuperset(map(type, value))
    )
