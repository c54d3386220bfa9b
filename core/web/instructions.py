"""How a person asks for something: the HTTP request and the command line, as text to copy.

Nothing foreign is in them: only guards' names, and keys made of hex digits.
"""

import json
from dataclasses import dataclass

from core.model.requests import RequestKind

EXAMPLE_WHO = "you@example.com"
EXAMPLE_WHY = "say why, for whoever reads it later"
EXAMPLE_UNTIL = "YYYY-MM-DD"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One thing that can be asked for, and both ways to ask for it."""

    kind: RequestKind
    title: str
    effect: str
    http_request: str
    command: str


def build_instruction(
    kind: RequestKind, title: str, effect: str, path: str, command_arguments: str, **body: str
) -> Instruction:
    """Both ways; `words` are what the command takes besides who and why."""
    asked = json.dumps({**body, "who": EXAMPLE_WHO, "why": EXAMPLE_WHY}, indent=2)
    return Instruction(
        kind,
        title,
        effect,
        f"POST /api/{path}\nContent-Type: application/json\nx-functions-key: <key>\n\n{asked}",
        f'python -m core.cli {command_arguments} --why "{EXAMPLE_WHY}"',
    )


def explain_acknowledgement(guard: str, case: str) -> Instruction:
    """Say that a case is known."""
    return build_instruction(
        RequestKind.ACKNOWLEDGE,
        "Acknowledge it",
        "You know of it. It stays open and is not brought up again until something about it "
        "changes.",
        f"cases/{guard}/{case}/acknowledge",
        f"acknowledge {case} --guard {guard}",
    )


def explain_exemption(guard: str, subject: str) -> Instruction:
    """Say that something is right as it is."""
    return build_instruction(
        RequestKind.EXEMPT,
        "Exempt it until a day",
        "It is right as it is. Until that day, a year at most, it is neither told nor changed; "
        "then it comes back by itself.",
        f"guards/{guard}/exemptions",
        f"exempt {guard} {subject} --until {EXAMPLE_UNTIL}",
        subject=subject,
        until=EXAMPLE_UNTIL,
    )


def explain_exemption_end(guard: str, subject: str) -> Instruction:
    """End an exemption before its time."""
    return build_instruction(
        RequestKind.END_EXEMPTION,
        "End the exemption",
        "From the next run on it is looked at like anything else.",
        f"guards/{guard}/exemptions/end",
        f"unexempt {guard} {subject}",
        subject=subject,
    )


def explain_undo(guard: str, change: str) -> Instruction:
    """Take a change back."""
    return build_instruction(
        RequestKind.UNDO,
        "Undo the change",
        "What was there before is put back, and left alone for 30 days.",
        f"changes/{guard}/{change}/undo",
        f"undo {guard} {change}",
    )


def explain_release(guard: str, plan: str) -> Instruction:
    """Release exactly the plan the brake holds."""
    return build_instruction(
        RequestKind.RELEASE,
        "Release this plan",
        "Exactly these changes are made, once, by the next run, if it comes within the hour and "
        "they are still the same.",
        f"guards/{guard}/run",
        f"release {guard} {plan}",
        plan=plan,
    )
