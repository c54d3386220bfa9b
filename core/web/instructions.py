"""How a person asks for something: the HTTP request and the command line, as text to copy.

Nothing foreign is in them: only guards' names, and keys made of hex digits.
"""

import json
from dataclasses import dataclass

from core.model.requests import Deed

WHO = "you@example.com"
WHY = "say why, for whoever reads it later"
UNTIL = "YYYY-MM-DD"


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that can be asked for, and both ways to ask for it."""

    deed: Deed
    title: str
    effect: str
    request: str
    command: str


def way(deed: Deed, title: str, effect: str, path: str, words: str, **body: str) -> Way:
    """Both ways; `words` are what the command takes besides who and why."""
    asked = json.dumps({**body, "who": WHO, "why": WHY}, indent=2)
    return Way(
        deed,
        title,
        effect,
        f"POST /api/{path}\nContent-Type: application/json\nx-functions-key: <key>\n\n{asked}",
        f'python -m core.cli {words} --why "{WHY}"',
    )


def acknowledge(guard: str, case: str) -> Way:
    """Say that a case is known."""
    return way(
        Deed.ACKNOWLEDGE,
        "Acknowledge it",
        "You know of it. It stays open and is not brought up again until something about it "
        "changes.",
        f"cases/{guard}/{case}/acknowledge",
        f"acknowledge {case} --guard {guard}",
    )


def exempt(guard: str, subject: str) -> Way:
    """Say that something is right as it is."""
    return way(
        Deed.EXEMPT,
        "Exempt it until a day",
        "It is right as it is. Until that day, a year at most, it is neither told nor changed; "
        "then it comes back by itself.",
        f"guards/{guard}/exemptions",
        f"exempt {guard} {subject} --until {UNTIL}",
        subject=subject,
        until=UNTIL,
    )


def end_exemption(guard: str, subject: str) -> Way:
    """End an exemption before its time."""
    return way(
        Deed.END_EXEMPTION,
        "End the exemption",
        "From the next run on it is looked at like anything else.",
        f"guards/{guard}/exemptions/end",
        f"unexempt {guard} {subject}",
        subject=subject,
    )


def undo(guard: str, change: str) -> Way:
    """Take a change back."""
    return way(
        Deed.UNDO,
        "Undo the change",
        "What was there before is put back, and left alone for 30 days.",
        f"changes/{guard}/{change}/undo",
        f"undo {guard} {change}",
    )


def release(guard: str, plan: str) -> Way:
    """Release exactly the plan the brake holds."""
    return way(
        Deed.RELEASE,
        "Release this plan",
        "Exactly these changes are made, once, by the next run, if it comes within the hour and "
        "they are still the same.",
        f"guards/{guard}/run",
        f"release {guard} {plan}",
        plan=plan,
    )
