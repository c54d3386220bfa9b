"""User accounts of Entra ID: state, sign-ins and authentication methods."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from core.adapters.api_errors import NO_LICENCE
from core.adapters.graph.client import GraphClient
from core.adapters.graph.collections import COUNTING
from core.adapters.graph.objects import Failures, fetch_objects, read_large_pages
from core.adapters.m365.account_activity import fetch_enablings, name_licence
from core.adapters.m365.sign_in_events import fetch_sign_in_events
from core.adapters.m365.sign_ins import fetch_last_sign_ins, fetch_successful_sign_ins
from core.adapters.parsing import (
    ID_LIMIT,
    LIST_LIMIT,
    ResponseRow,
    parse_each_row,
    parse_object_id,
    parse_optional_bool,
    parse_row_flag,
    parse_text,
    parse_timestamp,
)
from core.adapters.read_errors import build_object_failures, build_read_failure, build_row_failures
from core.errors import Forbidden, TenantError, Unavailable
from core.microsoft365.assumptions.graph_directory import (
    PASSWORD_DATES,
    PLAN_STATES,
    REGISTRATION_DISABLED,
    REGISTRATION_PAGE,
    RESTRICTED_UNITS,
    SYNC_FLAG,
)
from core.tenant.directory import Account, Enabling, MfaRegistration, SignIn, SignInEvent
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    ACCOUNTS,
    FEDERATED_DOMAINS,
    SIGN_IN_LOG,
    SIGN_IN_METHODS,
    SIGN_INS,
    USER_COUNT,
)

RELIES_ON = (
    PASSWORD_DATES,
    PLAN_STATES,
    REGISTRATION_DISABLED,
    REGISTRATION_PAGE,
    RESTRICTED_UNITS,
    SYNC_FLAG,
)
READ_USERS = "User.Read.All"
READ_DOMAINS = "Domain.Read.All"
READ_REPORT = "AuditLog.Read.All"
PREMIUM_LICENCE = "a licence of Microsoft Entra ID P1"
# Larger pages mean fewer of the 5 requests in 10 seconds. That the report takes $top is not
# documented (Microsoft Learn: List userRegistrationDetails); where it is refused, the report is
# read without it.
REPORT_PAGE_SIZE = 999
LARGE_PAGES = REGISTRATION_PAGE.default_way
REPORT_PATH = "/reports/authenticationMethods/userRegistrationDetails"
ACCOUNT_PROPERTIES = (
    "id,userPrincipalName,accountEnabled,onPremisesSyncEnabled,assignedPlans,assignedLicenses,"
    "createdDateTime,lastPasswordChangeDateTime,isManagementRestricted"
)
ACCOUNT_STATE_PROPERTIES = "id,userPrincipalName,accountEnabled"
NAME_LIMIT = 256
SHORT_LIMIT = 64
# Microsoft Learn: assignedPlan resource type, capabilityStatus.
SERVING_STATES = frozenset({"enabled", "warning", ""})


def build_user_path(object_id: str) -> str:
    """The path of a user."""
    is_plain = object_id.isascii() and object_id.replace("-", "").isalnum()
    return f"/users/{object_id if is_plain else quote(object_id, safe='')}"


def parse_account(row: ResponseRow) -> Account:
    """A Graph user, as `$select=id,accountEnabled,...` shows it.

    The plans of a licence given a moment ago are not listed yet: then they are unknown, not none.
    Nor are they none where the list of licences is not there.
    """
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a user without a usable id")
    plans = parse_plan_ids(row.get("assignedPlans") or None)
    licences = row.get("assignedLicenses")
    is_assigned = any(state != "deleted" for _, state in list_plan_states(row.get("assignedPlans")))
    licensed = is_assigned or (isinstance(licences, list) and bool(licences))
    if plans is None and licences == []:
        plans = frozenset()
    return Account(
        id=found,
        upn=parse_text(row.get("userPrincipalName"), 512),
        enabled=parse_optional_bool(row.get("accountEnabled")),
        synced=parse_row_flag(row, "onPremisesSyncEnabled"),
        plans=plans,
        idle_plans=parse_idle_plan_ids(row.get("assignedPlans")) & (plans or frozenset()),
        switched_off_plans=parse_switched_off_plan_ids(licences),
        licensed=licensed,
        licence_ids=parse_licence_ids(licences),
        created_at=parse_known_timestamp(row.get("createdDateTime")),
        password_changed_at=parse_known_timestamp(row.get("lastPasswordChangeDateTime")),
        is_management_restricted=parse_row_flag(row, "isManagementRestricted"),
    )


def parse_known_timestamp(value: object) -> datetime | None:
    """A point in time; None when it is absent or makes no sense."""
    try:
        return parse_timestamp(value)
    except ValueError:
        return None


def parse_licence_ids(value: object) -> frozenset[str] | None:
    """SKU ids of the assigned licences; None when they cannot all be told."""
    if not isinstance(value, list) or len(value) > LIST_LIMIT:
        return None
    ids = [parse_object_id(one.get("skuId")) if isinstance(one, Mapping) else "" for one in value]
    return frozenset(ids) if all(ids) else None


def parse_switched_off_plan_ids(value: object) -> frozenset[str]:
    """Ids of the plans that the assigned licences leave out (assignedLicense, disabledPlans)."""
    licences = value[:LIST_LIMIT] if isinstance(value, list) else []
    listed = [one.get("disabledPlans") for one in licences if isinstance(one, Mapping)]
    return frozenset(
        parse_text(plan, ID_LIMIT).strip().lower()
        for plans in listed
        if isinstance(plans, list)
        for plan in plans[:LIST_LIMIT]
        if parse_text(plan, ID_LIMIT)
    )


def parse_plan_ids(value: object) -> frozenset[str] | None:
    """Ids of the service plans that are not deleted; None when Graph did not report them, or one
    of them cannot be read.
    """
    if not isinstance(value, list) or not all(map(is_plan, value[:LIST_LIMIT])):
        return None
    return frozenset(plan for plan, state in list_plan_states(value) if state != "deleted")


def parse_idle_plan_ids(value: object) -> frozenset[str]:
    """Ids of the service plans in no state in which they serve.

    A plan may be assigned twice, by two products: it serves if one of them does. A row without a
    state says nothing against the plan.
    """
    states = list(list_plan_states(value))
    serving = {plan for plan, state in states if state in SERVING_STATES}
    return frozenset(plan for plan, _ in states) - serving


def is_plan(value: object) -> bool:
    """Whether an entry of the assigned plans names one."""
    return isinstance(value, Mapping) and bool(parse_text(value.get("servicePlanId")))


def list_plan_states(value: object) -> Iterator[tuple[str, str]]:
    """Each service plan with its state, in lower case."""
    for plan in value[:LIST_LIMIT] if isinstance(value, list) else ():
        if isinstance(plan, Mapping) and parse_text(plan.get("servicePlanId")):
            state = parse_text(plan.get("capabilityStatus"), SHORT_LIMIT).strip().lower()
            yield parse_text(plan.get("servicePlanId"), ID_LIMIT).lower(), state


def parse_registration(row: ResponseRow) -> MfaRegistration:
    """A row of userRegistrationDetails."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a row of the report without a usable id")
    registered, capable = (
        parse_optional_bool(row.get("isMfaRegistered")),
        parse_optional_bool(row.get("isMfaCapable")),
    )
    if registered is None or capable is None:
        raise ValueError("the report does not say whether there is a second factor")
    methods = parse_methods(row.get("methodsRegistered"))
    if methods is None and capable:
        raise ValueError("the report does not say which second factor there is")
    return MfaRegistration(
        id=found,
        upn=parse_text(row.get("userPrincipalName"), NAME_LIMIT),
        is_guest=parse_text(row.get("userType"), SHORT_LIMIT).lower() == "guest",
        is_admin=parse_optional_bool(row.get("isAdmin")),
        mfa_registered=registered,
        mfa_capable=capable,
        passwordless_capable=parse_row_flag(row, "isPasswordlessCapable"),
        methods=methods or frozenset(),
    )


