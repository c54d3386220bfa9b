"""Judges shared mailboxes by what their licence allows and what synchronization will do. Pure."""

from collections.abc import Iterator, Sequence
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
from core.microsoft365.powershell import (
    ARCHIVING_PRODUCT,
    LARGE_MAILBOX_PRODUCT,
    build_ad_attributes_command,
    build_assign_licence_command,
    build_remote_shared_command,
    build_remove_licences_command,
    can_be_quoted,
    quote_literal,
)
from core.microsoft365.remote_recipient_type import (
    PROVISIONED,
    REMOTE_SHARED_MAILBOX,
    ConversionOutcome,
    compute_shared_flags,
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
from core.tenant.mailboxes import SharedMailbox, format_mailbox_name

SIZE_STEPS = (45, 50, 60, 75, 90)
"""Sizes are stated in steps of so many GB, so that the evidence does not change every day."""
NEAR_QUOTA = 0.9
"""A mailbox is near its quota from this share of it on."""
LICENCE_LIMIT = "needed above 50 GB: Exchange Online (Plan 2)"
SYNC_CYCLE = "then a sync cycle (Start-ADSyncSyncCycle -PolicyType Delta)"


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
        advice=build_conversion_advice(settings, remote),
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


def build_conversion_advice(settings: SharedMailbox, remote_recipient_type: int) -> str:
    """What an administrator of the on-premises directory runs."""
    values = {
        "msExchRemoteRecipientType": compute_shared_flags(remote_recipient_type),
        "msExchRecipientTypeDetails": REMOTE_SHARED_MAILBOX,
    }
    exchange = build_remote_shared_command(settings.mailbox.address)
    attributes = build_ad_attributes_command(settings.upn, values)
    if not exchange or not attributes:
        pairs = ", ".join(f"{name} to {number}" for name, number in values.items())
        return f"On premises set {pairs} of its account, {SYNC_CYCLE}."
    if not remote_recipient_type & PROVISIONED:
        return (
            f"On premises run {attributes}, {SYNC_CYCLE}. Set-RemoteMailbox -Type Shared refuses "
            "a migrated mailbox: its RemoteRecipientType would have to include ProvisionMailbox."
        )
    return (
        f"In Exchange on premises run {exchange}. Where there is none, or it says that the mailbox "
        f"is shared already, run {attributes}. In either case {SYNC_CYCLE}."
    )


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
            advice=build_licence_advice(
                account,
                ARCHIVING_PRODUCT if normalize_plan_ids(plans) & PLAN_1 else LARGE_MAILBOX_PRODUCT,
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
            advice=f"Look at it: Get-Mailbox with the properties {', '.join(missing)}.",
        )


def judge_mailbox_size(item: MeasuredMailbox) -> Iterator[Finding]:
    """A mailbox that is full, or larger than its licence allows, or near one of the two."""
    account, size, quota = item.account, item.size_bytes, item.mailbox.quota_bytes
    plans = account.serving_plans if account else None
    is_licensed = allows_large_mailbox(plans or ())
    is_full = quota is not None and size >= quota
    is_near_quota = quota is not None and size >= quota * NEAR_QUOTA
    is_near_licence = size >= NEAR_SIZE_LIMIT and not is_licensed
    if not is_full and not is_near_quota and not is_near_licence:
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
        advice=build_size_advice(item, is_licensed),
    )
    if is_full:
        yield finding
    elif is_near_licence and plans is None:
        yield replace(
            finding,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether {name} has the licence for its size is not known.",
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


def build_size_advice(item: MeasuredMailbox, is_licensed: bool) -> str:
    """How to make room: by deleting, by a larger quota where the licence has room, by a licence."""
    advice = "Delete or move what is not needed"
    allowed = 100 if is_licensed else 50
    identity, quota = item.mailbox.address, item.mailbox.quota_bytes
    if quota is not None and quota < allowed * GB and can_be_quoted(identity):
        advice += (
            f", or raise its quota: Set-Mailbox -Identity {quote_literal(identity)} "
            f"-ProhibitSendReceiveQuota {allowed}GB -ProhibitSendQuota {allowed - 1}GB "
            f"-IssueWarningQuota {allowed - 2}GB"
        )
    if is_licensed or item.account is None:
        return f"{advice}."
    return f"{advice}, or: {build_licence_advice(item.account, LARGE_MAILBOX_PRODUCT)}"


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
        advice=build_needless_advice(account, plans),
    )


def build_needless_advice(account: Account, plans: Sequence[str]) -> str:
    """How to take a licence away, and what to do first where a person is behind it."""
    command = build_remove_licences_command(account.id, plans)
    taking = f"take the licence away: {command}" if command else "take its licence away in Entra ID"
    return (
        "If a person uses it, it is no shared mailbox: find out who licensed it and convert it "
        f"back, or give them one of their own. Otherwise {taking} (other services of the same "
        "licence go with it; one that comes from a group is taken away in the group)."
    )


def build_licence_advice(account: Account, product: str) -> str:
    """How to give the licence that is missing."""
    command = build_assign_licence_command(account.id, product)
    if not command:
        return f"give its account the licence {product} in Entra ID."
    instead = (
        " First take away the mailbox plan it has: two of them exclude each other."
        if product == LARGE_MAILBOX_PRODUCT and has_mailbox_plan(account.serving_plans or ())
        else ""
    )
    return f"{command} (the account needs a UsageLocation).{instead}"


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
