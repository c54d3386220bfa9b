"""What a sample of mailboxes tells: audit settings, quotas, kinds, and plans of their accounts."""

from collections.abc import Collection, Mapping
from urllib.parse import quote
from uuid import uuid4

from core.adapters.m365.probe.graph_questions import take_rows
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
from core.adapters.m365.shared_mailboxes import SHARED_KIND, parse_quota
from core.adapters.m365.sign_ins import IDS_PER_FILTER, quote_filter
from core.adapters.parsing import (
    ResponseRow,
    parse_name_set,
    parse_object_id,
    parse_recipient_kind,
    parse_text,
    parse_timespan_days,
    parse_value_list,
)
from core.errors import NotFound, Rejected
from core.microsoft365.assumptions.assumption import Assumption
from core.microsoft365.assumptions.exchange_objects import SINGLE_OBJECTS, SINGLE_SETTINGS
from core.microsoft365.audit_actions import MAIL_ITEMS_ACCESSED
from core.microsoft365.configuration_sources import EXCHANGE_SOURCES
from core.microsoft365.exchange_listings import MAILBOX_KINDS
from core.microsoft365.service_plans import MAILBOX_PLANS, normalize_plan_ids
from core.tenant.probing import ProbeAnswer

DEFAULT_AGE_DAYS = 90.0
OWNER = "Owner"
PERSON_KIND = "UserMailbox"
# What no tenant has: a kind, and an authentication policy.
NO_KIND = "ExoguardMailbox"
NO_POLICY = "CN=Exoguard probe"

type Answers = tuple[ProbeAnswer, ...]


async def ask_mailboxes(session: ProbeSession) -> Answers:
    """What mailboxes print of auditing and of their quota."""
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
        judge_audit_lists(rows),
        judge_quotas(rows),
    )


def judge_audit_lists(rows: Collection[ResponseRow]) -> ProbeAnswer:
    """Whether Microsoft's own list of owners' actions has MailItemsAccessed."""
    managed = [row for row in rows if OWNER in parse_name_set(row.get("DefaultAuditSet"))]
    if not managed:
        return unknown("exchange-audit-lists", "Microsoft manages the owner's list of no mailbox")
    have = sum(MAIL_ITEMS_ACCESSED in parse_name_set(row.get("AuditOwner")) for row in managed)
    saw = f"{have} of {len(managed)} lists that Microsoft manages have {MAIL_ITEMS_ACCESSED}"
    return judge("exchange-audit-lists", have > 0, saw)


def judge_quotas(rows: Collection[ResponseRow]) -> ProbeAnswer:
    """Whether the quota of a shared mailbox can be read."""
    shared = [
        row for row in rows if parse_recipient_kind(row.get("RecipientTypeDetails")) == SHARED_KIND
    ]
    if not shared:
        return unknown("exchange-shared-quota", "no shared mailbox was among those asked for")
    told = sum(parse_quota(row.get("ProhibitSendReceiveQuota")) is not None for row in shared)
    saw = f"{told} of {count_rows(shared, 'quota')} of shared mailboxes can be read"
    return judge("exchange-shared-quota", told == len(shared), saw)


async def ask_kinds(session: ProbeSession) -> Answers:
    """Whether Exchange knows the kinds that are asked for, and tells of one that it does not."""
    one = {"ResultSize": 1}
    try:
        await session.ask_exchange(
            "Get-Mailbox", {**one, "RecipientTypeDetails": list(MAILBOX_KINDS)}, ("Guid",)
        )
    except Rejected as error:
        saw = f"the kinds that are asked for: {describe_error(error)}"
        return (fails("exchange-recipient-kinds", saw),)
    try:
        rows = await session.ask_exchange(
            "Get-Mailbox", {**one, "RecipientTypeDetails": [NO_KIND]}, ("Guid",)
        )
    except Rejected as error:
        saw = f"those that are asked for are taken; a made-up one is {describe_error(error)}"
        return (holds("exchange-recipient-kinds", saw),)
    saw = f"a made-up kind is taken too, and brings {count_rows(rows)}"
    return (unknown("exchange-recipient-kinds", saw),)


async def ask_mailbox_filters(session: ProbeSession) -> Answers:
    """Whether Exchange takes the filters by which some settings of mailboxes are found."""
    name = "exchange-mailbox-filters"
    asked = [one for one in EXCHANGE_SOURCES.values() if "Filter" in one.read_parameters]
    found = 0
    for source in asked:
        parameters = {**source.read_parameters, "ResultSize": 1}
        try:
            found += len(await session.ask_exchange(source.read, parameters, ("Guid",)))
        except Rejected as error:
            saw = f"{source.read_parameters['Filter']}: {describe_error(error)}"
            return (fails(name, saw),)
    saw = f"{len(asked)} filters are taken; {found} of them found a mailbox"
    return (holds(name, saw),)


