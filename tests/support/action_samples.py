"""The pages on which people act, of made-up cases and accounts with hostile names."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.containment.planning import DEFAULT_CHOICES, STEP_CHOICES, STEP_TEXTS
from core.keys import hash_parts
from core.model.containment import Containment, ContainmentState, ContainmentStep, StepState
from core.model.findings import Severity
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.web.act_target import ActTarget, AnsweredCase, Choice, PlanAnswer
from core.web.action_pages import (
    render_account_request_page,
    render_act_page,
    render_containment_page,
    render_several_page,
    render_several_result_page,
)
from core.web.instructions import build_action_query
from tests.support.sample_steps import ACCOUNT

PLAN_ID, DONE_ID, WAITING_ID = (f"6745100000000{number}-0a1b2c3d" for number in range(3))
TOKEN = "a" * 43
CHANGE = '["BlockAccount", {}]'


def build_steps(state: StepState, text: str) -> tuple[ContainmentStep, ...]:
    """Two steps of Exoguard's and two for a person."""
    return (
        ContainmentStep(
            "block-sign-in",
            "block the account's sign-in",
            CHANGE,
            "User.EnableDisableAccount.All",
            "No new token is issued from then on.",
            is_reversible=True,
            state=state,
        ),
        ContainmentStep("rule-1", f"switch off the rule {text}", CHANGE, state=state, result=text),
        ContainmentStep(
            "password",
            "set a new password",
            command="Update-MgUser -UserId 'x' -PasswordProfile @{}",
            state=StepState.FOR_A_PERSON,
        ),
        ContainmentStep("phones", f"look at the phone {text}", state=StepState.FOR_A_PERSON),
    )


class ActionSamples:
    """The confirmations and results that a tenant's pages lead to."""

    def __init__(
        self,
        configs: dict[str, GuardConfig],
        cases: Sequence[tuple[str, str]],
        texts: tuple[str, ...],
        tenant: str,
        now: datetime,
    ) -> None:
        self.configs = configs
        self.cases = cases
        self.texts = texts
        self.tenant = tenant
        self.now = now

    def render(self, path: str, query: dict[str, str]) -> str | None:
        """The HTML that an address answers with; None for one that is not of these."""
        match path.split("/"):
            case ["act"]:
                return self.render_act(query)
            case ["act", "several", "confirm"]:
                return render_several_page(
                    RequestKind.EXEMPT,
                    self.build_rows(),
                    token=TOKEN,
                    who="",
                    until="2026-12-20",
                    now=self.now,
                    tenant=self.tenant,
                )
            case ["act", "several"]:
                return render_several_result_page(
                    RequestKind.ACKNOWLEDGE, self.build_rows(), PLAN_ID, now=self.now
                )
            case ["containments", containment]:
                return self.render_containment(containment)
            case ["account-bundles", _]:
                return "{}"
            case _:
                return None

    def render_act(self, query: dict[str, str]) -> str:
        """The confirmation of an action."""
        kind, guard = RequestKind(query["kind"]), query.get("guard", "")
        config = self.configs.get(guard)
        title = config.guard.title if config else ""
        target = ActTarget(kind, guard, title, query.get("subject", ""), self.texts[0])
        match kind:
            case RequestKind.CONTAIN:
                choices = (
                    Choice(name, STEP_TEXTS[name], name in DEFAULT_CHOICES) for name in STEP_CHOICES
                )
                target = replace(target, choices=tuple(choices))
            case RequestKind.UNCONTAIN:
                named = (Choice("rule-1", f"switch off the rule {self.texts[1]}"),)
                target = replace(target, effects=self.texts[:2], choices=named)
            case RequestKind.UNDO:
                before = {self.texts[0]: self.texts[1]}
                target = replace(target, change_kind="BlockSignIn", before=before)
            case _:
                pass
        if guard:
            target = replace(target, planned_changes=(("BlockSignIn", self.texts[2]),))
        return render_act_page(
            target, token=TOKEN, who="", until="2026-12-20", now=self.now, tenant=self.tenant
        )

    def build_rows(self) -> list[AnsweredCase]:
        """Cases of the tenant with hostile summaries, and one that is no longer on record."""
        named = zip(self.cases, self.texts, (*Severity, *Severity), strict=False)
        rows = [
            AnsweredCase(guard, self.configs[guard].guard.title, key, text, severity, "It stays.")
            for (guard, key), text, severity in named
        ]
        [name, *_] = self.configs
        gone = AnsweredCase(name, self.configs[name].guard.title, hash_parts("gone"))
        return [*rows, replace(gone, text=self.texts[0], is_left_out=True)]

    def render_containment(self, containment: str) -> str:
        """A plan with its form, a containment that was carried out, or a request that waits."""
        text = self.texts[0]
        if containment == WAITING_ID:
            request = OperatorRequest(
                WAITING_ID, RequestKind.CONTAIN, ACCOUNT, text, text, self.now, note=text
            )
            refused = replace(request, state=RequestState.REFUSED)
            return render_account_request_page(refused, self.now, PLAN_ID, self.tenant)
        plan = Containment(
            containment,
            ACCOUNT,
            text,
            text,
            text,
            self.now - timedelta(minutes=5),
            steps=build_steps(StepState.PLANNED, text),
            remarks=self.texts[:3],
            unread=self.texts[:2],
            plan_hash=hash_parts("plan"),
        )
        if containment == PLAN_ID:
            return render_containment_page(plan, self.now, self.tenant, PlanAnswer(TOKEN))
        back = build_action_query(RequestKind.UNCONTAIN, subject=ACCOUNT)
        done = replace(
            plan,
            state=ContainmentState.DONE,
            steps=build_steps(StepState.DONE, text),
            ordered_by=text,
            started_at=self.now,
            blocked_at=self.now,
            bundle_digest="d" * 64,
        )
        answer = PlanAnswer(obstacle=text, action=back, action_text="Take it back")
        return render_containment_page(done, self.now, self.tenant, answer)
