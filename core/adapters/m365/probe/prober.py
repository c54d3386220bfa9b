"""Asks the questions of the register one after another, within a budget of requests and time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.probe import (
    exchange_questions,
    folder_questions,
    graph_questions,
    mailbox_questions,
    trace_questions,
)
from core.adapters.m365.probe.paging_question import ask_paging
from core.adapters.m365.probe.session import ProbeSession, Question, describe_error, unknown
from core.errors import Forbidden, TenantError
from core.microsoft365.assumptions.assumption import Assumption
from core.microsoft365.assumptions.register import ASSUMPTIONS
from core.tenant.probing import AnswerStatus, ProbeAnswer, ProbeOutcome

# The longest that one question may take, in seconds.
QUESTION_SECONDS = 30.0
EXCHANGE_ROLES = "exchange-roles"
PAGING = "exchange-paging"
# What every listing hangs on comes first: what no longer fits into the limits could not be told.
QUESTIONS: Mapping[str, Question] = {
    EXCHANGE_ROLES: exchange_questions.ask_roles,
    PAGING: ask_paging,
    "exchange-anchor": exchange_questions.ask_anchor,
    "exchange-recipient": exchange_questions.ask_recipient,
    "exchange-control": exchange_questions.ask_control,
    "exchange-inbox-rules": exchange_questions.ask_inbox_rules,
    "exchange-permissions": exchange_questions.ask_permissions,
    "exchange-folders": folder_questions.ask_folders,
    "exchange-batch": exchange_questions.ask_batch,
    "exchange-entities": exchange_questions.ask_entities,
    "exchange-slices": exchange_questions.ask_slices,
    "exchange-audit-enabled": exchange_questions.ask_audit_enabled,
    "exchange-mailboxes": mailbox_questions.ask_mailboxes,
    "exchange-kinds": mailbox_questions.ask_kinds,
    "exchange-single-objects": mailbox_questions.ask_single_objects,
    "exchange-single-settings": mailbox_questions.ask_single_settings,
    "exchange-bypass": exchange_questions.ask_bypass,
    "exchange-mailbox-filters": mailbox_questions.ask_mailbox_filters,
    "exchange-each": exchange_questions.ask_each,
    "exchange-forward-filter": exchange_questions.ask_forward_filter,
    "exchange-accepted-domains": exchange_questions.ask_accepted_domains,
    "exchange-send-as": exchange_questions.ask_send_as,
    "exchange-cas-mailbox": exchange_questions.ask_cas_mailbox,
    "exchange-powershell-users": exchange_questions.ask_powershell_users,
    "exchange-role-groups": exchange_questions.ask_role_groups,
    "exchange-dehydrated": exchange_questions.ask_dehydrated,
    "exchange-policy-users": mailbox_questions.ask_policy_users,
    "exchange-unknown-cmdlet": exchange_questions.ask_unknown_cmdlet,
    "graph-users": graph_questions.ask_users,
    "graph-sign-in-activity": graph_questions.ask_sign_in_activity,
    "graph-service-plans": mailbox_questions.ask_service_plans,
    "graph-sign-in-log": graph_questions.ask_sign_in_log,
    "graph-sign-in-pages": graph_questions.ask_sign_in_pages,
    "graph-role-eligibility": graph_questions.ask_role_eligibility,
    "graph-grants": graph_questions.ask_grants,
    "graph-collection-count": graph_questions.ask_collection_count,
    "graph-app-roles": graph_questions.ask_app_roles,
    "graph-powershell-app": graph_questions.ask_powershell_app,
    "graph-registrations": graph_questions.ask_registrations,
    "graph-deleted-items": graph_questions.ask_deleted_items,
    "graph-deleted-groups": graph_questions.ask_deleted_groups,
    "graph-directory-audits": graph_questions.ask_directory_audits,
    "graph-audit-queries": graph_questions.ask_audit_queries,
    "graph-mail-folders": graph_questions.ask_mail_folders,
    "graph-traces": trace_questions.ask_traces,
}


@dataclass(frozen=True, slots=True)
class M365AssumptionProber:
    """Implements AssumptionProber."""

    graph: GraphClient
    exchange: ExchangeClient

    async def probe_assumptions(self, max_requests: int, seconds: float) -> ProbeOutcome:
        """Ask every question of the register that still fits into the limits."""
        session = ProbeSession(self.graph, self.exchange, max_requests, seconds)
        limits = [(one, one.max_requests, one.deadline) for one in session.services]
        answers: list[ProbeAnswer] = []
        refusal = ""
        try:
            for probe, question in QUESTIONS.items():
                assumptions = [one for one in ASSUMPTIONS if one.probe == probe]
                if refusal and probe.startswith("exchange-"):
                    answers += [
                        unknown(one.id, "Exchange was not asked", refusal) for one in assumptions
                    ]
                    continue
                found = await ask_question(session, question, assumptions)
                answers += found
                if probe == EXCHANGE_ROLES:
                    refusal = get_role_refusal(found)
        finally:
            for service, most, deadline in limits:
                service.max_requests, service.deadline = most, deadline
        return ProbeOutcome(
            tuple(answers), session.request_count, round(seconds - session.remaining_seconds, 1)
        )

    def adopt_ways(self, ways: Mapping[str, str]) -> None:
        """Let both clients go these ways from now on."""
        for client in (self.graph, self.exchange):
            client.chosen_ways.adopt(ways)


def get_role_refusal(answers: Sequence[ProbeAnswer]) -> str:
    """Why Exchange need not be asked anything else; empty if it serves the app."""
    (role, *_) = answers
    if role.status is AnswerStatus.HOLDS:
        return ""
    return role.error or Forbidden.__name__


async def ask_question(
    session: ProbeSession,
    question: Question,
    assumptions: Sequence[Assumption],
) -> list[ProbeAnswer]:
    """The answers to one question, one for each assumption; what fails could not be told."""
    seconds = session.remaining_seconds
    if question is not ask_paging:
        seconds = min(seconds, QUESTION_SECONDS)
    if session.request_count >= session.max_requests or seconds <= 0:
        return [unknown(one.id, "not asked: the limits were reached") for one in assumptions]
    session.limit_services(seconds)
    try:
        async with asyncio.timeout(seconds):
            found = {answer.assumption: answer for answer in await question(session)}
    except (TenantError, TimeoutError) as error:
        why = describe_error(error)
        return [unknown(one.id, why, type(error).__name__) for one in assumptions]
    return [found.get(one.id) or unknown(one.id, "the answer did not tell") for one in assumptions]
