"""What Exchange is asked: one question for each probe of the register."""

from collections import Counter

from core.adapters.exchange.command import Command
from core.adapters.m365.delegation import IGNORED_RIGHTS, MAILBOX_RIGHTS
from core.adapters.m365.probe.session import (
    ProbeSession,
    count_rows,
    describe_error,
    fails,
    holds,
    judge,
    prints,
    unknown,
)
from core.adapters.parsing import (
    ResponseRow,
    parse_json_object,
    parse_name_set,
    parse_object_id,
    parse_optional_bool,
    parse_response_rows,
    parse_text,
    parse_timespan_days,
    parse_value_list,
)
from core.errors import Forbidden, NotFound, Rejected, TenantError
from core.tenant.probing import ProbeAnswer

NO_SUCH_CMDLET = "Get-ExoguardProbe"
DEFAULT_AGE_DAYS = 90.0
ONE, SOME = {"ResultSize": 1}, {"ResultSize": 50}

type Answers = tuple[ProbeAnswer, ...]


async def ask_roles(session: ProbeSession) -> Answers:
    """Whether the app's Exchange role counts, and whether the list of cmdlets is one."""
    try:
        listed = await session.exchange.read_allowed_cmdlets()
    except Forbidden as error:
        return (
            fails("exchange-role-group", f"the list of cmdlets: {describe_error(error)}"),
            unknown("exchange-cmdlet-list", "no role was seen", type(error).__name__),
        )
    try:
        await session.fetch_sample()
    except (Forbidden, Rejected) as error:
        saw = f"{count_rows(listed, 'cmdlet')} listed; Get-Mailbox: {describe_error(error)}"
        return (
            fails("exchange-role-group", saw),
            judge("exchange-cmdlet-list", "Get-Mailbox" not in listed, saw),
        )
    saw = f"{count_rows(listed, 'cmdlet')} listed, Get-Mailbox answered"
    return (
        holds("exchange-role-group", saw),
        judge("exchange-cmdlet-list", "Get-Mailbox" in listed, saw),
    )


async def ask_entities(session: ProbeSession) -> Answers:
    """Whether an entity endpoint answers an app."""
    path = f"/adminapi/beta/{session.exchange.tenant_id}/Mailbox?$top=1"
    reply = await session.send_to_exchange("GET", path, Command("Get-Mailbox"), {})
    rows = parse_rows(reply.body)
    saw = f"HTTP {reply.status}, {'no list' if rows is None else count_rows(rows)}"
    return (judge("exchange-entity-endpoints", reply.status == 200 and bool(rows), saw),)


def parse_rows(body: bytes) -> list[ResponseRow] | None:
    """The rows of a body; None if it has no list."""
    try:
        return list(parse_response_rows(parse_json_object(body)))
    except ValueError:
        return None


async def ask_slices(session: ProbeSession) -> Answers:
    """Whether mailboxes can be filtered by date and name; these conditions meet nearly all."""
    condition = "(-not (WhenCreated -ge '2100-01-01T00:00:00Z')) -and (-not (Name -like 'zzzzzz*'))"
    try:
        rows = await session.ask_exchange("Get-Mailbox", {**ONE, "Filter": condition}, ("Guid",))
    except Rejected as error:
        return (fails("exchange-slice-filters", describe_error(error)),)
    return (judge("exchange-slice-filters", bool(rows), f"{count_rows(rows)} by date and name"),)


async def ask_batch(session: ProbeSession) -> Answers:
    """Whether a read of a mailbox succeeds in a batch."""
    mailbox = await session.fetch_mailbox()
    command = Command("Get-Mailbox", {"Identity": parse_object_id(mailbox["Guid"])}, ("Guid",))
    (answer,) = await session.exchange.invoke_batch([command])
    if isinstance(answer, TenantError):
        return (fails("exchange-batch-routing", describe_error(answer)),)
    return (judge("exchange-batch-routing", len(answer) == 1, count_rows(answer)),)


async def ask_unknown_cmdlet(session: ProbeSession) -> Answers:
    """What Exchange answers to a cmdlet that nobody has."""
    command = Command(NO_SUCH_CMDLET)
    path = session.exchange.build_command_path(command)
    reply = await session.send_to_exchange("POST", path, command, {})
    has_message = b"{" in reply.body[:200]
    saw = f"HTTP {reply.status} with{'' if has_message else 'out'} a message"
    return (judge("exchange-empty-403", reply.status == 403 and not has_message, saw),)


