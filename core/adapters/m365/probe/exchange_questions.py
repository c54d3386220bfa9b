"""What Exchange is asked: one question for each probe of the register."""

from collections import Counter
from collections.abc import Mapping
from uuid import uuid4

from core.adapters.exchange.batch import BatchProgress
from core.adapters.exchange.command import Command
from core.adapters.exchange.slices import list_names, quote_name
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
    parse_value_list,
)
from core.errors import Forbidden, NotFound, Rejected, TenantError
from core.microsoft365.assumptions.exchange_api import BATCH_ROUTING, NAME_ORDER
from core.microsoft365.assumptions.exchange_objects import AUDIT_ENABLED_PRINTED
from core.microsoft365.exchange_listings import CMDLETS_WITH_MORE_WAYS, ListingWay
from core.tenant.probing import ProbeAnswer

NO_SUCH_CMDLET = "Get-ExoguardProbe"
FORWARDS = ("ForwardingAddress", "ForwardingSmtpAddress", "GrantSendOnBehalfTo")
HAS_FORWARD = " -or ".join(f"({name} -ne $null)" for name in FORWARDS)
ONE, SOME = {"ResultSize": 1}, {"ResultSize": 50}

# Conditions that meet nearly every object, in the words in which slices are asked for.
FILTER_OF_ALL = "(-not (WhenCreated -ge '2100-01-01T00:00:00Z')) -and (-not (Name -like 'zzzzzz*'))"
# The cmdlets that are read in slices, each with recipient types that a tenant may well lack.
SLICED: Mapping[str, tuple[str, ...]] = {
    cmdlet: ("EquipmentMailbox",) if listing.kinds else ()
    for cmdlet, listing in CMDLETS_WITH_MORE_WAYS.items()
    if ListingWay.SLICES in listing.ways
}
ONE_BY_ONE = "single"
BY_START = "start"
BY_FILTER = "filtered"
SECOND_NAME = "asked for the second of two names"

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
        saw = (
            f"the app may run {count_rows(listed, 'cmdlet')}; Get-Mailbox: {describe_error(error)}"
        )
        return (
            fails("exchange-role-group", saw),
            judge("exchange-cmdlet-list", "Get-Mailbox" not in listed, saw),
        )
    saw = f"the app may run {count_rows(listed, 'cmdlet')}, and Get-Mailbox answered"
    return (
        holds("exchange-role-group", saw),
        judge("exchange-cmdlet-list", "Get-Mailbox" in listed, saw),
    )


async def ask_entities(session: ProbeSession) -> Answers:
    """Whether an entity endpoint answers an app."""
    path = f"/adminapi/beta/{session.exchange.tenant_id}/Mailbox?$top=1"
    reply = await session.send_to_exchange("GET", path, Command("Get-Mailbox"), {})
    rows = parse_rows(reply.body)
    listed = "no list" if rows is None else count_rows(rows, "mailbox")
    saw = f"the endpoint of Get-EXOMailbox: HTTP {reply.status}, {listed}"
    return (judge("exchange-entity-endpoints", reply.status == 200 and bool(rows), saw),)


def parse_rows(body: bytes) -> list[ResponseRow] | None:
    """The rows of a body; None if it has no list."""
    try:
        return list(parse_response_rows(parse_json_object(body)))
    except ValueError:
        return None


async def ask_slices(session: ProbeSession) -> Answers:
    """Whether what is read in slices can be filtered so; these conditions meet nearly all."""
    counts: list[str] = []
    for cmdlet, kinds in SLICED.items():
        condition = FILTER_OF_ALL + "".join(
            f" -and (-not (RecipientTypeDetails -eq '{kind}'))" for kind in kinds
        )
        try:
            rows = await session.ask_exchange(cmdlet, {**ONE, "Filter": condition}, ("Guid",))
        except Rejected as error:
            saw = f"{cmdlet} with such a filter: {describe_error(error)}"
            return (fails("exchange-slice-filters", saw),)
        counts.append(f"{cmdlet} {count_rows(rows)}")
        if not rows:
            break
    saw = f"filters that nearly all objects meet: {', '.join(counts)}"
    if not rows:
        return (fails("exchange-slice-filters", saw),)
    return (holds("exchange-slice-filters", saw), await ask_name_order(session))


