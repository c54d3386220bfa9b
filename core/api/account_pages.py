"""The pages about one account: which steps a plan is to have, the plan, and what became of it.

    GET act?kind=contain ─► steps, who and why ─► POST act ─► a plan is made
    GET containments/{id} ─► the plan, and a form with its hash ─► POST act ─► it is carried out
                          ─► the same page shows what became of each step

The page of a containment goes by the id of any request about it, so that each answer to a form
leads to it whether or not the request was processed yet.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from core.api.account_handlers import explain_missing_containment
from core.api.forms import create_token, with_token
from core.api.openapi.document import ACCOUNT_PATTERN
from core.api.read_handlers import html_response
from core.api.request import BadRequest, HttpResponse, RequestContext, path_parameter
from core.config.settings import Settings
from core.containment.decisions import (
    describe_unreadable,
    explain_order_refusal,
    list_nameable,
    list_steps_to_release,
)
from core.containment.planning import DEFAULT_CHOICES, STEP_CHOICES, STEP_TEXTS
from core.keys import RUN_ID_PATTERN
from core.model.containment import Containment, ContainmentState
from core.model.requests import RequestKind
from core.ports import CONTAINMENT_PARTITION
from core.web.act_target import ActTarget, Choice, PlanAnswer
from core.web.instructions import build_action_query

PAGE_KINDS = (RequestKind.CONTAIN, RequestKind.UNCONTAIN)
READ_ONLY = "this account has read access only; acting needs the app role Exoguard.Operator"
NOT_ENFORCED = (
    "CONTAINMENT_MODE is {mode}: Exoguard shows plans and carries none out. Set it to enforce, or "
    "run the commands yourself"
)
STANDS_STILL = (
    "CONTAINMENT_MODE is {mode}, so it stands still where it was: set it to enforce, and it goes "
    "on within minutes"
)


async def find_account_target(
    context: RequestContext, kind: RequestKind, account: str
) -> ActTarget:
    """The account that somebody is about to contain, or to bring back. Raises BadRequest."""
    if not re.fullmatch(ACCOUNT_PATTERN, account):
        raise BadRequest(404, "there is no such account")
    options = context.settings.containment
    if not options.is_on:
        raise BadRequest(409, "containment is off: set CONTAINMENT_MODE to alert or enforce")
    account = account.lower()
    stored = await context.ledger.load_containments()
    own = [one for one in stored.containments if one.account_id == account]
    name = next((one.account_name for one in own if one.account_name), account)
    target = ActTarget(kind, "", "", account, name)
    if kind is RequestKind.CONTAIN:
        chosen = [Choice(one, STEP_TEXTS[one], one in DEFAULT_CHOICES) for one in STEP_CHOICES]
        return replace(target, choices=tuple(chosen))
    try:
        return describe_release(target, own, context.settings)
    except BadRequest as error:
        if unreadable := describe_unreadable(stored.unreadable_ids):
            raise BadRequest(error.status, f"{error}; {unreadable}") from None
        raise


def describe_release(
    target: ActTarget, containments: Sequence[Containment], settings: Settings
) -> ActTarget:
    """What of an account's containments comes back, and what may be named. Raises BadRequest."""
    options = settings.containment
    if not options.acts:
        raise BadRequest(409, NOT_ENFORCED.format(mode=options.mode))
    made = [one for one in containments if one.started_at]
    if any(one.is_under_way for one in made):
        raise BadRequest(409, "it is being carried out: wait for its end")
    titles = {step.name: step.title for one in made for step in one.steps}
    unasked = [name for one in made for name in list_steps_to_release(one, ())]
    named = [name for name in list_nameable(made) if name not in unasked]
    if not unasked and not named:
        raise BadRequest(409, "nothing of this account is contained that could be taken back")
    return replace(
        target,
        effects=tuple(dict.fromkeys(titles[name] for name in unasked)),
        choices=tuple(Choice(name, titles[name]) for name in named),
    )


def render_account_notice(
    kind: RequestKind, context: RequestContext, accepted: HttpResponse
) -> str:
    """The page that says what was recorded about an account, and leads to what becomes of it."""
    from core.web import pages

    request = accepted.headers["Location"].rpartition("/")[2]
    if kind is RequestKind.UNCONTAIN:
        line, link = "It is taken back step by step, which takes seconds.", "See each step"
    elif context.parameters.get("plan"):
        line, link = "The plan is carried out step by step, block first.", "See each step"
    else:
        line, link = "The plan is being made: nothing is changed yet.", "See the plan"
    return pages.render_notice_page(
        "Recorded",
        ["Your request, your name and your reason are recorded.", line],
        link=(f"containments/{request}", link),
    )


async def get_containment_page(context: RequestContext) -> HttpResponse:
    """A containment as an HTML page, with a form where its plan can be carried out."""
    from core.web import action_pages

    wanted = path_parameter(context, "containment", RUN_ID_PATTERN)
    stored = await context.ledger.load_containments()
    containments = stored.containments
    found = next(
        (one for one in containments if wanted in (one.id, one.order_id, one.undo_id)), None
    )
    tenant = context.settings.tenant_name
    if found is None:
        request = await context.ledger.get_request(CONTAINMENT_PARTITION, wanted)
        if wanted in stored.unreadable_ids or request is None or request.kind not in PAGE_KINDS:
            raise explain_missing_containment(stored, wanted)
        plan = next((one.id for one in containments if one.plan_hash == request.plan != ""), "")
        page = action_pages.render_account_request_page(request, context.now, plan, tenant)
        return html_response(200, page)
    plan_answer = build_plan_answer(context, found, containments)
    page = action_pages.render_containment_page(found, context.now, tenant, plan_answer)
    answer = html_response(200, page)
    return with_token(answer, plan_answer.token) if plan_answer.token else answer


def build_plan_answer(
    context: RequestContext, found: Containment, containments: Collection[Containment]
) -> PlanAnswer:
    """What may be done about a containment from its page, and why not."""
    options, is_operator = context.settings.containment, context.caller.is_operator
    again = build_action_query(RequestKind.CONTAIN, subject=found.account_id)
    if found.state is ContainmentState.DONE and options.acts and is_operator:
        back = build_action_query(RequestKind.UNCONTAIN, subject=found.account_id)
        return PlanAnswer(action=back, action_text="Take it back")
    if found.is_under_way and not options.acts:
        return PlanAnswer(obstacle=STANDS_STILL.format(mode=options.mode))
    if found.is_under_way and found.stalled:
        return PlanAnswer(obstacle=f"it stands still, and is tried again: {found.stalled}")
    if found.state is not ContainmentState.PLANNED:
        return PlanAnswer()
    if not is_operator:
        return PlanAnswer(obstacle=READ_ONLY)
    if not options.acts:
        return PlanAnswer(obstacle=NOT_ENFORCED.format(mode=options.mode))
    if why := explain_order_refusal(found, containments, options, context.now):
        return PlanAnswer(obstacle=why, action=again, action_text="Ask for a new plan")
    return PlanAnswer(token=create_token(), who=context.caller.name)