async def ask_recipient(session: ProbeSession) -> Answers:
    """What Get-Recipient prints, and whether it finds a mailbox by its LegacyExchangeDN."""
    mailbox = await session.fetch_mailbox()
    guid = parse_object_id(mailbox["Guid"])
    name = parse_text(mailbox.get("LegacyExchangeDN"), 1_000).strip()
    if not name:
        rows = await session.ask_exchange("Get-Recipient", {"Identity": guid, "ResultSize": 2})
        by_name = unknown("exchange-recipient-by-dn", "Get-Mailbox printed no LegacyExchangeDN")
    else:
        by_name, rows = await look_up_name(session, name, guid)
        if not rows:
            rows = await session.ask_exchange("Get-Recipient", {"Identity": guid, "ResultSize": 2})
    if not rows:
        return (unknown("exchange-recipient-names", "Get-Recipient brought no row"), by_name)
    printed = prints(rows, "LegacyExchangeDN")
    carried = any(
        text.upper().startswith("X500:")
        for row in rows
        for text in map(str, parse_value_list(row.get("EmailAddresses")))
    )
    saw = (
        f"LegacyExchangeDN is {'' if printed else 'not '}printed; "
        f"an X500 address is {'' if carried else 'not '}there"
    )
    return (judge("exchange-recipient-names", not printed, saw), by_name)


async def look_up_name(
    session: ProbeSession, name: str, guid: str
) -> tuple[ProbeAnswer, list[ResponseRow]]:
    """Whether the recipient of this name is the mailbox of this Guid."""
    try:
        rows = await session.ask_exchange("Get-Recipient", {"Identity": name, "ResultSize": 2})
    except (NotFound, Rejected) as error:
        return fails("exchange-recipient-by-dn", describe_error(error)), []
    same = [row for row in rows if parse_object_id(row.get("Guid")) == guid]
    saw = f"{count_rows(rows)}, {len(same)} of them the mailbox"
    return judge("exchange-recipient-by-dn", len(rows) == len(same) == 1, saw), rows


async def ask_forward_filter(session: ProbeSession) -> Answers:
    """Whether mailboxes can be filtered by their forwards."""
    condition = (
        "ForwardingAddress -ne $null -or ForwardingSmtpAddress -ne $null "
        "-or GrantSendOnBehalfTo -ne $null"
    )
    try:
        rows = await session.ask_exchange("Get-Mailbox", {**SOME, "Filter": condition}, ("Guid",))
    except Rejected as error:
        return (fails("exchange-forward-filter", describe_error(error)),)
    return (holds("exchange-forward-filter", f"accepted, {count_rows(rows)}"),)


async def ask_inbox_rules(session: ProbeSession) -> Answers:
    """Whether the app may read the rules of a mailbox, hidden ones included."""
    mailbox = await session.fetch_mailbox()
    parameters = {"Mailbox": parse_object_id(mailbox["Guid"]), "IncludeHidden": True}
    try:
        rows = await session.ask_exchange("Get-InboxRule", parameters)
    except Forbidden as error:
        return (fails("exchange-inbox-rule-role", describe_error(error)),)
    return (holds("exchange-inbox-rule-role", count_rows(rows, "rule")),)


async def ask_accepted_domains(session: ProbeSession) -> Answers:
    """Whether accepted domains tell if their subdomains count."""
    rows = await session.ask_exchange("Get-AcceptedDomain")
    printed = prints(rows, "MatchSubDomains")
    wide = sum(parse_optional_bool(row.get("MatchSubDomains")) is True for row in rows)
    saw = f"{count_rows(rows, 'domain')}, MatchSubDomains is {'' if printed else 'not '}printed"
    return (judge("exchange-match-subdomains", printed, f"{saw}, true for {wide}"),)


async def ask_permissions(session: ProbeSession) -> Answers:
    """Whether the rights over a mailbox are all known ones."""
    mailbox = await session.fetch_mailbox()
    rows = await session.ask_exchange(
        "Get-MailboxPermission", {"Identity": parse_object_id(mailbox["Guid"])}
    )
    known = MAILBOX_RIGHTS.keys() | IGNORED_RIGHTS | {"sendas"}
    strange = {
        word.casefold() for row in rows for word in parse_name_set(row.get("AccessRights"))
    } - known
    return (
        judge(
            "exchange-permission-rights",
            bool(rows) and not strange,
            f"{count_rows(rows)}, {len(strange)} unknown rights",
        ),
    )


async def ask_send_as(session: ProbeSession) -> Answers:
    """Whether send-as rights are listed without an identity."""
    try:
        rows = await session.ask_exchange("Get-RecipientPermission", SOME)
    except Rejected as error:
        return (fails("exchange-send-as-listing", describe_error(error)),)
    return (holds("exchange-send-as-listing", count_rows(rows)),)


async def ask_bypass(session: ProbeSession) -> Answers:
    """What the rows of the bypass list are."""
    rows = await session.ask_exchange("Get-MailboxAuditBypassAssociation", SOME)
    guids = sum(bool(parse_object_id(row.get("Guid"))) for row in rows)
    names = Counter(parse_text(row.get("Name")) for row in rows)
    repeated = sum(number > 1 for number in names.values())
    saw = f"{count_rows(rows)}, {guids} with a Guid, {repeated} names more than once"
    return (judge("exchange-bypass-rows", bool(rows) and guids == len(rows), saw),)


