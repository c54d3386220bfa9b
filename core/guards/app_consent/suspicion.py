"""Judges what speaks against an app itself, whatever it was given. Pure."""

from collections.abc import Iterator

from core.guards.app_consent.credentials import REACH_SOURCES, describe_reach
from core.guards.app_consent.rating import AppReach, is_trusted_app
from core.guards.app_consent.remedies import build_app_remedy
from core.guards.app_consent.texts import (
    MAX_TEXT_LENGTH,
    format_app_name,
    format_app_title,
    list_app_facts,
)
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.known_apps import load_abused_apps
from core.microsoft365.permission_rules import PermissionRisk
from core.microsoft365.reply_addresses import ReplyWeakness, WeakReply, list_weak_replies
from core.model.findings import Fact, Finding, Severity
from core.tenant.apps import App
from core.tenant.quoting import quote_text


def judge_abused_app(app: App, reach: AppReach) -> Iterator[Finding]:
    """An app that intruders were seen with, by its id: its name may be any."""
    known = load_abused_apps().get(app.app_id)
    if known is None:
        return
    severity = Severity.LOW if reach.is_empty else Severity.MEDIUM
    if not (reach.is_empty or known.is_product):
        severity = Severity.HIGH
    also = "; others use it for honest work" if known.is_product else ""
    yield Finding(
        kind="abused-app",
        object_id=app.id,
        subject=format_app_name(app),
        severity=severity if app.enabled else Severity.INFO,
        verdict=ConsentVerdict.GRANTED if app.enabled else ConsentVerdict.DORMANT,
        summary=f"{format_app_title(app)} is one that intruders were seen with: it "
        f"{known.seen_doing}{also}.",
        facts=(
            *list_app_facts(app),
            Fact("known as", known.name),
            Fact("reported by", f"{known.source}, {known.dated}"),
        ),
        sources=REACH_SOURCES,
        fingerprint="abused",
        advice=ASK_USERS_ADVICE,
        steps=build_app_remedy(app),
    )


def judge_microsoft_status(app: App, reach: AppReach) -> Iterator[Finding]:
    """An app that Microsoft itself has disabled, which it does to apps that do harm."""
    if not app.microsoft_status or is_trusted_app(app):
        return
    yield Finding(
        kind="disabled-by-microsoft",
        object_id=app.id,
        subject=format_app_name(app),
        severity=Severity.MEDIUM if reach.is_empty else Severity.HIGH,
        verdict=ConsentVerdict.GRANTED,
        summary=f"Microsoft has disabled {format_app_name(app)}, an enterprise app of this tenant.",
        facts=(
            *list_app_facts(app),
            Fact("Microsoft says", quote_text(app.microsoft_status, MAX_TEXT_LENGTH)),
        ),
        sources=REACH_SOURCES,
        fingerprint="disabled",
        advice="It can no longer be signed in to. Find out who let it in and what it read until "
        "then, and treat their accounts as taken over.",
        steps=build_app_remedy(app),
    )


def judge_reply_addresses(app: App, reach: AppReach) -> Iterator[Finding]:
    """Addresses at which somebody else may receive the sign-ins of this tenant's people.

    What a verified publisher hosts where is its own affair, and so is an app that nobody let in.
    """
    if is_trusted_app(app) or not (app.is_home_tenant or not reach.is_empty):
        return
    for weak in list_weak_replies(app):
        if weak.weakness is ReplyWeakness.FREE_HOST and app.publisher:
            continue
        severity = rate_weak_reply(weak)
        if reach.worst >= PermissionRisk.SENSITIVE:
            severity = Severity(min(severity + 1, Severity.HIGH))
        host = quote_text(weak.host, MAX_TEXT_LENGTH)
        yield Finding(
            kind="reply-address",
            object_id=app.id,
            subject=format_app_name(app),
            severity=severity if app.enabled else Severity.INFO,
            verdict=ConsentVerdict.GRANTED if app.enabled else ConsentVerdict.DORMANT,
            summary=f"Sign-ins to {format_app_name(app)} are sent {weak.weakness}: {host}.",
            facts=(*list_app_facts(app), *describe_reach(reach)),
            sources=REACH_SOURCES,
            fingerprint=f"{weak.host} {weak.weakness.name.lower()}",
            advice=build_reply_advice(app),
            steps=build_app_remedy(app),
        )


def rate_weak_reply(weak: WeakReply) -> Severity:
    """How easily somebody else receives a sign-in at an address."""
    if weak.weakness in (ReplyWeakness.WILDCARD, ReplyWeakness.BARE_ADDRESS):
        return Severity.MEDIUM
    return Severity.LOW


ASK_USERS_ADVICE = (
    "Ask those who agreed to it whether they know it; if one of them does not, treat the account "
    "as taken over, and stop the app."
)


def build_reply_advice(app: App) -> str:
    """Where an address is changed."""
    if app.is_home_tenant:
        return (
            "Entra ID > App registrations > the app > Authentication: take away every address that "
            "is not in use, and name the others exactly, with https and a host of your own."
        )
    return "Only its makers can change the address. Ask them why, or stop the app."
