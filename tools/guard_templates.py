"""The texts of a new guard: one that reads mailboxes, or one that reads a configuration source.

Texts that only a person can write stand as DESCRIBE.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuardTemplates:
    """What is written for a guard: its module and two tests, its tenant for tests of crashes."""

    guard: str
    unit_test: str
    scene_test: str
    crash_scene: str
    attack_step: str = ""
    """Empty where no step of an attacker can be guessed."""


MAILBOX_GUARD = '''"""The threat: DESCRIBE what an attacker does where this guard is missing.

DESCRIBE why people do not notice it by themselves.
"""

from collections.abc import AsyncIterator, Iterator

from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission, Service
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.port import HasMailboxes
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading
from core.tenant.sources import MAILBOXES

WRONG_KINDS = frozenset({{"legacymailbox"}})


async def observe(
    tenant: HasMailboxes, context: ObserveContext
) -> AsyncIterator[Reading[Mailbox]]:
    """Every mailbox, in pages; what cannot be read is in the failures of a page."""
    async for page in tenant.mailboxes.list_mailboxes():
        yield page


def judge(mailbox: Mailbox, policy: GuardPolicy) -> Iterator[Finding]:
    """What is wrong with one mailbox."""
    if mailbox.kind.casefold() not in WRONG_KINDS:
        return
    name = format_mailbox_name(mailbox)
    yield Finding(
        kind="{kind}",
        object_id=mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.ASK,
        summary=f"Mailbox {{name}} is of a kind that Exchange Online no longer creates.",
        facts=(Fact("kind", quote_text(mailbox.kind)),),
        sources=(MAILBOXES,),
        advice="Find out who uses it, and convert it: Set-Mailbox -Type Regular.",
    )


GUARD = Guard(
    name="{name}",
    title="{title}",
    looks_for="DESCRIBE what it looks for",
    rationale="DESCRIBE why this is worth guarding, in one sentence.",
    permissions=(Permission(Service.EXCHANGE, "Get-Mailbox", "which mailboxes there are"),),
    noun="mailboxes",
    observe=observe,
    judge=judge,
)
'''

MAILBOX_UNIT_TEST = '''"""{title}: one mailbox in order, then one thing wrong a case."""

from datetime import UTC, datetime

from core.guards.{module} import GUARD, judge
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mailboxes import Mailbox
from core.tenant.sources import MAILBOXES
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

POLICY = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))
HEALTHY = Mailbox("m1", "g1", "ann@contoso.com")
WRONG = Mailbox("m2", "g2", "old@contoso.com", kind="LegacyMailbox")


def judge_one(mailbox: Mailbox) -> Finding:
    (finding,) = judge(mailbox, POLICY)
    return finding


def test_a_mailbox_in_order_has_no_finding() -> None:
    assert list(judge(HEALTHY, POLICY)) == []


def test_a_mailbox_of_a_wrong_kind_is_left_to_an_operator() -> None:
    finding = judge_one(WRONG)
    assert (finding.kind, finding.object_id) == ("{kind}", "m2")
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, Verdict.ASK)
    assert finding.changes == ()


async def test_every_mailbox_is_read() -> None:
    reading = await observe_all(GUARD, FakeTenant(boxes=[HEALTHY, WRONG]), ObserveContext(POLICY))
    assert reading.items == (HEALTHY, WRONG)
    assert reading.failures == ()
    assert MAILBOXES in reading.sources
'''

MAILBOX_SCENE_TEST = '''"""{title} through the app: a healthy tenant, then one thing wrong."""

from copy import deepcopy
from typing import Any

from core.config.catalog import CATALOG
from tests.support.run_scene import list_declared_permissions, load_scene, run_scene

GUARD = "{name}"
MODES = {{config.guard.name: "off" for config in CATALOG if config.guard.name != GUARD}}


def build_scene(*, wrong: bool) -> dict[str, Any]:
    """The healthy tenant of the sandbox, as the app may read it."""
    scene = {{"grants": list_declared_permissions()}} | deepcopy(load_scene("healthy"))
    if wrong:
        scene["exchange"]["Get-Mailbox"][0]["RecipientTypeDetails"] = "LegacyMailbox"
    return scene


async def find_subjects(scene: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and verdict of what the guard finds in its first run."""
    result = await run_scene(scene, modes=MODES)
    (run,) = (run for run in result["runs"] if run["guard"] == GUARD)
    return [(finding["kind"], finding["verdict"]) for finding in run["findings"]]