async def ask_name_order(session: ProbeSession) -> ProbeAnswer:
    """Whether of two names one alone comes after the other, in whichever order."""
    names = [quote_name(name) for name in sorted({*list_names(await session.fetch_sample())})[:2]]
    if not names:
        return unknown(NAME_ORDER.id, "no mailbox has a name that a filter can hold")
    either = " -or ".join(f"Name -eq '{name}'" for name in names)
    last = " -and ".join(f"(Name -ge '{name}')" for name in names)
    counts: list[str] = []
    for cmdlet in SLICED:
        parameters = {**SOME, "Filter": f"({either}) -and {last}"}
        try:
            rows = await session.ask_exchange(cmdlet, parameters, ("Guid",))
        except Rejected as error:
            return fails(
                NAME_ORDER.id, f"names compared by {cmdlet}: {describe_error(error)}", BY_START
            )
        if not rows and not await session.ask_exchange(
            cmdlet, {**ONE, "Filter": either}, ("Guid",)
        ):
            # Only the names of mailboxes are known here.
            continue
        counts.append(f"{cmdlet} {count_rows(rows)}")
        if len(rows) != 1:
            return fails(NAME_ORDER.id, f"{SECOND_NAME}: {', '.join(counts)}", BY_START)
    return holds(NAME_ORDER.id, f"{SECOND_NAME}: {', '.join(counts)}", NAME_ORDER.default_way)


async def ask_batch(session: ProbeSession) -> Answers:
    """Whether a read of a mailbox succeeds in a batch, without being sent again alone."""
    mailbox = await session.fetch_mailbox()
    command = Command("Get-Mailbox", {"Identity": parse_object_id(mailbox["Guid"])}, ("Guid",))
    progress = BatchProgress([command], session.exchange.build_command_path)
    await session.exchange.complete_together(progress)
    (answer,) = progress.outcomes
    is_read = not isinstance(answer, TenantError) and len(answer) == 1
    told = describe_error(answer) if isinstance(answer, TenantError) else count_rows(answer)
    saw = f"one mailbox asked for within a batch: {told}"
    if not is_read:
        return (fails("exchange-batch-routing", saw, ONE_BY_ONE),)
    return (holds("exchange-batch-routing", saw, BATCH_ROUTING.default_way),)


async def ask_each(session: ProbeSession) -> Answers:
    """Whether the cmdlets that no filter narrows answer for one object, by its Guid."""
    guid = parse_object_id((await session.fetch_mailbox())["Guid"])
    counts: list[str] = []
    for cmdlet in ("Get-RecipientPermission", "Get-MailboxAuditBypassAssociation"):
        try:
            rows = await session.ask_exchange(cmdlet, {"Identity": guid, **SOME})
        except (NotFound, Rejected) as error:
            return (fails("exchange-each-identity", f"{cmdlet}: {describe_error(error)}"),)
        counts.append(f"{cmdlet} {count_rows(rows)}")
    # One account has one association; more rows are those of everybody.
    return (
        judge("exchange-each-identity", len(rows) == 1, f"of one mailbox: {', '.join(counts)}"),
    )


async def ask_unknown_cmdlet(session: ProbeSession) -> Answers:
    """What Exchange answers to a cmdlet that nobody has."""
    command = Command(NO_SUCH_CMDLET)
    path = session.exchange.build_command_path(command)
    reply = await session.send_to_exchange("POST", path, command, {})
    has_message = b"{" in reply.body[:200]
    saw = f"a made-up cmdlet: HTTP {reply.status} with{'' if has_message else 'out'} a message"
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
        f"Get-Recipient prints {'the' if printed else 'no'} LegacyExchangeDN of a mailbox, and "
        f"{'an' if carried else 'no'} X500 address"
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
    saw = f"looked up by its LegacyExchangeDN: {count_rows(rows)}, {len(same)} of them the mailbox"
    return judge("exchange-recipient-by-dn", len(rows) == len(same) == 1, saw), rows


