"""Handlers about one account: contain it, take that back, its evidence, whom it hit.

A POST records a request and enqueues a message for it, like any other; the plan, the evidence and
the results are rows that GET reads. No handler reads or changes the tenant.
"""

import base64
from dataclasses import replace
from datetime import datetime, timedelta

from core.api.openapi.document import ACCOUNT_PATTERN
from core.api.request import (
    RESPONSE_HEADERS,
    BadRequest,
    HttpResponse,
    Parameter,
    RequestContext,
    json_response,
    path_parameter,
)
from core.api.responses import AcceptedAccountDocument
from core.api.write_handlers import MAX_PENDING_REQUESTS, parse_until_parameter
from core.containment.planning import STEP_CHOICES
from core.engine.run import create_run_id
from core.jobs.run_requests import RunMessage
from core.json_document import to_json
from core.keys import KEY_PATTERN, RUN_ID_PATTERN
from core.model.containment import Containment, StoredContainments
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.ports import CONTAINMENT_PARTITION
from core.status.case_document import build_operator_request
from core.status.containment_document import (
    build_containment_document,
    build_containment_list,
)

STEPS_PARAMETER = Parameter(
    "steps",
    f"what is done, separated by commas: {', '.join(STEP_CHOICES)}; "
    "empty: all but hidden-rules and protocols",
    rf"({'|'.join(STEP_CHOICES)})(,({'|'.join(STEP_CHOICES)}))*",
    120,
    required=False,
)
CONTAINMENT_PLAN_PARAMETER = Parameter(
    "plan",
    "the plan to carry out: 32 hex digits, valid for an hour; empty to be shown one",
    KEY_PATTERN,
    32,
    required=False,
)
UNDO_STEPS_PARAMETER = Parameter(
    "steps",
    "rules and forwards that are taken back as well, by the names of their steps, separated by "
    "commas",
    r"[a-z0-9-]{1,40}(,[a-z0-9-]{1,40}){0,59}",
    600,
    required=False,
)
SINCE_PARAMETER = Parameter(
    "since",
    "from when on: a date, or a time with its zone; within 180 days",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2}))?",
    40,
    required=False,
    format="date-time",
)
EDITION_PARAMETER = Parameter(
    "edition",
    "the number of an edition; without it the latest",
    r"[1-9][0-9]{0,3}",
    4,
    required=False,
)
LONGEST_PERIOD = timedelta(days=180)


async def request_containment(context: RequestContext) -> HttpResponse:
    """Request the plan for an account, or that a plan is carried out."""
    options = context.settings.containment
    plan = context.parameters.get("plan", "")
    if plan and not options.acts:
        raise BadRequest(409, "CONTAINMENT_MODE is not enforce: plans are not carried out")
    return await enqueue_account_request(
        context, RequestKind.CONTAIN, plan=plan, steps=split_steps(context)
    )


async def request_containment_end(context: RequestContext) -> HttpResponse:
    """Request that an account's containment is taken back."""
    if not context.settings.containment.acts:
        raise BadRequest(409, "CONTAINMENT_MODE is not enforce: nothing is taken back")
    return await enqueue_account_request(context, RequestKind.UNCONTAIN, steps=split_steps(context))


async def request_account_evidence(context: RequestContext) -> HttpResponse:
    """Request the evidence of an account."""
    return await enqueue_account_request(
        context, RequestKind.EVIDENCE, since=parse_since_parameter(context)
    )


async def request_account_impact(context: RequestContext) -> HttpResponse:
    """Request whom an account wrote to."""
    return await enqueue_account_request(
        context, RequestKind.IMPACT, since=parse_since_parameter(context)
    )


def split_steps(context: RequestContext) -> tuple[str, ...]:
    """The steps that the body names, each once."""
    return tuple(dict.fromkeys(filter(None, context.parameters.get("steps", "").split(","))))


def parse_since_parameter(context: RequestContext) -> datetime | None:
    """From when on; None where the body does not say. Raises BadRequest."""
    text = context.parameters.get("since", "")
    if not text:
        return None
    since = parse_until_parameter(text)
    if not context.now - LONGEST_PERIOD <= since <= context.now:
        raise BadRequest(400, '"since" is a time of the last 180 days')
    return since


