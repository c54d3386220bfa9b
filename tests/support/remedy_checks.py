"""What holds of the steps of every finding: exact commands in an order that loses nothing.

The parameters of each cmdlet are those of `tests/data/cmdlets.json`, which names its sources.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from core.cli.program import get_root_command
from core.microsoft365.remedies import NO_COMMAND
from core.model.findings import Finding, Severity, Shell, Step
from tests.support.powershell_commands import parse_commands

DATA = Path(__file__).resolve().parents[1] / "data" / "cmdlets.json"
MAX_COMMAND = 1_800
"""A page shows two thousand characters of a value."""
CHANGING = re.compile(
    r"^(Add|Clear|Disable|Enable|Remove|Restore|Revoke|Set|Start|Stop|Update|Enable)-"
)
CHANGING_REQUEST = re.compile(r"-Method (PATCH|DELETE|POST|PUT)\b")
SAVING = re.compile(r"Export-Clixml|-OutputFilePath|> evidence-|^exo contain|^exo evidence")
NUMBER = re.compile(r"\d+(GB|\.\d\d:\d\d:\d\d)?")
PLACEHOLDER = re.compile(r"<[^>]*>|[a-z]+@example\.com|YYYY|\.\.\.")
COMMAND_IN_PROSE = re.compile(
    r"\b(?:Get|Set|New|Remove|Disable|Enable|Update|Revoke|Restore|Search|Stop|Start|Add)-[A-Z]\w+"
    r"(?: -\w| <| \||;|\.$| on )|https?://graph\.|\bexo [a-z]+ "
)
TIME_COMPARISON = re.compile(r"Restore-.*DateTime|DateTime\s+-(ge|gt|le|lt)")
SHELL_PROGRAMS = ("az ad app permission add ", "pwsh infra/exchange-role.ps1 ")


@cache
def load_words() -> frozenset[str]:
    """Words of our own that stand without quotes: values that a cmdlet knows by name."""
    return frozenset(json.loads(DATA.read_text("utf-8"))["words"])


@cache
def load_cmdlets() -> Mapping[str, frozenset[str]]:
    """The parameters of each cmdlet that is known, in lower case."""
    rows: Mapping[str, list[str]] = json.loads(DATA.read_text("utf-8"))["cmdlets"]
    return {name.casefold(): frozenset(map(str.casefold, row)) for name, row in rows.items()}


@cache
def load_options() -> Mapping[str, frozenset[str]]:
    """The options of each command of Exoguard."""
    return {
        name: frozenset(option for one in command.params for option in one.opts)
        for name, command in get_root_command().commands.items()
    }


def tell_remedy(finding: Finding) -> str:
    """All that an operator is told to do about a finding, on one line."""
    return " ".join((finding.advice, *(f"{step.text} {step.command}" for step in finding.steps)))


def check_remedies(findings: Iterable[Finding]) -> None:
    """Raise AssertionError if what an operator is told to do about a finding cannot be done so."""
    problems = [
        f"{finding.kind} ({finding.severity.label}, {finding.verdict}): {problem}"
        for finding in findings
        for problem in list_problems(finding)
    ]
    assert not problems, "\n".join(dict.fromkeys(problems))


def list_problems(finding: Finding) -> Iterator[str]:
    """What is wrong with the steps of one finding."""
    for step in finding.steps:
        yield from list_step_problems(step)
    if COMMAND_IN_PROSE.search(finding.advice):
        yield f"a command stands in the advice, where nobody can copy it: {finding.advice}"
    if finding.severity >= Severity.HIGH:
        yield from list_order_problems(finding.steps)


def list_order_problems(steps: tuple[Step, ...]) -> Iterator[str]:
    """What is wrong with the order of what is grave."""
    if not steps:
        yield "it is grave, and there are no steps"
        return
    commands = [step.command for step in steps]
    changes = [number for number, one in enumerate(commands) if is_changing(one)]
    saves = [number for number, step in enumerate(steps) if is_saving(step)]
    if changes and (not saves or saves[0] > changes[0]):
        yield f"something is changed before it was saved: {commands}"
    is_quotable = not any(NO_COMMAND in step.text for step in steps)
    if is_quotable and not any(commands):
        yield f"no step has a command: {steps}"
    around = [one for one in steps if "other cases" in one.text]
    if not around:
        yield "nothing leads to the other cases"
    elif changes and steps.index(around[0]) < changes[0]:
        yield "the other cases come before what stops it"


def is_saving(step: Step) -> bool:
    """Whether a step saves something, or says why no command of it can be shown."""
    return bool(SAVING.search(step.command)) or (
        step.text.startswith("Save ") and NO_COMMAND in step.text
    )


def is_changing(command: str) -> bool:
    """Whether a command changes anything in the tenant."""
    if CHANGING_REQUEST.search(command):
        return True
    names = re.findall(r"(?:^|[|{;(]\s*)([A-Z][a-z]+-[A-Za-z0-9]+)", command)
    return any(map(CHANGING.match, names))


def list_step_problems(step: Step) -> Iterator[str]:
    """What is wrong with one step."""
    if not step.text.endswith((".", ")")):
        yield f"no sentence: {step.text}"
    if step.command:
        yield from list_text_problems(step)
        yield from list_language_problems(step)


def list_text_problems(step: Step) -> Iterator[str]:
    """What is wrong with a command, whatever its language."""
    if len(step.command) > MAX_COMMAND or not step.command.isprintable():
        yield f"too long, or on several lines: {step.command}"
    if TIME_COMPARISON.search(step.command):
        yield f"it goes by times: {step.command}"
    for placeholder in PLACEHOLDER.findall(step.command):
        if placeholder not in step.text:
            yield f"nobody says what to put in the place of {placeholder}: {step.command}"


def list_language_problems(step: Step) -> Iterator[str]:
    """What the shell would not understand of a command."""
    match step.shell:
        case None:
            yield f"nobody says where to type {step.command}"
        case Shell.EXO:
            yield from list_exo_problems(step.command)
        case Shell.SHELL:
            if not step.command.startswith(SHELL_PROGRAMS):
                yield f"an unknown program: {step.command}"
        case _:
            yield from list_powershell_problems(step.command)


def list_powershell_problems(text: str) -> Iterator[str]:
    """What PowerShell would not understand of a command, or understand as something else."""
    try:
        commands = parse_commands(text)
    except ValueError as error:
        yield str(error)
        return
    known = load_cmdlets()
    for command in commands:
        parameters = known.get(command.name.casefold())
        if parameters is None:
            yield f"no known cmdlet: {command.name} in {text}"
            continue
        for parameter in command.parameters:
            if parameter.casefold() not in parameters:
                yield f"{command.name} has no parameter {parameter}: {text}"
        for word in command.bare_words:
            if word not in load_words() and not NUMBER.fullmatch(word):
                yield f"{word} stands without quotes: {text}"


def list_exo_problems(text: str) -> Iterator[str]:
    """What the command line would not understand of a command."""
    words = shlex.split(text.partition(" > ")[0])
    options = load_options().get(words[1])
    if words[0] != "exo" or options is None:
        yield f"no command of Exoguard: {text}"
        return
    for word in words[2:]:
        if word.startswith("-") and word not in options:
            yield f"exo {words[1]} has no option {word}: {text}"