async def ask_control(session: ProbeSession) -> Answers:
    """What Get-Recipient answers to a legacy name that nobody has."""
    name = f"/o={uuid4()}/cn={uuid4()}"
    try:
        rows = await session.ask_exchange("Get-Recipient", {"Identity": name, "ResultSize": 2})
    except NotFound:
        return (holds("exchange-legacy-control", "a made-up name was not found"),)
    except Rejected as error:
        return (fails("exchange-legacy-control", describe_error(error)),)
    return (judge("exchange-legacy-control", not rows, f"{count_rows(rows)} for a made-up name"),)


async def ask_forward_filter(session: ProbeSession) -> Answers:
    """Whether a filter finds the mailboxes with a forward, and its opposite the others."""
    try:
        found = await session.ask_exchange(
            "Get-Mailbox", {**SOME, "Filter": HAS_FORWARD}, ("Guid", *FORWARDS)
        )
    except Rejected as error:
        return (fails("exchange-forward-filter", describe_error(error)),)
    try:
        others = await session.ask_exchange(
            "Get-Mailbox", {**ONE, "Filter": f"-not ({HAS_FORWARD})"}, ("Guid", *FORWARDS)
        )
    except Rejected:
        # Only the probe asks for the others.
        others = []
    wrong = sum(not has_forward(row) for row in found) + sum(map(has_forward, others))
    saw = (
        f"{count_rows(found, 'mailbox')} filtered with a forward or a delegate, {len(others)} "
        f"without one; {wrong} of them not so"
    )
    if not wrong and not found and not others:
        return (unknown("exchange-forward-filter", saw),)
    return (judge("exchange-forward-filter", not wrong, saw),)


def has_forward(row: ResponseRow) -> bool:
    """Whether a mailbox prints a forward or a delegate."""
    return any(parse_value_list(row.get(name)) for name in FORWARDS)


async def ask_inbox_rules(session: ProbeSession) -> Answers:
    """Whether the app may read the rules of a mailbox, hidden ones included."""
    mailbox = await session.fetch_mailbox()
    parameters = {"Mailbox": parse_object_id(mailbox["Guid"]), "IncludeHidden": True}
    try:
        rows = await session.ask_exchange("Get-InboxRule", parameters)
    except Forbidden as error:
        return (fails("exchange-inbox-rule-role", describe_error(error)),)
    return (holds("exchange-inbox-rule-role", f"{count_rows(rows, 'rule')} of one mailbox"),)


async def ask_accepted_domains(session: ProbeSession) -> Answers:
    """Whether accepted domains tell if their subdomains count."""
    rows = await session.ask_exchange("Get-AcceptedDomain")
    printed = prints(rows, "MatchSubDomains")
    wide = sum(parse_optional_bool(row.get("MatchSubDomains")) is True for row in rows)
    said = f"printed, true for {wide}" if printed else "not printed"
    saw = f"{count_rows(rows, 'domain')}, MatchSubDomains is {said}"
    return (judge("exchange-match-subdomains", printed, saw),)


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
            f"{count_rows(rows)} of rights over one mailbox, with {len(strange)} unknown rights",
        ),
    )


async def ask_send_as(session: ProbeSession) -> Answers:
    """Whether send-as rights are listed without an identity."""
    try:
        rows = await session.ask_exchange("Get-RecipientPermission", SOME)
    except Rejected as error:
        return (fails("exchange-send-as-listing", describe_error(error)),)
    saw = f"without naming a mailbox: {count_rows(rows)} of rights"
    return (judge("exchange-send-as-listing", bool(rows), saw),)


async def ask_bypass(session: ProbeSession) -> Answers:
    """What the rows of the bypass list are."""
    rows = await session.ask_exchange("Get-MailboxAuditBypassAssociation", SOME)
    guids = sum(bool(parse_object_id(row.get("Guid"))) for row in rows)
    names = Counter(parse_text(row.get("Name")) for row in rows)
    repeated = sum(number > 1 for number in names.values())
    saw = f"{count_rows(rows)}, {guids} of them with a Guid; {repeated} repeated names"
    return (judge("exchange-bypass-rows", bool(rows) and guids == len(rows), saw),)


