"""Reads every app with the permissions it holds, and whether users may consent."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Protocol

from core.guards.app_consent.grants import (
    GRANT_SOURCES,
    POLICY,
    AppGrants,
    ConsentItem,
    build_unlisted_batch,
    join_app_grants,
    list_grant_holders,
)
from core.model.guards import ObserveContext
from core.tenant.apps import App
from core.tenant.merging import PresenceTracker, collect_failures
from core.tenant.port import HasApps, HasConfiguration
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import APPS


class ConsentPorts(HasApps, HasConfiguration, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: ConsentPorts, context: ObserveContext
) -> AsyncIterator[Reading[ConsentItem]]:
    """Whether users may consent; then every app of the tenant with what it holds, page by page."""
    policy = await tenant.configuration.read_configuration(POLICY)
    yield Reading(policy.items, policy.failures, policy.sources)
    holdings = AppGrants()
    async for grants in tenant.apps.list_delegated_grants():
        holdings.failures += collect_failures((grants,))
        for grant in grants.items:
            holdings.add_delegated_grant(grant)
    async for given in tenant.apps.list_app_permissions():
        holdings.failures += collect_failures((given,))
        for permission in given.items:
            holdings.add_app_permission(permission)
    apis = await read_resource_apis(tenant, holdings)
    listed = PresenceTracker(context.open_case_ids)
    unseen = holdings.list_owner_ids()
    async for page in tenant.apps.list_apps():
        listed.add_page(page)
        unseen -= {one for one in unseen if page.scope is not None and one in page.scope}
        yield join_app_grants(page, holdings, apis)
    rest = frozenset(unseen) if listed.complete else frozenset[str]()
    yield build_unlisted_batch(rest, holdings, apis)
    listed.present_ids |= rest
    for absent in listed.build_absence_readings((APPS, *holdings.list_complete_sources())):
        yield absent


async def read_resource_apis(tenant: HasApps, grants: AppGrants) -> Mapping[str, App]:
    """The APIs by id; what is for one that could not be read counts as unread, app by app."""
    wanted = grants.list_api_ids()
    found = await tenant.apps.read_apps(wanted) if wanted else Reading[App]()
    apis = {api.id: api for api in found.items}
    if whole := found.find_source_failure(APPS):
        grants.failures += [replace(whole, source=surface) for surface in GRANT_SOURCES]
        return apis
    reasons = {miss.object_id: miss.reason for miss in found.failures}
    for surface, client, resource in list_grant_holders(grants):
        if resource in reasons:
            reason = f"its API could not be read: {reasons[resource]}"
            grants.failures.append(ReadFailure(surface, reason, client))
    # What an API gave that is not there any more opens nothing that is known.
    return {one: App(one) for one in wanted - reasons.keys()} | apis