async def test_a_healthy_tenant_has_no_findings() -> None:
    assert await find_subjects(build_scene(wrong=False)) == []


async def test_what_is_wrong_is_found() -> None:
    assert await find_subjects(build_scene(wrong=True)) == [("{kind}", "ask")]
'''

MAILBOX_CRASH_SCENE = """    "{name}": GuardScene(
        lambda: FakeTenant(boxes=[replace(ANN, kind="LegacyMailbox"), BEN]),
        lambda tenant: tenant.boxes.append(replace(ANN, id="m3", guid="g3", kind="LegacyMailbox")),
        lambda tenant: tenant.boxes.clear(),
    ),
"""

SOURCE_GUARD = '''"""The threat: DESCRIBE what an attacker does where this guard is missing.

DESCRIBE why people do not notice it by themselves.
"""

from collections.abc import AsyncIterator, Iterator

from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission, Service
from core.property_values import find_property, parse_printed_bool
from core.tenant.configuration import Configuration
from core.tenant.port import HasConfiguration
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading

SOURCE = "{source}"
PROPERTY = "Enabled"


async def observe(
    tenant: HasConfiguration, context: ObserveContext
) -> AsyncIterator[Reading[Configuration]]:
    """Every object, in one reading; what cannot be read is in its failures."""
    yield await tenant.configuration.read_configuration(SOURCE)


def judge(item: Configuration, policy: GuardPolicy) -> Iterator[Finding]:
    """What is wrong with one object. A value that is missing or unknown is never harmless."""
    _, value = find_property(item.values, PROPERTY)
    enabled = parse_printed_bool(value)
    if enabled:
        return
    is_known = enabled is not None
    name = quote_text(item.name)
    shown = quote_text(str(value))
    yield Finding(
        kind="{kind}",
        object_id=item.id or SOURCE,
        subject=name,
        severity=Severity.MEDIUM if is_known else Severity.LOW,
        verdict=Verdict.ASK if is_known else Verdict.COULD_NOT_TELL,
        summary=f"{{name}}: {{PROPERTY}} is {{shown}}.",
        facts=(Fact(PROPERTY, shown),),
        sources=(get_configuration_source_name(SOURCE),),
        advice="DESCRIBE what an operator does about it.",
    )


