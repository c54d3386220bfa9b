"""App registrations through Microsoft Graph: what an app of this tenant is signed in to with.

Secrets and certificates hang on the registration, and seldom on the service principal. `$expand`
returns twenty owners at most and nothing that says there are more (Microsoft Graph: known issues),
so an app with twenty is asked for all of them. Federated credentials are asked for app by app, in
batches.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from core.adapters.exchange.id_set import IdSet
from core.adapters.graph.client import GraphClient
from core.adapters.m365.app_credentials import parse_app_credentials, parse_object_list
from core.adapters.m365.grants import READ_APPS
from core.adapters.parsing import (
    ResponseRow,
    explain_row_error,
    parse_each_row,
    parse_object_id,
    parse_text,
)
from core.adapters.read_errors import (
    build_object_failures,
    build_row_failures,
    build_unavailable_reading,
)
from core.errors import MISTAKES, NotFound, TenantError
from core.microsoft365.assumptions.graph_directory import (
    EXPANDED_OWNERS,
    FEDERATED_CREDENTIAL_READS,
)
from core.tenant.apps import AppOwner, AppRegistration, FederatedCredential
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import APP_REGISTRATIONS, FEDERATED_CREDENTIALS

RELIES_ON = (EXPANDED_OWNERS, FEDERATED_CREDENTIAL_READS)
PROPERTIES = "id,appId,displayName,keyCredentials,passwordCredentials"
PATH = f"/applications?$select={PROPERTIES}&$expand=owners"
MAX_EXPANDED = 20
NAME_LIMIT = 256
ADDRESS_LIMIT = 600


def parse_app_registration(row: ResponseRow) -> AppRegistration:
    """An application. Raises ValueError for one without ids, or with secrets of no known shape."""
    found, app_id = parse_object_id(row.get("id")), parse_object_id(row.get("appId"))
    if not found or not app_id:
        raise ValueError("an app registration without a usable id")
    owners = parse_object_list(row, "owners")
    return AppRegistration(
        id=found,
        app_id=app_id,
        name=parse_text(row.get("displayName"), NAME_LIMIT),
        credentials=tuple(parse_app_credentials(row)),
        owners=parse_owners(owners),
    )


def parse_owners(rows: Sequence[ResponseRow]) -> tuple[AppOwner, ...]:
    """The owners, in a fixed order. Raises ValueError for one without an id."""
    return tuple(sorted(map(parse_owner, rows), key=lambda one: one.id))


def parse_owner(row: ResponseRow) -> AppOwner:
    """A user or an app that owns a registration."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("an owner without a usable id")
    name = parse_text(row.get("userPrincipalName"), NAME_LIMIT)
    guest = parse_text(row.get("userType"), 64).casefold() == "guest" or "#ext#" in name.casefold()
    return AppOwner(found, name or parse_text(row.get("displayName"), NAME_LIMIT), guest)


def parse_federated_credential(row: ResponseRow) -> FederatedCredential:
    """A federated credential. Raises ValueError for one without an id or an issuer."""
    found = parse_object_id(row.get("id"))
    issuer = parse_text(row.get("issuer"), ADDRESS_LIMIT).strip()
    if not found or not issuer:
        raise ValueError("a federated credential without a usable id or issuer")
    return FederatedCredential(
        found,
        parse_text(row.get("name"), NAME_LIMIT),
        issuer,
        parse_text(row.get("subject"), ADDRESS_LIMIT).strip(),
    )


async def fetch_registrations(graph: GraphClient) -> AsyncIterator[Reading[AppRegistration]]:
    """Every registration with what can be signed in to it with, page by page."""
    seen, broken_count = IdSet(), 0
    try:
        async for rows in graph.read_pages(PATH, READ_APPS):
            items, broken = parse_each_row(rows, parse_app_registration)
            ids = [parse_object_id(row.get("id")) for row, _ in broken]
            failures = build_row_failures(APP_REGISTRATIONS, broken, ids, broken_count)
            broken_count += len(broken)
            new = {one.id: one for one in items if seen.add(one.id)}
            unread = await add_all_owners(graph, new)
            unread += await add_federated_credentials(graph, new)
            yield Reading(
                items=tuple(new.values()),
                failures=(*failures, *unread),
                sources=frozenset({APP_REGISTRATIONS, FEDERATED_CREDENTIALS}),
                population=len(new) + len(failures),
            )
    except TenantError as error:
        for source in (APP_REGISTRATIONS, FEDERATED_CREDENTIALS):
            yield build_unavailable_reading(source, error)
        return
    if not seen.count and not broken_count:
        yield Reading(sources=frozenset({APP_REGISTRATIONS, FEDERATED_CREDENTIALS}))


async def add_all_owners(
    graph: GraphClient, found: dict[str, AppRegistration]
) -> tuple[ReadFailure, ...]:
    """Adds the owners that `$expand` may have left out; returns what was not read."""
    wanted = {
        one.id: f"{build_application_path(one.id)}/owners?$select=id,displayName,userPrincipalName"
        for one in found.values()
        if len(one.owners) >= MAX_EXPANDED
    }
    rows, errors = await fetch_related_rows(graph, wanted)
    for one, related in rows.items():
        try:
            found[one] = replace(found[one], owners=parse_owners(related))
        except MISTAKES as error:
            errors[one] = explain_row_error(error)
    return build_object_failures(APP_REGISTRATIONS, errors, len(wanted), {})


async def add_federated_credentials(
    graph: GraphClient, found: dict[str, AppRegistration]
) -> tuple[ReadFailure, ...]:
    """Adds the federated credentials; returns what was not read."""
    wanted = {one: f"{build_application_path(one)}/federatedIdentityCredentials" for one in found}
    rows, errors = await fetch_related_rows(graph, wanted)
    for one, related in rows.items():
        items, broken = parse_each_row(related, parse_federated_credential)
        found[one] = replace(
            found[one], federated_credentials=tuple(sorted(items, key=lambda item: item.id))
        )
        if broken:
            errors[one] = broken[0][1]
    return build_object_failures(FEDERATED_CREDENTIALS, errors, len(wanted), {})


def build_application_path(object_id: str) -> str:
    """The path of a registration."""
    return f"/applications/{quote(object_id, safe='')}"


async def fetch_related_rows(
    graph: GraphClient, paths: Mapping[str, str]
) -> tuple[dict[str, list[ResponseRow]], dict[str, TenantError | str]]:
    """What belongs to each of some registrations, in batches. One that is gone has nothing."""
    rows: dict[str, list[ResponseRow]] = {}
    errors: dict[str, TenantError | str] = {}

    def take(key: str, answer: list[ResponseRow] | TenantError) -> None:
        if isinstance(answer, NotFound):
            return
        if isinstance(answer, TenantError):
            errors[key] = answer
        else:
            rows[key] = answer

    if paths:
        await graph.get_collections(paths, READ_APPS, take)
    return rows, errors
