"""The threat: a setting of the whole organization stands, or is put, where it helps intruders.

One switch lets mail be forwarded to anywhere, lets phones in that nobody locks, or lets anybody
invite strangers. Defaults are lax, somebody changes them for an afternoon, an intruder for good.
Nothing in any mailbox shows it.

What should be is the table of `core/guards/tenant_baseline/baseline.json`. A row is judged by its
value alone, never by when an object was last written: Microsoft rewrites some of these objects
itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from core.errors import SettingsError
from core.guards.tenant_baseline.baseline import (
    SHARING_TEST,
    Baseline,
    BaselineRow,
    describe_sharing_entry,
    format_setting_value,
)
from core.guards.tenant_baseline.live_forwards import (
    list_forward_lines,
)
from core.guards.tenant_baseline.observe import (
    MAX_TEXT_LENGTH,
    ORGANIZATION,
    SINGLE_LOOKS,
    BaselineItem,
    build_row_source,
    format_configuration_name,
    observe,
)
from core.guards.tenant_baseline.permissions import (
    build_baseline_permissions,
)
from core.guards.tenant_baseline.remedies import build_row_remedy
from core.guards.tenant_baseline.rule_file import (
    build_baseline,
    build_full_baseline,
    is_writable_row,
)
from core.guards.tenant_baseline.scope import (
    REMOTE_DOMAINS,
    is_single_remote_domain,
)
from core.microsoft365.configuration_sources import (
    get_configuration_source_name,
)
from core.model.findings import Fact, Finding, Severity, Step, Verdict
from core.model.guards import (
    ComparedSetting,
    Guard,
    GuardPolicy,
)
from core.model.options import Purpose, Setting, SettingReader, any_text, names
from core.model.shared_settings import ALLOWED_FORWARD_DOMAINS
from core.property_values import (
    fold_printed_text,
)
from core.tenant.changes import SetConfiguration
from core.tenant.quoting import quote_text

RELIES_ON = ("write-forwarding-mode",)


class BaselineVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    DRIFT = "drift"
    REPAIR = "repair"
    KEEP = "keep"


VERDICT_TEXTS: Mapping[str, str] = {
    BaselineVerdict.DRIFT: "a setting is not what it should be",
    BaselineVerdict.REPAIR: "a protection is weaker than it should be",
    BaselineVerdict.KEEP: "it differs, and is kept as it is",
}

type Policy = GuardPolicy[Baseline]

BASELINE_FILE = Setting(
    name="BASELINE_FILE",
    purpose=Purpose.JUDGEMENT,
    help="tenant-baseline: name of a JSON file in the deployed package that adds rows, changes "
    "rows or switches rows off",
    parse=any_text,
)
BASELINE_ENFORCE = Setting(
    name="BASELINE_ENFORCE",
    purpose=Purpose.JUDGEMENT,
    help="tenant-baseline: rows that the guard remediates in enforce mode, separated by commas; "
    "all others only alert",
    parse=names(r"[a-z0-9-]{1,60}", "ids of rows, which docs/guards.md lists"),
)


# Judgement --------------------------------------------------------------------------------------


def judge(item: BaselineItem, policy: Policy) -> Iterator[Finding]:
    """A value that is not what it should be, or of which that cannot be told."""
    row, fits = item.row, item.row.expected.matches(item.value)
    left = isinstance(item.value, str) and fold_printed_text(item.value) in map(
        fold_printed_text, row.undecided_values
    )
    if fits and not left:
        return
    is_drift = fits is False and not left
    severity = Severity[row.severity.upper()]
    if item.is_inactive:
        severity = min(severity, Severity.LOW)
    elif not is_drift:
        severity = min(severity, Severity.MEDIUM)
    shown, subject = (
        quote_text(format_setting_value(item.value), MAX_TEXT_LENGTH),
        format_configuration_name(item.configuration),
    )
    finding = Finding(
        kind=row.id,
        object_id=item.configuration.id or ORGANIZATION,
        subject=subject,
        severity=severity,
        verdict=BaselineVerdict.DRIFT if is_drift else Verdict.COULD_NOT_TELL,
        summary=f"{subject}: {row.property_name} is {shown}, "
        f"and should {row.expected.requirement}.",
        facts=(
            *((make_unknown_value_fact(shown),) if left else ()),
            *(
                Fact("too wide", describe_excess_entry(item, entry))
                for entry in list_excess_entries(item)[:10]
            ),
            Fact("why", row.rationale),
            *(Fact("", note) for note in item.notes),
            Fact("reference", row.reference),
            make_reach_fact(row, policy.options),
        ),
        sources=(get_configuration_source_name(row.source), build_row_source(row)),
        fingerprint="\n".join(list_excess_entries(item)),
        advice="Ask whoever changed it; unless somebody answers for it, set it back.",
        steps=build_row_remedy(row, item.configuration, subject),
    )
    yield apply_row_decision(item, finding, policy, is_repairable=is_drift or left)


def make_unknown_value_fact(value_text: str) -> Fact:
    """The fact for a value whose meaning Microsoft decides."""
    return Fact(
        "", f"what {value_text} means is Microsoft's to decide and to change; say it yourself"
    )


def describe_excess_entry(item: BaselineItem, entry: str) -> str:
    """An entry that should not be there, and what it lets outsiders see."""
    shown = quote_text(entry, MAX_TEXT_LENGTH)
    if item.row.expected.test != SHARING_TEST:
        return shown
    return f"{shown}: {describe_sharing_entry(entry)}"


def list_excess_entries(item: BaselineItem) -> list[str]:
    """The entries of a list that should not be in it, in order."""
    return sorted(item.row.expected.find_excess(item.value))


def apply_row_decision(
    item: BaselineItem, finding: Finding, policy: Policy, is_repairable: bool
) -> Finding:
    """The finding as its row has it: written, only told, or switched off for a time."""
    row = item.row
    if row.waiver and policy.now.date() <= row.waiver.until:
        decided = (
            f"switched off until {row.waiver.until} by {row.waiver.granted_by}: {row.waiver.reason}"
        )
        return replace(
            finding,
            severity=Severity.INFO,
            verdict=BaselineVerdict.KEEP,
            facts=(Fact("", quote_text(decided, 2 * MAX_TEXT_LENGTH)), *finding.facts),
        )
    if row.waiver:
        ended = (
            f"it was switched off until {row.waiver.until} by {row.waiver.granted_by}; that is over"
        )
        finding = replace(
            finding, facts=(Fact("", quote_text(ended, MAX_TEXT_LENGTH)), *finding.facts)
        )
    if item.allowed_domains and is_single_remote_domain(item.configuration):
        shown = quote_text(", ".join(item.allowed_domains), MAX_TEXT_LENGTH)
        return replace(
            finding,
            severity=Severity.INFO,
            verdict=BaselineVerdict.KEEP,
            facts=(
                Fact("", f"mail may be forwarded to {shown}: ALLOWED_FORWARD_DOMAINS"),
                *finding.facts,
            ),
        )
    if item.allowed_domains:
        finding = add_allowed_domains(item, finding)
    value = row.expected.target_value
    if row.id not in policy.options.enforced or not is_repairable or value is None:
        return finding
    if item.live_forwards and (lines := tuple(list_forward_lines(item.live_forwards))):
        facts = (*(Fact("", line) for line in lines), *finding.facts)
        return replace(finding, verdict=Verdict.ASK, facts=facts)
    if item.allowed_domains:
        return replace(finding, verdict=Verdict.ASK)
    change = SetConfiguration(row.source, item.configuration.id, row.property_name, value)
    return replace(finding, verdict=BaselineVerdict.REPAIR, changes=(change,))


def add_allowed_domains(item: BaselineItem, finding: Finding) -> Finding:
    """The finding of an object that also decides about domains allowed for forwards.

    What ALLOWED_FORWARD_DOMAINS allows comes first: the row never ends it without being asked.
    """
    shown = quote_text(", ".join(item.allowed_domains), MAX_TEXT_LENGTH)
    if item.configuration.source == REMOTE_DOMAINS:
        first = f"First give a remote domain of its own with forwarding on to {shown}. "
    else:
        first = f"First give those who forward to {shown} an outbound policy of their own. "
    return replace(
        finding,
        facts=(
            Fact(
                "", f"it would also end forwards to {shown}, which ALLOWED_FORWARD_DOMAINS allows"
            ),
            *finding.facts,
        ),
        advice=first + finding.advice,
        steps=(*finding.steps[:-2], Step(first.strip()), *finding.steps[-2:]),
    )


def make_reach_fact(row: BaselineRow, baseline: Baseline) -> Fact:
    """How far this row may go, in words."""
    if row.id in baseline.enforced:
        return Fact("", f"row {row.id}: put right in enforce mode")
    if is_writable_row(row):
        return Fact("", f"row {row.id} only alerts: BASELINE_ENFORCE does not name it")
    return Fact("", f"row {row.id} only alerts: it is for a person to set")


# Options ----------------------------------------------------------------------------------------


def read_options(reader: SettingReader) -> Baseline:
    """The rows in force on the day of reading, and those that may be remediated."""
    file, enforced = reader.read(BASELINE_FILE), reader.read(BASELINE_ENFORCE)
    allowed = frozenset(reader.read(ALLOWED_FORWARD_DOMAINS))
    try:
        baseline = build_baseline(file, enforced, reader.today)
        return replace(baseline, allowed_forward_domains=allowed)
    except SettingsError as error:
        for line in str(error).splitlines():
            reader.add_error(line)
        return Baseline()


def list_compared_settings(baseline: Baseline) -> tuple[ComparedSetting, ...]:
    """Each row with the public source of its value."""
    return tuple(ComparedSetting(row.id, row.reference) for row in baseline.rows)


GUARD = Guard(
    name="tenant-baseline",
    title="Baseline of the organization",
    looks_for="settings of the organization that differ from a reviewed table, with rows of your "
    "own",
    rationale="One lax setting of the organization opens every mailbox at once, and shows in none.",
    verdicts=VERDICT_TEXTS,
    permissions=build_baseline_permissions(build_full_baseline()),
    observe=observe,
    single_looks=SINGLE_LOOKS,
    judge=judge,
    settings=(BASELINE_FILE, BASELINE_ENFORCE, ALLOWED_FORWARD_DOMAINS),
    read_options=read_options,
    options=read_options(SettingReader()),
    noun="objects",
    settling_time=timedelta(hours=1),
    permissions_for=build_baseline_permissions,
    compared_settings_for=list_compared_settings,
)
