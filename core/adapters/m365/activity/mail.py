"""What records of a mailbox's own audit say of mail: opened, copied, fetched or sent. Pure.

MailItemsAccessed names single messages (Bind) or a whole folder (Sync), and says when the service
stopped recording (Microsoft Learn: Use MailItemsAccessed to investigate compromised accounts).
Send has the subject and, since 2025, the recipients (office-365-management-api, schema).
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from core.adapters.m365.activity.fields import (
    NAME_LIMIT,
    fold_names,
    iter_pairs,
    parse_name,
    parse_number,
)
from core.adapters.parsing import LIST_LIMIT, ResponseRow, parse_optional_bool
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.assumptions.audit_queries import ATTACHMENT_FORM, MAIL_FORM
from core.tenant.audit_queries import MailAccess, MailItem, MailPart

RELIES_ON = (ATTACHMENT_FORM, MAIL_FORM)

MAX_ITEMS, MAX_RECIPIENTS, MAX_ATTACHMENTS = 200, 200, 20
ID_LIMIT = 320
MAIL_OPERATIONS: Mapping[str, MailAccess] = {
    normalize_operation(name): access
    for name, access in (
        ("MailItemsAccessed", MailAccess.UNKNOWN),
        ("AttachmentAccess", MailAccess.ATTACHMENT),
        ("Send", MailAccess.SENT),
        ("SendAs", MailAccess.SENT),
        ("SendOnBehalf", MailAccess.SENT),
    )
}
ACCESS_TYPES = {"bind": MailAccess.BIND, "sync": MailAccess.SYNC}


def parse_mail_part(row: ResponseRow) -> MailPart | None:
    """What a record says of mail; None for one that is about none."""
    record = fold_names(row)
    access = MAIL_OPERATIONS.get(normalize_operation(parse_name(record.get("operation"))))
    if access is None:
        return None
    told = {
        name.casefold(): value
        for name, value in iter_pairs(record.get("operationproperties"), "Name", "Value")
    }
    if access is MailAccess.UNKNOWN:
        kind = parse_name(told.get("mailaccesstype"), 32).casefold()
        access = ACCESS_TYPES.get(kind, MailAccess.UNKNOWN)
    items = [*iter_folder_items(record.get("folders")), *iter_single_items(record)]
    recipients = list(iter_texts(record.get("recipientlist")))
    counted = parse_number(record.get("recipientcount")) or 0
    left_out = max(0, len(items) - MAX_ITEMS)
    left_out += max(0, len(recipients) - MAX_RECIPIENTS, counted - len(recipients))
    return MailPart(
        access=access,
        mailbox=parse_name(record.get("mailboxownerupn")),
        items=tuple(items[:MAX_ITEMS]),
        folders=tuple(dict.fromkeys(iter_folders(record)))[:MAX_ITEMS],
        recipients=tuple(recipients[:MAX_RECIPIENTS]),
        is_throttled=parse_optional_bool(told.get("isthrottled")) is True,
        left_out=left_out,
    )


def iter_rows(value: object) -> Iterator[Mapping[str, object]]:
    """The objects of a list, by names in lower case; an object by itself is the only one."""
    rows = value if isinstance(value, list) else [value]
    for row in islice(rows, LIST_LIMIT):
        if isinstance(row, Mapping):
            yield fold_names(row)


def iter_texts(value: object) -> Iterator[str]:
    """The texts of a list, or of what an export joined by semicolons."""
    parts = value.split(";") if isinstance(value, str) else value
    for part in islice(parts if isinstance(parts, list) else (), LIST_LIMIT):
        if text := parse_name(part, ID_LIMIT):
            yield text


def parse_item(row: Mapping[str, object], folder: str) -> MailItem | None:
    """One message; None for what names none."""
    found = parse_name(row.get("internetmessageid"), ID_LIMIT)
    subject = parse_name(row.get("subject"))
    attachments = tuple(islice(iter_attachments(row), MAX_ATTACHMENTS))
    if not (found or subject or attachments):
        return None
    return MailItem(found, folder, subject, attachments)


def iter_attachments(row: Mapping[str, object]) -> Iterator[str]:
    """The names of attachments, whether as objects, texts or one text with their sizes."""
    for name in ("attachments", "attachmentname", "attachment"):
        value = row.get(name)
        yield from iter_texts(value)
        for one in iter_rows(value):
            if text := parse_name(one.get("name") or one.get("attachmentname"), NAME_LIMIT):
                yield text


def iter_folder_items(value: object) -> Iterator[MailItem]:
    """The messages that a record names by their folders."""
    for folder in iter_rows(value):
        path = parse_name(folder.get("path"))
        for row in iter_rows(folder.get("folderitems")):
            if item := parse_item(row, path):
                yield item


def iter_single_items(record: Mapping[str, object]) -> Iterator[MailItem]:
    """The messages that a record names by themselves."""
    for name in ("item", "affecteditems", "items"):
        for row in iter_rows(record.get(name)):
            parent = next(iter_rows(row.get("parentfolder")), {})
            if item := parse_item(row, parse_name(parent.get("path"))):
                yield item


def iter_folders(record: Mapping[str, object]) -> Iterator[str]:
    """The folders that a record names; of a copied folder nothing else is known."""
    for source in (record.get("folders"), record.get("folder")):
        for folder in iter_rows(source):
            if path := parse_name(folder.get("path") or folder.get("name")):
                yield path
    for row in iter_rows(record.get("item")):
        # A folder that was copied is the item itself.
        for parent in iter_rows(row.get("parentfolder")):
            if path := parse_name(parent.get("path") or parent.get("name")):
                yield path
