"""Rows of Graph and Exchange about one account, bounded. Each raises ValueError for no such row."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from core.adapters.parsing import (
    LIST_LIMIT,
    ResponseRow,
    get_part,
    parse_identifier,
    parse_object_id,
    parse_optional_bool,
    parse_row_flag,
    parse_text,
    parse_timestamp,
)
from core.tenant.changes import CLIENT_PROTOCOLS
from core.tenant.containing import NAME_LIMIT, VALUE_LIMIT, AccountDetail, TargetAccount

TARGET_PROPERTIES = (
    "id,userPrincipalName,mail,displayName,accountEnabled,userType,onPremisesSyncEnabled,"
    "onPremisesSamAccountName,isManagementRestricted,createdDateTime,lastPasswordChangeDateTime,"
    "signInSessionsValidFromDateTime,assignedLicenses,proxyAddresses"
)
METHOD_SUFFIX = "authenticationmethod"
ADDRESS_LIMIT = 64


def parse_known_time(value: object) -> datetime | None:
    """A point in time; None when it is absent or makes no sense."""
    try:
        return parse_timestamp(value)
    except ValueError:
        return None


def parse_target(row: ResponseRow) -> TargetAccount:
    """A Graph user with `TARGET_PROPERTIES`."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a user without a usable id")
    licences = row.get("assignedLicenses")
    listed = licences[:LIST_LIMIT] if isinstance(licences, list) else []
    return TargetAccount(
        id=found,
        upn=parse_text(row.get("userPrincipalName"), VALUE_LIMIT),
        name=parse_text(row.get("displayName"), NAME_LIMIT),
        mail=parse_text(row.get("mail"), VALUE_LIMIT),
        aliases=tuple(parse_aliases(row.get("proxyAddresses"))),
        enabled=parse_optional_bool(row.get("accountEnabled")),
        is_guest=is_from_outside(row),
        synced=parse_row_flag(row, "onPremisesSyncEnabled"),
        on_premises_name=parse_text(row.get("onPremisesSamAccountName"), NAME_LIMIT),
        is_management_restricted=parse_row_flag(row, "isManagementRestricted"),
        created_at=parse_known_time(row.get("createdDateTime")),
        password_changed_at=parse_known_time(row.get("lastPasswordChangeDateTime")),
        sessions_valid_from=parse_known_time(row.get("signInSessionsValidFromDateTime")),
        licence_ids=tuple(
            parse_object_id(one.get("skuId")) for one in listed if isinstance(one, Mapping)
        ),
    )


def is_from_outside(row: ResponseRow) -> bool:
    """Whether another organization signs the account in: a guest, or one who was made a member."""
    upn = parse_text(row.get("userPrincipalName"), VALUE_LIMIT).lower()
    return parse_text(row.get("userType"), 20).lower() == "guest" or "#ext#@" in upn


def parse_aliases(value: object) -> Iterator[str]:
    """The addresses of mail among proxyAddresses, each without its prefix."""
    for one in value[:LIST_LIMIT] if isinstance(value, list) else ():
        kind, _, address = parse_text(one, VALUE_LIMIT).partition(":")
        if kind.lower() == "smtp" and address:
            yield address