async def ask_single_objects(session: ProbeSession) -> Answers:
    """Whether a mailbox is found by each of its ids, and one that nobody has is not."""
    ids = next(
        (
            (found, parse_object_id(row.get("Guid")))
            for row in await session.fetch_sample()
            if (found := parse_object_id(row.get("ExternalDirectoryObjectId")))
        ),
        None,
    )
    if ids is None:
        return (unknown(SINGLE_OBJECTS.id, "no mailbox told its object id"),)
    named = dict(zip(("object id", "Guid"), ids, strict=True))
    return (await judge_single_reads(session, SINGLE_OBJECTS, "Get-Mailbox", "a mailbox", named),)


async def ask_single_settings(session: ProbeSession) -> Answers:
    """Whether a remote domain is found by what it is known by, and one that there is not is not."""
    rows = await session.ask_exchange("Get-RemoteDomain", {}, ("Guid", "Identity"))
    known = [(name, text) for name in ("Guid", "Identity") if (text := find_text(rows, name))]
    if not known:
        return (unknown(SINGLE_SETTINGS.id, "no remote domain told its Guid or its Identity"),)
    return (
        await judge_single_reads(
            session, SINGLE_SETTINGS, "Get-RemoteDomain", "a remote domain", dict(known)
        ),
    )


def find_text(rows: Collection[ResponseRow], name: str) -> str:
    """The first row's property as text."""
    return next((parse_text(row.get(name)) for row in rows), "")


async def judge_single_reads(
    session: ProbeSession,
    assumption: Assumption,
    cmdlet: str,
    what: str,
    known: Mapping[str, str],
) -> ProbeAnswer:
    """Whether an object is found by each value that it is `known` by, and by no made-up one."""

    def doubt(saw: str) -> ProbeAnswer:
        return fails(assumption.id, saw, "doubted")

    for name, value in known.items():
        try:
            rows = await session.ask_exchange(cmdlet, {"Identity": value}, ("Guid",))
        except (NotFound, Rejected) as error:
            return doubt(f"{what} by its {name}: {describe_error(error)}")
        if len(rows) != 1:
            return doubt(f"{what} by its {name}: {count_rows(rows)}")
    try:
        rows = await session.ask_exchange(cmdlet, {"Identity": str(uuid4())}, ("Guid",))
    except NotFound:
        found = "each of its ids" if len(known) > 1 else f"its {next(iter(known))}"
        saw = f"{what} was found by {found}, and a made-up one was not found"
        return holds(assumption.id, saw, assumption.default_way)
    except Rejected as error:
        return doubt(f"a made-up id: {describe_error(error)}")
    return doubt(f"{count_rows(rows)} for a made-up id")


async def ask_policy_users(session: ProbeSession) -> Answers:
    """Whether users can be filtered by an authentication policy: nobody has a made-up one."""
    condition = f"AuthenticationPolicy -eq '{NO_POLICY}'"
    try:
        rows = await session.ask_exchange(
            "Get-User", {"ResultSize": 1, "Filter": condition}, ("Guid",)
        )
    except Rejected as error:
        return (fails("exchange-policy-users", describe_error(error)),)
    saw = f"{count_rows(rows, 'user')} for a made-up policy"
    return (judge("exchange-policy-users", not rows, saw),)


async def ask_service_plans(session: ProbeSession) -> Answers:
    """Whether the accounts of people's mailboxes hold a plan that is known to have a mailbox."""
    ids = [
        found
        for row in await session.fetch_sample()
        if parse_recipient_kind(row.get("RecipientTypeDetails")) == PERSON_KIND
        and (found := parse_object_id(row.get("ExternalDirectoryObjectId")))
    ][:IDS_PER_FILTER]
    if not ids:
        return (unknown("graph-service-plans", "no mailbox of a person was among those asked for"),)
    wanted = quote_filter(f"id in ({','.join(f"'{one}'" for one in ids)})")
    path = f"/users?$filter={wanted}&$select={quote('id,assignedPlans', safe=',')}"
    plans = [list_plan_ids(row) for row in take_rows(await session.ask_graph(path))]
    licensed = [found for found in plans if found]
    without = sum(found.isdisjoint(MAILBOX_PLANS) for found in licensed)
    saw = (
        f"{count_rows(licensed, 'licensed account')} of people's mailboxes, "
        f"{without} of them without a plan of the list"
    )
    if not licensed:
        return (unknown("graph-service-plans", saw),)
    return (judge("graph-service-plans", not without, saw),)


def list_plan_ids(row: ResponseRow) -> frozenset[str]:
    """The ids of the plans that an account holds."""
    return normalize_plan_ids(
        [
            str(plan.get("servicePlanId"))
            for plan in parse_value_list(row.get("assignedPlans"))
            if isinstance(plan, dict)
            and str(plan.get("capabilityStatus")).lower() in ("enabled", "warning")
        ]
    )