async def ask_audit_enabled(session: ProbeSession) -> Answers:
    """Whether a mailbox that the server filters as not audited prints so."""
    rows = await session.ask_exchange(
        "Get-Mailbox", {**SOME, "Filter": "AuditEnabled -eq 'False'"}, ("Guid", "AuditEnabled")
    )
    wrong = sum(parse_optional_bool(row.get("AuditEnabled")) is True for row in rows)
    saw = f"{count_rows(rows)} filtered as False, {wrong} of them print True"
    return (judge("exchange-audit-enabled", not wrong, saw),)


async def ask_audit_age(session: ProbeSession) -> Answers:
    """What AuditLogAgeLimit is, and whether the licence shows in the mailbox."""
    rows = await session.fetch_sample()
    ages = [parse_timespan_days(row.get("AuditLogAgeLimit")) for row in rows]
    default = ages.count(DEFAULT_AGE_DAYS)
    licensed = prints(rows, "PersistedCapabilities")
    return (
        judge("exchange-audit-age", default > 0, f"{default} of {len(rows)} mailboxes at 90 days"),
        judge(
            "exchange-audit-licence",
            licensed,
            f"PersistedCapabilities is {'' if licensed else 'not '}printed",
        ),
    )


async def ask_cas_mailbox(session: ProbeSession) -> Answers:
    """Whether SMTP AUTH of a mailbox may follow the organization."""
    rows = await session.ask_exchange("Get-CASMailbox", SOME)
    name = "SmtpClientAuthenticationDisabled"
    unset = sum(row.get(name) is None for row in rows)
    saw = f"{count_rows(rows)}, null for {unset}"
    return (judge("exchange-smtp-auth-null", prints(rows, name), saw),)


async def ask_powershell_users(session: ProbeSession) -> Answers:
    """Whether users can be filtered by the old name of EXOModuleEnabled."""
    try:
        rows = await session.ask_exchange(
            "Get-User",
            {**ONE, "Filter": "RemotePowerShellEnabled -eq 'True'"},
            ("Guid", "EXOModuleEnabled", "RemotePowerShellEnabled"),
        )
    except Rejected as error:
        return (fails("exchange-powershell-filter", describe_error(error)),)
    return (judge("exchange-powershell-filter", bool(rows), f"{count_rows(rows)} for 'True'"),)


async def ask_role_groups(session: ProbeSession) -> Answers:
    """Whether role groups are listed with an id."""
    rows = await session.ask_exchange("Get-RoleGroup", SOME)
    guids = sum(bool(parse_object_id(row.get("Guid"))) for row in rows)
    saw = f"{count_rows(rows, 'role group')}, {guids} with a Guid"
    return (judge("exchange-role-group-kind", bool(rows) and guids == len(rows), saw),)


async def ask_dehydrated(session: ProbeSession) -> Answers:
    """Whether the organization says that it is dehydrated."""
    rows = await session.ask_exchange("Get-OrganizationConfig")
    value = next((parse_optional_bool(row.get("IsDehydrated")) for row in rows), None)
    if value is None:
        return (unknown("exchange-dehydrated", "IsDehydrated is not printed"),)
    return (holds("exchange-dehydrated", f"IsDehydrated is {value}"),)


async def ask_anchor(session: ProbeSession) -> Answers:
    """Which form of naming a mailbox to the router is accepted: the first that answers."""
    mailbox = await session.fetch_mailbox()
    guid = parse_object_id(mailbox["Guid"])
    forms = {
        "mbx": f"MBX:{guid}@{session.exchange.tenant_id}",
        "smtp": f"SMTP:{parse_text(mailbox.get('PrimarySmtpAddress'), 320)}",
        "upn": f"UPN:{parse_text(mailbox.get('UserPrincipalName'), 320)}",
    }
    command = Command("Get-Mailbox", {"Identity": guid}, ("Guid",))
    path = session.exchange.build_command_path(command)
    refused: list[str] = []
    for way, anchor in forms.items():
        if not anchor.isascii() or not anchor.isprintable():
            continue
        headers = {"X-AnchorMailbox": anchor, "parameter-based-routing": "true"}
        reply = await session.send_to_exchange("POST", path, command, headers)
        if reply.status == 200 and parse_rows(reply.body):
            saw = f"{way} answered{f' after {", ".join(refused)}' if refused else ''}"
            return (
                fails("exchange-anchor-form", saw, way)
                if refused
                else holds("exchange-anchor-form", saw, way),
            )
        refused.append(f"{way}: HTTP {reply.status}")
    return (unknown("exchange-anchor-form", ", ".join(refused)),)