def make_values(row: ResponseRow, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Some properties of a row as bounded text, those that are there."""
    found = [(name, format_value(row.get(name))) for name in names]
    return tuple((name, text) for name, text in found if text)


def format_value(value: object) -> str:
    """A property as bounded text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return parse_text("; ".join(parse_text(one, 200) for one in value[:20]), VALUE_LIMIT)
    return parse_text(value if isinstance(value, str) else str(value), VALUE_LIMIT)


def parse_method(row: ResponseRow) -> AccountDetail:
    """A sign-in method (Microsoft Learn: authenticationMethod). The date may be absent."""
    name = parse_text(row.get("@odata.type"), 100).lower().removeprefix("#microsoft.graph.")
    kind = name.removesuffix(METHOD_SUFFIX)
    title = next(
        (
            parse_text(row.get(field), NAME_LIMIT)
            for field in ("displayName", "phoneNumber", "emailAddress", "model")
            if row.get(field)
        ),
        "",
    )
    return AccountDetail(
        require_id(row),
        f"{kind or 'of an unknown kind'} {title}".strip(),
        kind,
        parse_known_time(row.get("createdDateTime")),
        make_values(row, ("phoneNumber", "phoneType", "deviceTag", "keyStrength", "model")),
    )


def require_id(row: ResponseRow, name: str = "id") -> str:
    """The id of a row."""
    found = parse_identifier(row.get(name))
    if not found:
        raise ValueError("a row without a usable id")
    return found


def parse_device(row: ResponseRow) -> AccountDetail:
    """A registered device (Microsoft Learn: device)."""
    return AccountDetail(
        require_id(row),
        parse_text(row.get("displayName"), NAME_LIMIT),
        parse_text(row.get("operatingSystem"), 64),
        parse_known_time(row.get("registrationDateTime")),
        make_values(row, ("deviceId", "trustType", "accountEnabled", "operatingSystemVersion")),
    )


def parse_grant(row: ResponseRow) -> AccountDetail:
    """A delegated grant of this user. Entra keeps no date of it."""
    return AccountDetail(
        require_id(row),
        parse_object_id(row.get("clientId")),
        "delegated-grant",
        None,
        make_values(row, ("scope", "resourceId", "consentType")),
    )


def parse_app(row: ResponseRow) -> AccountDetail:
    """An app registration or service principal that the user owns (Microsoft Learn: user,
    ownedObjects).
    """
    kind = parse_text(row.get("@odata.type"), 100).lower().removeprefix("#microsoft.graph.")
    return AccountDetail(
        require_id(row),
        parse_text(row.get("displayName"), NAME_LIMIT),
        kind,
        parse_known_time(row.get("createdDateTime")),
        make_values(row, ("appId", "signInAudience", "accountEnabled")),
    )


def parse_app_assignment(row: ResponseRow) -> AccountDetail:
    """An app that the user was assigned to, which a consent does as well (Microsoft Learn:
    appRoleAssignment).
    """
    return AccountDetail(
        require_id(row),
        parse_text(row.get("resourceDisplayName"), NAME_LIMIT),
        "app-role-assignment",
        parse_known_time(row.get("createdDateTime")),
        make_values(row, ("resourceId", "appRoleId")),
    )


def parse_client_protocols(row: ResponseRow) -> AccountDetail:
    """A row of Get-CASMailbox: which ways of mail clients are open."""
    return AccountDetail(
        require_id(row, "Guid"),
        parse_text(row.get("PrimarySmtpAddress"), NAME_LIMIT),
        values=make_values(row, tuple(CLIENT_PROTOCOLS.values())),
    )


def parse_phone(row: ResponseRow) -> AccountDetail:
    """A row of Get-MobileDevice."""
    title = parse_text(row.get("DeviceModel") or row.get("FriendlyName"), NAME_LIMIT)
    device = parse_text(row.get("DeviceId"), NAME_LIMIT)
    values = make_values(row, ("ClientType", "DeviceOS", "DeviceAccessState", "DeviceUserAgent"))
    return AccountDetail(
        require_id(row, "Guid"),
        title,
        parse_text(row.get("DeviceType"), 64),
        parse_known_time(row.get("FirstSyncTime")),
        (("device", device), *values),
    )


def parse_rule(row: ResponseRow) -> AccountDetail:
    """A row of Get-InboxRule with hidden ones."""
    return AccountDetail(
        parse_text(row.get("RuleIdentity") or row.get("Identity"), NAME_LIMIT),
        parse_text(row.get("Name"), NAME_LIMIT),
        values=make_values(
            row,
            (
                "Enabled",
                "Description",
                "ForwardTo",
                "RedirectTo",
                "ForwardAsAttachmentTo",
                "DeleteMessage",
                "MoveToFolder",
            ),
        ),
    )


def parse_right(row: ResponseRow) -> AccountDetail:
    """A row of Get-MailboxPermission or Get-RecipientPermission."""
    holder = parse_text(row.get("User") or row.get("Trustee"), NAME_LIMIT)
    if not holder:
        raise ValueError("a right without its holder")
    return AccountDetail(
        holder,
        holder,
        format_value(row.get("AccessRights")),
        values=make_values(row, ("Deny", "IsInherited", "InheritanceType")),
    )


def is_foreign_right(detail: AccountDetail) -> bool:
    """Whether somebody else holds a right: not the mailbox itself, nor Exchange."""
    holder = detail.title.casefold()
    inherited = detail.get_value("IsInherited").lower() == "true"
    denied = detail.get_value("Deny").lower() == "true"
    is_own = holder.startswith(("nt authority\\", "s-1-5-32-")) or holder == "self"
    return not (inherited or denied or is_own)


def parse_sign_in(row: ResponseRow) -> AccountDetail:
    """A row of /auditLogs/signIns."""
    status = row.get("status")
    code = status.get("errorCode") if isinstance(status, Mapping) else None
    location = row.get("location")
    country = location.get("countryOrRegion") if isinstance(location, Mapping) else None
    device: Any = row.get("deviceDetail")
    browser = device.get("browser") if isinstance(device, Mapping) else None
    shown = {**row, "errorCode": code, "country": country, "browser": browser}
    return AccountDetail(
        require_id(row),
        parse_text(row.get("appDisplayName"), NAME_LIMIT),
        "success" if code == 0 else "failure" if isinstance(code, int) else "unknown",
        parse_known_time(row.get("createdDateTime")),
        make_values(
            shown,
            (
                "errorCode",
                "country",
                "browser",
                "clientAppUsed",
                "resourceDisplayName",
                "authenticationProtocol",
                "incomingTokenType",
                "userAgent",
                "correlationId",
            ),
        ),
        # Version 1.0 has none; a correlation id is that of one request, and no session.
        session=parse_text(row.get("sessionId") or row.get("clientSessionId"), 64).casefold(),
        address=parse_text(row.get("ipAddress"), ADDRESS_LIMIT),
    )


def parse_audit(row: ResponseRow) -> AccountDetail:
    """A row of /auditLogs/directoryAudits: what was done by or to the account.

    New values of properties are left out: they may be the secret itself.
    """
    by = row.get("initiatedBy")
    user, app = (get_part(by, name) for name in ("user", "app"))
    # Of an app's act Graph may print the user as well, with nothing in it.
    is_user = any(user.get(name) for name in ("id", "userPrincipalName", "displayName"))
    actor = user if is_user else app
    targets = row.get("targetResources")
    listed = targets[:10] if isinstance(targets, list) else []
    ids = [parse_object_id(one.get("id")) for one in listed if isinstance(one, Mapping)]
    shown = {
        "by": parse_object_id(actor.get("id") or actor.get("servicePrincipalId")),
        "by name": actor.get("userPrincipalName") or actor.get("displayName"),
        "targets": [one for one in ids if one],
        "result": row.get("result"),
        "correlationId": row.get("correlationId"),
    }
    return AccountDetail(
        require_id(row),
        parse_text(row.get("activityDisplayName"), NAME_LIMIT),
        parse_text(row.get("category"), 64),
        parse_known_time(row.get("activityDateTime")),
        make_values(shown, ("by", "by name", "targets", "result", "correlationId")),
        address=parse_text(actor.get("ipAddress"), ADDRESS_LIMIT),
    )


def parse_sent(row: ResponseRow) -> AccountDetail:
    """A row of Get-MessageTraceV2: one message to one recipient."""
    message = parse_text(row.get("MessageTraceId") or row.get("MessageId"), NAME_LIMIT)
    recipient = parse_text(row.get("RecipientAddress"), 320)
    if not message or not recipient:
        raise ValueError("a message without its id or recipient")
    return AccountDetail(
        f"{message} {recipient}",
        recipient,
        parse_text(row.get("Status"), 32),
        parse_known_time(row.get("Received")),
        (("subject", parse_text(row.get("Subject"), VALUE_LIMIT)),),
        address=parse_text(row.get("FromIP"), ADDRESS_LIMIT),
    )
