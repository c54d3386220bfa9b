"""Who owns powerful apps, and who became an owner since the guard looks. Pure.

An owner gives an app new secrets without holding any role, so whoever makes themselves one keeps
what the app may do (MITRE ATT&CK T1098.001, Additional Cloud Credentials). One that was always
there is a weakness; one that appears is an act.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from core.guards.app_consent.credentials import describe_reach, list_reach_sources, lower_title
from core.guards.app_consent.grants import ConsentedApp
from core.guards.app_consent.rating import AppReach, measure_reach
from core.guards.app_consent.remedies import build_owner_remedy
from core.guards.app_consent.texts import MAX_TEXT_LENGTH, format_app_name, list_app_facts
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.permission_rules import PermissionRisk
from core.model.findings import Fact, Finding, Severity
from core.tenant.apps import AppOwner
from core.tenant.known_traits import KnownTraits, note_traits
from core.tenant.quoting import quote_text
from core.tenant.sources import APP_REGISTRATIONS

OWNER_TRAIT = "app-owner"


def is_owned_power(item: ConsentedApp, reach: AppReach) -> bool:
    """True for an app whose owners hold something worth having."""
    is_powerful = reach.by_itself >= PermissionRisk.SENSITIVE
    return is_powerful and item.app.enabled and not item.app.is_self


def note_owners(
    items: Sequence[ConsentedApp], known: Mapping[str, KnownTraits], now: datetime
) -> tuple[KnownTraits, ...]:
    """What is to be remembered of the owners of powerful apps, each of a registration here."""
    return tuple(
        note_traits(
            known, item.app.id, OWNER_TRAIT, [one.id for one in item.registration.owners], now
        )
        for item in items
        if item.registration and is_owned_power(item, measure_reach(item))
    )


def mark_new_owners(
    items: Sequence[ConsentedApp], noted: Sequence[KnownTraits], now: datetime
) -> tuple[ConsentedApp, ...]:
    """The apps, each with the owners it got since the guard first looked at it."""
    added = {one.object_id: dict(one.list_new_traits(now)) for one in noted}
    return tuple(replace(item, new_owners=added.get(item.app.id, {})) for item in items)


def judge_owner(item: ConsentedApp, owner: AppOwner, reach: AppReach) -> Iterator[Finding]:
    """Somebody who may give a powerful app new secrets, without any role."""
    if not is_owned_power(item, reach):
        return
    app, added_at = item.app, item.new_owners.get(owner.id)
    application_id = item.registration.id if item.registration else ""
    who = quote_text(owner.name or owner.id, MAX_TEXT_LENGTH)
    facts = (
        *list_app_facts(app),
        *describe_reach(reach),
        Fact("owner", f"{who}, a guest" if owner.is_guest else who),
    )
    if added_at is None:
        yield Finding(
            kind="app-owner",
            object_id=app.id,
            subject=format_app_name(app),
            severity=Severity.MEDIUM if owner.is_guest else Severity.LOW,
            verdict=ConsentVerdict.GRANTED,
            summary=f"{who} owns {lower_title(app)} and may give it new secrets.",
            facts=facts,
            sources=(APP_REGISTRATIONS, *list_reach_sources(reach)),
            fingerprint=owner.id,
            advice="An owner can do whatever the app may do. Leave apps like this to "
            "administrators.",
            steps=build_owner_remedy(app, application_id, owner, who),
        )
        return
    yield Finding(
        kind="app-owner-added",
        object_id=app.id,
        subject=format_app_name(app),
        severity=Severity.HIGH,
        verdict=ConsentVerdict.GRANTED,
        summary=f"{who} became an owner of {lower_title(app)} and may give it new secrets.",
        facts=(*facts, Fact("first seen", f"{added_at:%Y-%m-%d %H:%M} UTC")),
        sources=(APP_REGISTRATIONS, *list_reach_sources(reach)),
        fingerprint=f"{owner.id}|{added_at.isoformat()}",
        advice="Find out who made them an owner, and look at the secrets the app got since. If "
        "nobody answers for it, take it away.",
        steps=build_owner_remedy(app, application_id, owner, who),
        is_one_off=True,
        needs_own_exemption=True,
    )
