"""How an operator makes a request: the HTTP request and the command line, as text to copy.

They contain no untrusted text, only guard names and hexadecimal keys.
"""

import json
from dataclasses import dataclass

from core.model.requests import RequestKind

EXAMPLE_WHO = "you@example.com"
EXAMPLE_WHY = "state the reason for the record"
EXAMPLE_UNTIL = "YYYY-MM-DD"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One request that an operator can make, over HTTP and on the command line."""

    kind: RequestKind
    title: str
    effect: str
    http_request: str
    command: str


def build_instruction(
    kind: RequestKind, title: str, effect: str, path: str, command_arguments: str, **body: str
) -> Instruction:
    """The instruction for one request. `body` holds its parameters besides who and why."""
    http_body = json.dumps({**body, "who": EXAMPLE_WHO, "why": EXAMPLE_WHY}, indent=2)
    return Instruction(
        kind,
        title,
        effect,
        f"POST /api/{path}\nContent-Type: application/json\nx-functions-key: <key>\n\n{http_body}",
        f'python -m core.cli {command_arguments} --why "{EXAMPLE_WHY}"',
    )


def explain_acknowledgement(guard: str, case: str) -> Instruction:
    """Acknowledge a case."""
    return build_instruction(
        RequestKind.ACKNOWLEDGE,
        "Acknowledge this case",
        "Confirms that you know of it. The case stays open, without reminders, until it changes.",
        f"cases/{guard}/{case}/acknowledge",
        f"acknowledge {case} --guard {guard}",
    )


def explain_exemption(guard: str, subject: str) -> Instruction:
    """Exempt a case or object until a date."""
    return build_instruction(
        RequestKind.EXEMPT,
        "Exempt it until a date",
        "Accepts it as it is. Until that date, at most a year ahead, Exoguard neither reports nor "
        "changes it; afterwards the guard reports it again.",
        f"guards/{guard}/exemptions",
        f"exempt {guard} {subject} --until {EXAMPLE_UNTIL}",
        subject=subject,
        until=EXAMPLE_UNTIL,
    )


def explain_exemption_end(guard: str, subject: str) -> Instruction:
    """End an exemption before its date."""
    return build_instruction(
        RequestKind.END_EXEMPTION,
        "End the exemption",
        "The next run judges it like everything else.",
        f"guards/{guard}/exemptions/end",
        f"unexempt {guard} {subject}",
        subject=subject,
    )


def explain_undo(guard: str, change: str) -> Instruction:
    """Undo a change."""
    return build_instruction(
        RequestKind.UNDO,
        "Undo the change",
        "Restores the previous value and exempts it for 30 days.",
        f"changes/{guard}/{change}/undo",
        f"undo {guard} {change}",
    )


def explain_release(guard: str, plan: str) -> Instruction:
    """Release exactly the plan that the brake holds."""
    return build_instruction(
        RequestKind.RELEASE,
        "Release this plan",
        "The next run makes exactly these changes, once, if it starts within the hour and the plan "
        "is still the same.",
        f"guards/{guard}/run",
        f"release {guard} {plan}",
        plan=plan,
    )
