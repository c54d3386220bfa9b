"""How an operator makes a request: the HTTP request and the command line, as text to copy.

They contain no untrusted text, only guard names and hexadecimal keys.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from core.model.requests import RequestKind

EXAMPLE_WHO = "you@example.com"
EXAMPLE_WHY = "state the reason for the record"
EXAMPLE_UNTIL = "YYYY-MM-DD"
EXAMPLE_ADDRESS = "https://<name>.azurewebsites.net"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One request that an operator can make, over HTTP and on the command line."""

    kind: RequestKind
    title: str
    effect: str
    http_request: str
    """A line for curl; the address of the app stands in it as an example."""
    command: str
    action: str = ""
    """The query of the page that asks for a confirmation."""
    button: str = ""
    """What the button of that page says where it does less than the title."""


def build_instruction(
    kind: RequestKind,
    title: str,
    effect: str,
    path: str,
    command_arguments: str,
    *,
    action: str = "",
    button: str = "",
    **body: str,
) -> Instruction:
    """The instruction for one request. `body` holds its parameters besides who and why."""
    http_body = json.dumps({**body, "who": EXAMPLE_WHO, "why": EXAMPLE_WHY})
    return Instruction(
        kind,
        title,
        effect,
        f'curl --fail-with-body --request POST "{EXAMPLE_ADDRESS}/api/{path}" \\\n'
        '  --header "x-functions-key: $EXOGUARD_KEY" --header "Content-Type: application/json" \\\n'
        f"  --data '{http_body}'",
        f'exo {command_arguments} --why "{EXAMPLE_WHY}"',
        action,
        button,
    )


def with_address(text: str, address: str) -> str:
    """An HTTP request to the app at an address, if that is known."""
    return text.replace(EXAMPLE_ADDRESS, address.rstrip("/")) if address else text


def explain_action(kind: RequestKind, guard: str, subject: str) -> Instruction:
    """The instruction of a kind for a subject. A run has none, and an account has no guard."""
    if kind is RequestKind.RUN:
        return explain_run(guard)
    if kind is RequestKind.CONTAIN:
        return explain_containment(subject)
    if kind is RequestKind.UNCONTAIN:
        return explain_containment_end(subject)
    explanations: Mapping[RequestKind, Callable[[str, str], Instruction]] = {
        RequestKind.ACKNOWLEDGE: explain_acknowledgement,
        RequestKind.EXEMPT: explain_exemption,
        RequestKind.END_EXEMPTION: explain_exemption_end,
        RequestKind.UNDO: explain_undo,
        RequestKind.RELEASE: explain_release,
    }
    return explanations[kind](guard, subject)


def build_action_query(kind: RequestKind, guard: str = "", subject: str = "") -> str:
    """The query of the page that asks for a confirmation."""
    named = {"kind": kind, "guard": guard, "subject": subject}
    return urlencode({name: value for name, value in named.items() if value})


def explain_run(guard: str) -> Instruction:
    """Run a guard now."""
    return build_instruction(
        RequestKind.RUN,
        "Run this guard now",
        "The guard scans the tenant in its own mode, as its timer would make it.",
        f"guards/{guard}/run",
        f"run {guard}",
        action=build_action_query(RequestKind.RUN, guard),
    )


def explain_containment(account: str) -> Instruction:
    """Be shown the plan for containing an account."""
    return build_instruction(
        RequestKind.CONTAIN,
        "Contain the account",
        "If an attacker is in it: shows the plan, with its hash, and changes nothing yet. The plan "
        "blocks sign-in, ends sessions, switches dangerous forwards and rules off, and has the "
        "command for what stays for you.",
        f"accounts/{account}/contain",
        f"contain {account}",
        action=build_action_query(RequestKind.CONTAIN, subject=account),
        button="Show the plan",
    )


def explain_containment_end(account: str) -> Instruction:
    """Take an account's containment back."""
    return build_instruction(
        RequestKind.UNCONTAIN,
        "Take the containment back",
        "Takes back step by step what can be taken back; what is not named stays off. Access may "
        "need up to an hour to return.",
        f"accounts/{account}/uncontain",
        f"uncontain {account}",
        action=build_action_query(RequestKind.UNCONTAIN, subject=account),
    )


def explain_acknowledgement(guard: str, case: str) -> Instruction:
    """Acknowledge a case."""
    return build_instruction(
        RequestKind.ACKNOWLEDGE,
        "Acknowledge this case",
        "Confirms that you know of it. The case stays open, without reminders, until it changes.",
        f"cases/{guard}/{case}/acknowledge",
        f"acknowledge {case} --guard {guard}",
        action=build_action_query(RequestKind.ACKNOWLEDGE, guard, case),
    )


def explain_exemption(guard: str, subject: str, until: str = EXAMPLE_UNTIL) -> Instruction:
    """Exempt a case or object until a date."""
    return build_instruction(
        RequestKind.EXEMPT,
        "Exempt it until a date",
        "Accepts it as it is. Until that date, at most a year ahead, Exoguard neither reports nor "
        "changes it; afterwards the guard reports it again.",
        f"guards/{guard}/exemptions",
        f"exempt {guard} {subject} --until {until}",
        subject=subject,
        until=until,
        action=build_action_query(RequestKind.EXEMPT, guard, subject),
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
        action=build_action_query(RequestKind.END_EXEMPTION, guard, subject),
    )


def explain_undo(guard: str, change: str) -> Instruction:
    """Undo a change."""
    return build_instruction(
        RequestKind.UNDO,
        "Undo the change",
        "Restores the previous value and exempts it for 30 days.",
        f"changes/{guard}/{change}/undo",
        f"undo {guard} {change}",
        action=build_action_query(RequestKind.UNDO, guard, change),
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
        action=build_action_query(RequestKind.RELEASE, guard, plan),
    )