async def enqueue_account_request(
    context: RequestContext,
    kind: RequestKind,
    *,
    plan: str = "",
    steps: tuple[str, ...] = (),
    since: datetime | None = None,
) -> HttpResponse:
    """Record a request about an account, and return its message for the queue.

    An equal request that is still pending is not recorded twice, but its message goes out again,
    since the first may be lost. Raises BadRequest.
    """
    if not context.settings.containment.is_on:
        raise BadRequest(409, "containment is off: set CONTAINMENT_MODE")
    request = OperatorRequest(
        id=create_run_id(context.now),
        kind=kind,
        subject=path_parameter(context, "account", ACCOUNT_PATTERN).lower(),
        requested_by=context.parameters["who"].strip(),
        reason=context.parameters["why"].strip(),
        at=context.now,
        authenticated_as=context.caller.authenticated_as,
        plan=plan,
        steps=steps,
        since=since,
    )
    recent = await context.ledger.list_requests(
        CONTAINMENT_PARTITION, context.now - timedelta(days=1)
    )
    pending = [one for one in recent if one.state is RequestState.REQUESTED]
    for other in pending:
        if (other.kind, other.subject, other.plan, other.steps, other.since) == (
            kind,
            request.subject,
            plan,
            steps,
            since,
        ):
            return accept_account_request(other)
    if len(pending) >= MAX_PENDING_REQUESTS:
        raise BadRequest(429, f"{len(pending)} requests about accounts are already pending")
    await context.ledger.add_request(CONTAINMENT_PARTITION, request)
    return accept_account_request(request)


def accept_account_request(request: OperatorRequest) -> HttpResponse:
    """202, and the message by which the request is processed."""
    message = RunMessage(CONTAINMENT_PARTITION, request.id, request.at, runs_guard=False)
    return replace(accepted_account_response(request), run_messages=(message,))


def accepted_account_response(request: OperatorRequest) -> HttpResponse:
    """202: the request is recorded; `Location` is the address of its result."""
    address = f"/api/account-requests/{request.id}"
    accepted = AcceptedAccountDocument(request.id, request.state, address)
    return json_response(202, to_json(accepted), Location=address)


# Reading ------------------------------------------------------------------------------------------


async def get_account_request(context: RequestContext) -> HttpResponse:
    """The state of a request about an account."""
    request_id = path_parameter(context, "request", RUN_ID_PATTERN)
    request = await context.ledger.get_request(CONTAINMENT_PARTITION, request_id)
    if request is None:
        raise BadRequest(404, "there is no such request")
    return json_response(200, to_json(build_operator_request(request, CONTAINMENT_PARTITION)))


async def get_containments(context: RequestContext) -> HttpResponse:
    """The latest containments."""
    stored = await context.ledger.load_containments()
    return json_response(200, to_json(build_containment_list(stored)))


async def find_containment(context: RequestContext) -> Containment:
    """The containment that the address names. Raises BadRequest."""
    wanted = path_parameter(context, "containment", RUN_ID_PATTERN)
    stored = await context.ledger.load_containments()
    found = next((one for one in stored.containments if one.id == wanted), None)
    if found is None:
        raise explain_missing_containment(stored, wanted)
    return found


def explain_missing_containment(stored: StoredContainments, wanted: str) -> BadRequest:
    """Why there is no containment to be shown of an id."""
    if wanted in stored.unreadable_ids:
        return BadRequest(409, "its row in the state table cannot be decoded, and stays as it is")
    return BadRequest(404, "there is no such containment")


async def get_containment_json(context: RequestContext) -> HttpResponse:
    """A containment as JSON."""
    return json_response(200, to_json(build_containment_document(await find_containment(context))))


async def get_account_bundle(context: RequestContext) -> HttpResponse:
    """The evidence or the impact of an account, as it was kept, with its digest in a header.

    It is completed when the audit log answers: the latest edition names the digests of the others.
    """
    bundle_id = path_parameter(context, "bundle", RUN_ID_PATTERN)
    edition = int(context.parameters.get("edition") or 0)
    bundle = await context.ledger.load_bundle(bundle_id, edition)
    if bundle is None:
        raise BadRequest(404, "nothing was kept under this id, or not yet")
    digest = base64.b64encode(bytes.fromhex(bundle.digest)).decode()
    name = f"exoguard-{bundle.kind}-{bundle.id}-{bundle.edition}.json"
    headers = {
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return HttpResponse(200, bundle.body.encode(), {**RESPONSE_HEADERS, **headers})
