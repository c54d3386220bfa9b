"""Judges shared mailboxes by what their licence allows and what synchronization will do. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from core.guards.shared_mailbox_health.items import (
    GB,
    LICENCES,
    NEAR_SIZE_LIMIT,
    SETTINGS,
    SIZE_LIMIT,
    SIZE_SOURCES,
    MeasuredMailbox,
    SharedMailboxItem,
    SharedMailboxState,
)
from core.guards.shared_mailbox_health.remedies import (
    build_conversion_remedy,
    build_licence_step,
    build_needless_remedy,
    build_size_remedy,
)
from core.microsoft365.powershell import ARCHIVING_PRODUCT, LARGE_MAILBOX_PRODUCT
from core.microsoft365.remedies import build_command, make_exchange_step
from core.microsoft365.remote_recipient_type import (
    ConversionOutcome,
    format_recipient_type,
    predict_conversion,
)
from core.microsoft365.service_plans import (
    PLAN_1,
    allows_hold_and_archive,
    allows_large_mailbox,
    filter_mailbox_plans,
    has_mailbox_plan,
    list_plan_names,
    normalize_plan_ids,
)
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardPolicy
from core.tenant.directory import Account
from core.tenant.mailboxes import format_mailbox_name

SIZE_STEPS = (45, 50, 60, 75, 90)
"""Sizes are stated in steps of so many GB, so that the evidence does not change every day."""
NEAR_QUOTA = 0.9
"""A mailbox is near its quota from this share of it on."""
LICENCE_LIMIT = "needed above 50 GB: Exchange Online (Plan 2)"


def judge(item: SharedMailboxItem, policy: GuardPolicy) -> Iterator[Finding]:
    """What is wrong with one shared mailbox; it may be several things."""
    match item:
        case SharedMailboxState():
            yield from judge_conversion(item)
            yield from judge_unlicensed_features(item)
            yield from judge_unknown_settings(item)
        case MeasuredMailbox():
            yield from judge_mailbox_size(item)
            yield from judge_needless_licence(item)


def judge_conversion(item: SharedMailboxState) -> Iterator[Finding]:
    """A mailbox that the directory on premises holds for something else."""
    settings = item.settings
    remote = settings.remote_recipient_type
    if not settings.mailbox.synced or settings.cloud_managed or remote is None:
        return
    future = predict_conversion(remote)
    if future is ConversionOutcome.SHARED:
        return
    name = format_mailbox_name(settings.mailbox)
    unsure = future is ConversionOutcome.UNSURE
    yield Finding(
        kind="comes-back",
        object_id=settings.mailbox.id,
        subject=name,
        severity=Severity.LOW if unsure else Severity.HIGH,
        verdict=Verdict.ON_PREMISES,
        summary=f"The directory on premises does not call {name} a shared mailbox."
        if unsure
        else f"The next synchronisation makes {name} {future.value} again.",
        facts=(
            Fact("", f"RemoteRecipientType: {format_recipient_type(remote)} ({remote})"),
            Fact("", f"after the next synchronisation: {future.value}"),
            *list_conversion_facts(future, item.account),
        ),
        sources=(SETTINGS,),
        fingerprint=format_recipient_type(remote),
        advice="Have the directory on premises call it a shared mailbox, and synchronise.",
        steps=build_conversion_remedy(settings, remote),
    )


def list_conversion_facts(outcome: ConversionOutcome, account: Account | None) -> Iterator[Fact]:
    """What becomes of its mail and its sign-in."""
    if account is None:
        return
    plans = account.serving_plans
    unlicensed = plans is not None and not has_mailbox_plan(plans)
    if outcome is ConversionOutcome.USER and unlicensed:
        yield Fact(
            "", "no licence: as a user mailbox it is disconnected after 30 days, and its mail lost"
        )
    yield make_sign_in_fact(account)


def judge_unlicensed_features(item: SharedMailboxState) -> Iterator[Finding]:
    """A hold or an archive that the licence does not cover."""
    settings, account = item.settings, item.account
    named = (("litigation hold", settings.litigation_hold), ("archive", settings.has_archive))
    features = [name for name, there in named if there]
    if not features or item.is_account_unreadable:
        return
    name = format_mailbox_name(settings.mailbox)
    finding = Finding(
        kind="hold-without-licence",
        object_id=settings.mailbox.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Whether {name} has the licence it needs is not known.",
        facts=(Fact("it has", ", ".join(features)), make_licence_fact(account)),
        sources=(SETTINGS, LICENCES),
        fingerprint="+".join(features),
        advice="Graph did not say which service plans its account holds: look at it in Entra ID.",
    )
    plans = account.serving_plans if account else None
    if account is None or plans is None:
        yield finding
    elif not allows_hold_and_archive(plans):
        yield replace(
            finding,
            severity=Severity.MEDIUM,
            verdict=Verdict.ASK,
            summary=f"Shared mailbox {name} has {' and '.join(features)} without the licence.",
            facts=(
                *finding.facts,
                Fact(
                    "needed", "Exchange Online (Plan 2), or (Plan 1) with Exchange Online Archiving"
                ),
            ),
            advice="Give its account the licence, which needs a UsageLocation.",
            steps=(
                build_licence_step(
                    account,
                    ARCHIVING_PRODUCT
                    if normalize_plan_ids(plans) & PLAN_1
                    else LARGE_MAILBOX_PRODUCT,
                ),
            ),
        )


def judge_unknown_settings(item: SharedMailboxState) -> Iterator[Finding]:
    """Settings that the answer did not tell, or in words nobody knows."""
    settings = item.settings
    names = {
        "LitigationHoldEnabled": settings.litigation_hold is None,
        "ArchiveStatus": settings.has_archive is None,
        "RemoteRecipientType": settings.mailbox.synced and settings.remote_recipient_type is None,
    }
    missing = [name for name, lacks in names.items() if lacks]
    if missing:
        name = format_mailbox_name(settings.mailbox)
        yield Finding(
            kind="settings-unknown",
            object_id=settings.mailbox.id,
            subject=name,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Exchange does not tell {', '.join(missing)} of {name}.",
            sources=(SETTINGS,),
            fingerprint="+".join(missing),
            advice="Look at them in Exchange.",
            steps=(
                make_exchange_step(
                    "Look at them.",
                    build_command(
                        "Get-Mailbox",
                        f"| Format-List {', '.join(missing)}",
                        Identity=settings.mailbox.guid,
                    ),
                ),
            ),
        )


def judge_mailbox_size(item: MeasuredMailbox) -> Iterator[Finding]:
    """A mailbox that is full, or larger than its licence allows, or near one of the two."""
    account, size, quota = item.account, item.size_bytes, item.mailbox.quota_bytes
    plans = account.serving_plans if account else None
    is_licensed = allows_large_mailbox(plans or ())
    is_full = quota is not None and size >= quota
    is_near_quota = quota is not None and size >= quota * NEAR_QUOTA
    is_near_licence = size >= NEAR_SIZE_LIMIT and not is_licensed
    if not is_near_quota and not is_near_licence:
        return
    name = format_mailbox_name(item.mailbox)
    finding = Finding(
        kind="too-large",
        object_id=item.mailbox.id,
        subject=name,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"Shared mailbox {name} is full: it takes no more mail.",
        facts=(
            Fact("size", format_size_step(size)),
            make_quota_fact(quota),
            make_licence_fact(account),
            *(() if is_licensed else (Fact("", LICENCE_LIMIT),)),
        ),
        sources=SIZE_SOURCES,
        advice="Delete or move what is not needed, raise its quota where the licence has room, or "
        "give it a licence for more.",
        steps=build_size_remedy(item, is_licensed),
    )
    if is_full:
        yield finding
    elif is_near_licence and plans is None:
        yield replace(
            finding,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether {name} has the licence for its size is not known.",
            steps=(),
            advice="Find out which licences its account holds: above 50 GB it needs Exchange "
            "Online (Plan 2).",
        )
    elif is_near_licence and size > SIZE_LIMIT:
        yield replace(
            finding,
            severity=Severity.HIGH if quota is None else Severity.MEDIUM,
            summary=f"Shared mailbox {name} is over 50 GB without the licence; whether it still "
            "takes mail is not known."
            if quota is None
            else f"Shared mailbox {name} is over 50 GB without the licence. Its quota still lets "
            "mail in.",
        )
    elif is_near_licence:
        yield replace(
            finding,
            severity=Severity.LOW,
            summary=f"Shared mailbox {name} is near the 50 GB it may have without a licence.",
        )
    else:
        yield replace(
            finding,
            severity=Severity.LOW,
            summary=f"Shared mailbox {name} is near its quota: when it is full, it takes no more "
            "mail.",
        )


def make_quota_fact(quota: int | None) -> Fact:
    """The size at which the mailbox takes no more mail."""
    if quota is None:
        return Fact("quota", "Exchange did not tell it")
    return Fact("quota", "unlimited" if quota >= 1024 * GB else f"{quota / GB:g} GB")


def judge_needless_licence(item: MeasuredMailbox) -> Iterator[Finding]:
    """A licence that the mailbox does not need: it costs money, and makes it fit for a person."""
    account, settings = item.account, item.settings
    if account is None or settings is None or item.size_bytes >= NEAR_SIZE_LIMIT:
        return
    # A setting that is unknown may be the reason for the licence.
    if not all(
        one is False for one in (settings.litigation_hold, settings.has_archive, settings.on_hold)
    ):
        return
    name = format_mailbox_name(item.mailbox)
    plans = filter_mailbox_plans(account.serving_plans or ())
    if not plans:
        return
    yield Finding(
        kind="needless-licence",
        object_id=item.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM if account.enabled else Severity.LOW,
        verdict=Verdict.ASK,
        summary=f"Shared mailbox {name} is licensed without need.",
        facts=(
            make_licence_fact(account),
            make_sign_in_fact(account),
            Fact("size", f"{format_size_step(item.size_bytes)}; no hold, no archive"),
        ),
        sources=SIZE_SOURCES,
        advice="If a person uses it, it is no shared mailbox: find out who licensed it and convert "
        "it back, or give them one of their own. Otherwise take the licence away.",
        steps=build_needless_remedy(account, plans),
    )


def format_size_step(size_bytes: int) -> str:
    """A size in steps so wide that it stays the same for weeks."""
    if size_bytes < NEAR_SIZE_LIMIT:
        return f"under {SIZE_STEPS[0]} GB"
    for low, high in pairwise(SIZE_STEPS):
        if size_bytes <= high * GB:
            return f"{low} to {high} GB"
    return f"over {SIZE_STEPS[-1]} GB"


def make_licence_fact(account: Account | None) -> Fact:
    """Which licences decide, by service plan."""
    if account is None:
        return Fact("licences", "not known, for Entra ID does not know its account")
    if account.plans is None:
        return Fact("licences", "assigned, plans unknown" if account.licensed else "not known")
    names = list(list_plan_names(account.plans - account.idle_plans))
    names += [f"{name} (suspended or locked out)" for name in list_plan_names(account.idle_plans)]
    return Fact("licences", ", ".join(names) or "none that concerns a mailbox")


def make_sign_in_fact(account: Account) -> Fact:
    """Whether somebody could sign in as the mailbox."""
    words = {True: "enabled", False: "blocked", None: "not known"}
    return Fact("sign-in of its account", words[account.enabled])
