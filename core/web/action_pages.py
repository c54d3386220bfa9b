"""The pages on which people act: a confirmation, several cases at once, a plan of a containment."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

from core.model.containment import Containment, ContainmentState
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.status.containment_texts import STEP_STATE_TEXTS, describe_state, is_expired
from core.web import instructions
from core.web.act_target import ActTarget, AnsweredCase, PlanAnswer
from core.web.pages import TEMPLATES

NO_ANSWER = PlanAnswer()
SEVERAL_TEXTS: Mapping[RequestKind, str] = {
    RequestKind.ACKNOWLEDGE: "Acknowledge",
    RequestKind.EXEMPT: "Exempt",
}
REQUEST_LEADS: Mapping[RequestState, tuple[str, str]] = {
    RequestState.REQUESTED: (
        "It is being processed",
        "It takes seconds; at the latest, the next reading of the audit logs takes it up.",
    ),
    RequestState.REFUSED: ("Nothing was done", "The request was refused."),
    RequestState.DONE: ("Done", "The request was processed."),
}


def render_containment_page(
    containment: Containment,
    now: datetime,
    tenant: str = "",
    answer: PlanAnswer = NO_ANSWER,
) -> str:
    """The containment of one account: its steps, what came of them, what stays for a person."""
    return TEMPLATES.get_template("containment.html").render(
        here="containment",
        root="../",
        tenant=tenant,
        json=f"{containment.id}.json",
        now=now,
        containment=containment,
        made_steps=[step for step in containment.steps if step.change],
        manual_steps=[step for step in containment.steps if not step.change],
        state_text=describe_state(containment, now),
        state_texts=STEP_STATE_TEXTS,
        command=build_containment_command(containment, now),
        cases_query=urlencode({"q": containment.account_name[:100] or containment.account_id}),
        answer=answer,
    )


def render_account_request_page(
    request: OperatorRequest, now: datetime, plan_id: str = "", tenant: str = ""
) -> str:
    """A request about an account that led to no containment, or not yet."""
    instruction = instructions.explain_action(request.kind, "", request.subject)
    heading, lead = REQUEST_LEADS[request.state]
    return TEMPLATES.get_template("account_request.html").render(
        here="containment",
        root="../",
        tenant=tenant,
        json="",
        now=now,
        request=request,
        heading=heading,
        lead=lead,
        is_waiting=request.state is RequestState.REQUESTED,
        plan_id=plan_id,
        action=instruction.action,
        instruction=instruction,
    )


def build_containment_command(containment: Containment, now: datetime) -> str:
    """The command that goes on from here; empty where nothing does."""
    account = containment.account_id
    match containment.state:
        case ContainmentState.PLANNED if not is_expired(containment, now):
            plan = containment.plan_hash
            return f'exo contain {account} --plan {plan} --why "..."'
        case ContainmentState.DONE:
            return f'exo uncontain {account} --why "..."'
        case _:
            return ""


def render_act_page(
    target: ActTarget, *, token: str, who: str, until: str, now: datetime, tenant: str = ""
) -> str:
    """What an action will do, and a form that does it. `token` belongs to this page alone."""
    return TEMPLATES.get_template("act.html").render(
        here="act",
        root="",
        json="",
        tenant=tenant,
        now=now,
        target=target,
        instruction=instructions.explain_action(target.kind, target.guard, target.subject),
        takes_until=target.kind is RequestKind.EXEMPT,
        token=token,
        who=who,
        until=until,
    )


def render_several_page(
    kind: RequestKind,
    rows: Sequence[AnsweredCase],
    *,
    token: str,
    who: str,
    until: str,
    now: datetime,
    tenant: str = "",
) -> str:
    """What answering several cases will do to each, and a form that does it."""
    return TEMPLATES.get_template("several.html").render(
        here="act",
        root="../../",
        json="",
        tenant=tenant,
        now=now,
        kind=kind,
        rows=rows,
        chosen=[row for row in rows if not row.is_left_out],
        text=SEVERAL_TEXTS[kind],
        takes_until=kind is RequestKind.EXEMPT,
        token=token,
        who=who,
        until=until,
    )


def render_several_result_page(
    kind: RequestKind, rows: Sequence[AnsweredCase], batch: str, *, now: datetime, tenant: str = ""
) -> str:
    """What became of each of several requests that were confirmed at once."""
    return TEMPLATES.get_template("several_result.html").render(
        here="act",
        root="../",
        json="",
        tenant=tenant,
        now=now,
        rows=rows,
        recorded_count=sum(not row.is_left_out for row in rows),
        text=SEVERAL_TEXTS[kind],
        batch=batch,
    )