GUARD = Guard(
    name="{name}",
    title="{title}",
    looks_for="DESCRIBE what it looks for",
    rationale="DESCRIBE why this is worth guarding, in one sentence.",
    permissions=(Permission(Service.EXCHANGE, "{cmdlet}", "DESCRIBE what it is read for"),),
    noun="{noun}",
    observe=observe,
    judge=judge,
)
'''

SOURCE_UNIT_TEST = '''"""{title}: one object in order, then one thing wrong a case."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.guards.{module} import GUARD, PROPERTY, SOURCE, judge
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

POLICY = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))
HEALTHY = Configuration(SOURCE, "c1", "one", {{PROPERTY: True}})


def judge_value(value: object) -> Finding:
    (finding,) = judge(replace(HEALTHY, values={{PROPERTY: value}}), POLICY)
    return finding


@pytest.mark.parametrize("value", [True, "True"])
def test_an_object_in_order_has_no_finding(value: object) -> None:
    assert list(judge(replace(HEALTHY, values={{PROPERTY: value}}), POLICY)) == []


@pytest.mark.parametrize("value", [False, "False"])
def test_an_object_that_is_wrong_is_left_to_an_operator(value: object) -> None:
    finding = judge_value(value)
    assert (finding.kind, finding.object_id) == ("{kind}", "c1")
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, Verdict.ASK)
    assert finding.changes == ()


@pytest.mark.parametrize("value", [None, "perhaps", []])
def test_what_cannot_be_told_is_said(value: object) -> None:
    finding = judge_value(value)
    assert (finding.severity, finding.verdict) == (Severity.LOW, Verdict.COULD_NOT_TELL)


async def test_every_object_is_read() -> None:
    tenant = FakeTenant(configurations=[HEALTHY])
    reading = await observe_all(GUARD, tenant, ObserveContext(POLICY))
    assert reading.items == (HEALTHY,)
    assert reading.failures == ()
    assert get_configuration_source_name(SOURCE) in reading.sources
'''

SOURCE_SCENE_TEST = '''"""{title} through the app: a healthy tenant, then one thing wrong."""

from copy import deepcopy
from typing import Any

from core.config.catalog import CATALOG
from tests.support.run_scene import list_declared_permissions, load_scene, run_scene

GUARD = "{name}"
MODES = {{config.guard.name: "off" for config in CATALOG if config.guard.name != GUARD}}


def build_scene(*, wrong: bool) -> dict[str, Any]:
    """The healthy tenant of the sandbox, as the app may read it."""
    scene = {{"grants": list_declared_permissions()}} | deepcopy(load_scene("healthy"))
    row = {{"{identity}": "{example_id}", "Name": "one", "Enabled": not wrong}}
    scene["exchange"]["{cmdlet}"] = [row]
    return scene


async def find_subjects(scene: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and verdict of what the guard finds in its first run."""
    result = await run_scene(scene, modes=MODES)
    (run,) = (run for run in result["runs"] if run["guard"] == GUARD)
    return [(finding["kind"], finding["verdict"]) for finding in run["findings"]]


async def test_a_healthy_tenant_has_no_findings() -> None:
    assert await find_subjects(build_scene(wrong=False)) == []


async def test_what_is_wrong_is_found() -> None:
    assert await find_subjects(build_scene(wrong=True)) == [("{kind}", "ask")]
'''

SOURCE_CRASH_SCENE = """    "{name}": GuardScene(
        lambda: FakeTenant(configurations=[Configuration("{source}", "c1", "one", {{}})]),
        lambda tenant: tenant.configurations.append(
            Configuration("{source}", "c2", "two", {{"Enabled": False}})
        ),
        lambda tenant: tenant.configurations.clear(),
    ),
"""

SOURCE_ATTACK_STEP = '''def build_{module}_step() -> AttackStep:
    """DESCRIBE what the attacker does."""
    row = {{"{identity}": derive_id("{name}"), "Name": "Added", "Enabled": False}}
    return AttackStep(
        "{name}",
        "DESCRIBE what the attacker does, in one sentence.",
        build_add_edits("/exchange/{cmdlet}", row),
        finds=(("Added", "medium", "ask"),),
    )


'''

SOURCE_ROW = """    "{source}": define_exchange_source(
        *("{cmdlet}", "{identity}"),
        risk="DESCRIBE what an attacker who holds the credential learns from it",{parameters}
        may_be_none=True,
    ),
"""

GUIDE_SECTION = """## {name}

**Threat.** DESCRIBE what an attacker does, and how far it goes unnoticed.

| verdict | when | what happens |
|---|---|---|
| `ask` | DESCRIBE when an operator has to decide | alert |
| `could-not-tell` | DESCRIBE what cannot be read or does not say | alert |

**Articles and controls.** DESCRIBE which articles ask for it, or say that none does.

<!-- controls {name} -->
<!-- end -->

<!-- permissions {name} -->
<!-- end -->

"""

MAILBOX_TEMPLATES = GuardTemplates(
    MAILBOX_GUARD, MAILBOX_UNIT_TEST, MAILBOX_SCENE_TEST, MAILBOX_CRASH_SCENE
)
SOURCE_TEMPLATES = GuardTemplates(
    SOURCE_GUARD, SOURCE_UNIT_TEST, SOURCE_SCENE_TEST, SOURCE_CRASH_SCENE, SOURCE_ATTACK_STEP
)
