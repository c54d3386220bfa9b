"""What an operator does about Exoguard itself: blind, held back, or tampered with. Pure.

What it has on record is saved first: whoever can write its table can take it away.
"""

from collections.abc import Mapping

from core.microsoft365.permissions import build_grant_command
from core.microsoft365.remedies import (
    EXAMPLE_WHY,
    PLAIN_WORD,
    ask,
    find_actor,
    look_around,
    name_evidence,
)
from core.model.findings import Shell, Step
from core.model.guards import Permission

SAVE_REQUESTS = Step(
    "Save what operators asked for, as it is on record.",
    "exo requests --json > evidence-requests.json",
    Shell.EXO,
)
LIST_PERMISSIONS = Step("See what the app may do and what it lacks.", "exo doctor", Shell.EXO)
ASK_TENANT = Step("Ask how the tenant answers.", "exo probe", Shell.EXO)
SHOW_STATUS = Step("See what every guard says of itself.", "exo status", Shell.EXO)
WRITERS = Step(
    "Find out who can write the state table: Azure portal > the storage account > Access control "
    "(IAM), and its keys."
)
# What is done about each kind of finding that does not bring steps of its own.
STEPS: Mapping[str, tuple[Step, ...]] = {
    "credential": (
        LIST_PERMISSIONS,
        Step("Fix what the reason names; docs/deploy.md explains the setup of each part."),
    ),
    "source-unavailable": (LIST_PERMISSIONS, ASK_TENANT),
    "state-unreadable": (
        SAVE_REQUESTS,
        WRITERS,
        Step("Compare the deployed version with the one that wrote the rows."),
    ),
    "time-impossible": (SAVE_REQUESTS, WRITERS),
    "digest-late": (
        SHOW_STATUS,
        Step("Look at the function weekly-digest and its log."),
        Step("Have each channel say whether it takes a message.", "exo channels test", Shell.EXO),
    ),
    "channel-unusable": (
        Step("See which settings are in force: the page of settings, or exo doctor."),
        Step(
            "Find out who changed it: Azure portal > the function app > Activity log, who wrote "
            "settings."
        ),
        Step("Have each channel say whether it takes a message.", "exo channels test", Shell.EXO),
    ),
    "scan-stalled": (SHOW_STATUS, Step("Look at the function scan-shard, its log and its queue.")),
    "shard-failed": (SHOW_STATUS, Step("Look at the function scan-shard and its log.")),
}


def build_self_remedy(kind: str, guard: str, *own: Step) -> tuple[Step, ...]:
    """The steps about a finding of the engine's own; `own` are those that need its ids."""
    return (*STEPS.get(kind, ()), *own, look_around(f"the guard {guard}", guard))


def build_failing_remedy(guard: str) -> tuple[Step, ...]:
    """The steps about a guard whose runs fail."""
    return (
        SHOW_STATUS,
        Step("Look at the function with the guard's name and its log."),
        Step(
            "Run it once, and see what becomes of it.",
            f'exo run {guard} --why "{EXAMPLE_WHY}" --wait',
            Shell.EXO,
        ),
        look_around(f"the guard {guard}", guard),
    )


def build_permission_remedy(
    permission: Permission, guard: str, *, is_withdrawn: bool
) -> tuple[Step, ...]:
    """The steps about a permission that the app does not have, or no longer."""
    withdrawn = (
        find_actor("withdrew it", "Remove app role assignment from service principal."),
        ask("whoever withdrew it", "Whoever did may have meant to blind this guard."),
    )
    grant = Step(
        "Grant it. Put the client id of the app in the place of <CLIENT_ID>, and the object id of "
        "its enterprise application in that of <OBJECT_ID>.",
        build_grant_command(permission),
        Shell.SHELL,
    )
    return (
        LIST_PERMISSIONS,
        *(withdrawn if is_withdrawn else ()),
        grant,
        look_around(f"the guard {guard}", guard),
    )


def build_release_remedy(guard: str, plan: str) -> tuple[Step, ...]:
    """The steps about a plan that the brake holds."""
    return (
        SAVE_REQUESTS,
        ask("whoever may have changed so much at once"),
        Step(
            "Review the list on the page of the case; release what it names, within an hour, only "
            "if all of it is meant.",
            f'exo release {guard} {plan} --why "{EXAMPLE_WHY}"',
            Shell.EXO,
        ),
        look_around(f"the guard {guard}", guard),
    )


def build_fold_remedy(object_id: str) -> tuple[Step, ...]:
    """The steps about many open cases of one object, whose own steps no longer have a row."""
    is_plain = PLAIN_WORD.fullmatch(object_id)
    text = "Save all cases of it." if is_plain else "Save all cases, those of it among them."
    about = f" --about '{object_id}'" if is_plain else ""
    path = f"{name_evidence('cases', object_id)}.json"
    return (
        Step(text, f"exo cases{about} --json > {path}", Shell.EXO),
        ask("whoever the object belongs to, and whoever administers it"),
        look_around("the object", object_id),
    )


def build_exemptions_remedy(guard: str) -> tuple[Step, ...]:
    """The steps about exemptions that no operator asked for."""
    return (
        SAVE_REQUESTS,
        WRITERS,
        Step(
            "End each of them: put the subject that the evidence names in the place of <SUBJECT>. "
            "To keep one, exempt it again, with who and why.",
            f'exo unexempt {guard} "<SUBJECT>" --why "{EXAMPLE_WHY}"',
            Shell.EXO,
        ),
        look_around(f"the guard {guard}", guard),
    )


def build_loss_remedy(guard: str, case: str) -> tuple[Step, ...]:
    """The steps about a state that is not trusted; `case` are the last digits of its key."""
    return (
        SAVE_REQUESTS,
        WRITERS,
        Step("Restore the table if it can be: docs/operations.md says how."),
        Step(
            "To go on with what the guard remembers now, acknowledge the case.",
            f'exo acknowledge {case} --why "{EXAMPLE_WHY}"',
            Shell.EXO,
        ),
        look_around(f"the guard {guard}", guard),
    )