async def ask_audit_enabled(session: ProbeSession) -> Answers:
    """Whether a mailbox that the server filters as not audited prints so."""
    rows = await session.ask_exchange(
        "Get-Mailbox", {**SOME, "Filter": "AuditEnabled -eq 'False'"}, ("Guid", "AuditEnabled")
    )
    wrong = sum(parse_optional_bool(row.get("AuditEnabled")) is True for row in rows)
    saw = f"{count_rows(rows, 'mailbox')} filtered as False, {wrong} of them print True"
    if wrong:
        return (fails("exchange-audit-enabled", saw, BY_FILTER),)
    return (holds("exchange-audit-enabled", saw, AUDIT_ENABLED_PRINTED.default_way),)


async def ask_cas_mailbox(session: ProbeSession) -> Answers:
    """Whether SMTP AUTH of a mailbox may follow the organization."""
    rows = await session.ask_exchange("Get-CASMailbox", SOME)
    name = "SmtpClientAuthenticationDisabled"
    unset = sum(row.get(name) is None for row in rows)
    saw = f"{count_rows(rows, 'mailbox')}, of which {name} is null for {unset}"
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
    return (
        judge(
            "exchange-powershell-filter",
            bool(rows),
            f"{count_rows(rows, 'user')} found who may use PowerShell",
        ),
    )


async def ask_role_groups(session: ProbeSession) -> Answers:
    """Whether role groups are listed with an id, and those of partners apart."""
    rows = await session.ask_exchange("Get-RoleGroup", SOME)
    guids = sum(bool(parse_object_id(row.get("Guid"))) for row in rows)
    saw = f"{count_rows(rows, 'role group')}, {guids} with a Guid"
    named = judge("exchange-role-group-kind", bool(rows) and guids == len(rows), saw)
    return (named, await ask_partner_groups(session))


async def ask_partner_groups(session: ProbeSession) -> ProbeAnswer:
    """Whether the app may ask for the role groups of partners, and they say whose they are."""
    try:
        rows = await session.ask_exchange("Get-RoleGroup", {**SOME, "ShowPartnerLinked": True})
    except (Forbidden, Rejected) as error:
        return fails("exchange-partner-groups", describe_error(error))
    linked = sum(bool(parse_text(row.get("LinkedPartnerOrganizationId"))) for row in rows)
    saw = f"{count_rows(rows, 'role group')} of partners, {linked} of them name one"
    return (holds if linked else unknown)("exchange-partner-groups", saw)


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
    refused: list[str] = []
    for way, anchor in forms.items():
        if anchor.endswith(":") or not anchor.isascii() or not anchor.isprintable():
            continue
        refusal = await try_anchor(session, guid, anchor)
        if refusal:
            refused.append(f"{way}: {refusal}")
            continue
        before = f"; before that {', '.join(refused)}" if refused else ""
        saw = f"named in the form {way}, a mailbox answered{before}"
        if refused:
            return (
                fails("exchange-anchor-form", saw, way),
                fails("exchange-mbx-guid", f"MBX: and the Guid: {refused[0].partition(': ')[2]}"),
            )
        return (holds("exchange-anchor-form", saw, way), await ask_made_up_anchor(session, guid))
    tried = ", ".join(refused)
    return (unknown("exchange-anchor-form", tried), unknown("exchange-mbx-guid", tried))


async def ask_made_up_anchor(session: ProbeSession, guid: str) -> ProbeAnswer:
    """Whether the router tells the Guid of a mailbox from one that no mailbox has."""
    anchor = f"MBX:{uuid4()}@{session.exchange.tenant_id}"
    if refusal := await try_anchor(session, guid, anchor):
        return holds("exchange-mbx-guid", f"the Guid answered, a made-up one did not: {refusal}")
    return unknown("exchange-mbx-guid", "the Guid answered, and so did a made-up one")


async def try_anchor(session: ProbeSession, guid: str, anchor: str) -> str:
    """Read a mailbox by an anchor. Returns what was wrong, empty if nothing was."""
    command = Command("Get-Mailbox", {"Identity": guid}, ("Guid",))
    path = session.exchange.build_command_path(command)
    headers = {"X-AnchorMailbox": anchor, "parameter-based-routing": "true"}
    reply = await session.send_to_exchange("POST", path, command, headers)
    return "" if reply.status == 200 and parse_rows(reply.body) else f"HTTP {reply.status}"