def parse_methods(value: object) -> frozenset[str] | None:
    """The methods that the report names, in small letters; None where it names none at all. Raises
    ValueError for what is no name.
    """
    if value is None:
        return None
    listed = [one for one in (value if isinstance(value, list) else [value]) if one is not None]
    if not all(isinstance(one, str) for one in listed):
        raise ValueError("the report names a method that cannot be read")
    names = (parse_text(one, SHORT_LIMIT).strip().lower() for one in listed[:LIST_LIMIT])
    return frozenset(filter(None, names))


def parse_federated_domain(row: ResponseRow) -> str | None:
    """A domain of Graph's /domains that another provider signs in; None for any other.

    Microsoft Learn: Graph domain resource type, authenticationType.
    """
    kind = parse_text(row.get("authenticationType"), SHORT_LIMIT).strip().lower()
    name = parse_text(row.get("id"), NAME_LIMIT).strip()
    if kind not in ("managed", "federated") or not name:
        raise ValueError("a domain that does not say who signs its accounts in")
    return name if kind == "federated" else None


@dataclass(frozen=True, slots=True)
class M365AccountReader:
    """Implements AccountReader on Graph."""

    graph: GraphClient

    async def read_accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        """The accounts of mailboxes by id. An account unknown to Entra is no failure."""
        requested = {owner.id: owner for owner in owners if owner.has_account}
        paths = {one: f"{build_user_path(one)}?$select={ACCOUNT_PROPERTIES}" for one in requested}
        items, failures = await fetch_objects(self.graph, paths, READ_USERS, parse_account)
        subjects = {owner.id: owner.address for owner in owners}
        return Reading(
            items=tuple(items),
            failures=build_object_failures(ACCOUNTS, failures, len(requested), subjects),
            sources=frozenset({ACCOUNTS}),
            population=len(owners),
        )

    async def read_users(self, keys: Sequence[str]) -> Reading[Account]:
        """Users by id or principal name; those Entra does not know are absent."""
        if not keys:
            return Reading(sources=frozenset({ACCOUNTS}))
        paths = {
            key: f"/users/{quote(key, safe='')}?$select={ACCOUNT_STATE_PROPERTIES}" for key in keys
        }
        items, failures = await fetch_objects(self.graph, paths, READ_USERS, parse_account)
        return Reading(
            items=tuple(items),
            failures=build_object_failures(ACCOUNTS, failures, len(paths), {}),
            sources=frozenset({ACCOUNTS}),
            population=len(paths),
        )

    async def read_last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        """Last sign-ins by id. Needs a licence of Entra ID P1 besides the role."""
        items, failures = await fetch_last_sign_ins(self.graph, ids)
        return build_sign_in_reading(SIGN_INS, ids, items, failures)

    async def read_successful_sign_ins(
        self, ids: Sequence[str], since: datetime
    ) -> Reading[SignIn]:
        """The last success of either kind in the log, since a time; None: the log shows none."""
        items, failures = await fetch_successful_sign_ins(self.graph, ids, since)
        return build_sign_in_reading(SIGN_IN_LOG, ids, items, failures)

    async def read_sign_in_events(self, since: datetime) -> Reading[SignInEvent]:
        """Single sign-ins of the kinds that are worth a look, since a time."""
        return await fetch_sign_in_events(self.graph, since)

    async def read_enablings(self, ids: Sequence[str], since: datetime) -> Reading[Enabling]:
        """Who enabled accounts since a time, by the directory's audit log."""
        return await fetch_enablings(self.graph, ids, since)

    async def read_federated_domains(self) -> Reading[str]:
        """The domains whose sign-ins another provider decides."""
        sources = frozenset({FEDERATED_DOMAINS})
        rows: list[ResponseRow] = []
        try:
            async for page in self.graph.read_pages("/domains", READ_DOMAINS):
                rows += page
        except TenantError as error:
            gap = build_read_failure(FEDERATED_DOMAINS, error, optional=True)
            return Reading(failures=(gap,), sources=sources)
        found, broken = parse_each_row(rows, parse_federated_domain)
        failures = tuple(
            build_read_failure(FEDERATED_DOMAINS, error, optional=True) for _, error in broken[:1]
        )
        return Reading(tuple(filter(None, found)), failures, sources)

    async def list_mfa_registrations(self) -> AsyncIterator[Reading[MfaRegistration]]:
        """The report page by page. If the report breaks off, the last page holds the reason."""
        sources = frozenset({SIGN_IN_METHODS})
        unidentified_count = 0
        try:
            way = await self.graph.chosen_ways.find(REGISTRATION_PAGE)
            size = REPORT_PAGE_SIZE if way == LARGE_PAGES else 0
            async for rows in read_large_pages(self.graph, REPORT_PATH, size, READ_REPORT):
                found, broken = parse_each_row(rows, parse_registration)
                ids = [parse_object_id(row.get("id")) for row, _ in broken]
                failures = build_row_failures(SIGN_IN_METHODS, broken, ids, unidentified_count)
                unidentified_count += len(broken)
                yield Reading(
                    items=tuple(found),
                    failures=failures,
                    sources=sources,
                    population=len(rows),
                    scope=frozenset(one.id for one in found)
                    | {failure.object_id for failure in failures},
                )
        except TenantError as error:
            failure = build_report_failure(error)
            yield Reading(failures=(failure,), sources=sources, complete=False, scope=frozenset())

    async def read_user_count(self) -> Reading[int]:
        """The number of users now."""
        sources = frozenset({USER_COUNT})
        try:
            answer = await self.graph.get(f"/users?$select=id&$top=1&{COUNTING}", READ_USERS)
            count = answer.get("@odata.count")
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise Unavailable("Graph did not count the users")
        except TenantError as error:
            return Reading(
                failures=(build_read_failure(USER_COUNT, error, optional=True),), sources=sources
            )
        return Reading((count,), sources=sources, population=1)


def build_sign_in_reading(
    source: str, ids: Sequence[str], items: Sequence[SignIn], failures: Failures
) -> Reading[SignIn]:
    """The sign-ins of some accounts; a licence that is missing counts as a permission."""
    found = build_object_failures(source, failures, len(ids), {}, optional=True)
    reading = Reading(tuple(items), found, frozenset({source}), population=len(ids))
    return name_licence(reading)


def build_report_failure(error: TenantError) -> ReadFailure:
    """Why the report was not read: a missing permission or licence, or a passing failure."""
    failure = build_read_failure(SIGN_IN_METHODS, error)
    if isinstance(error, Forbidden) and NO_LICENCE in str(error):
        return replace(failure, permission=PREMIUM_LICENCE)
    return failure
