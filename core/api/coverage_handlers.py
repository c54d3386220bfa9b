"""What is told of the things intruders do, for one tenant."""

from core.api.read_handlers import html_response, load_status
from core.api.request import HttpResponse, Parameter, RequestContext
from core.config.coverage import build_rows
from core.model.guards import Mode
from core.status.coverage import GuardSight, describe_sight_trouble, mark_blind

TECHNIQUE_PARAMETER = Parameter(
    "technique",
    "only this ATT&CK technique, with its parts",
    r"[Tt]\d{4}(\.\d{3})?",
    9,
    required=False,
)


async def get_coverage_page(context: RequestContext) -> HttpResponse:
    """What is told of the things intruders do, in this tenant, as an HTML page."""
    from core.web import pages

    technique = context.parameters.get("technique", "").upper()
    status = await load_status(context)
    sights = {
        one.name: GuardSight(
            one.name,
            is_on=one.config.mode is not Mode.OFF,
            unread=frozenset(one.coverage.unavailable_sources if one.coverage else ()),
            missing=tuple(case.subject for case in one.missing_permissions),
            trouble=describe_sight_trouble(
                is_unreadable=bool(one.read_error),
                never_scanned=one.timing.never_scanned,
                is_late=bool(one.timing.late_by),
            ),
        )
        for one in status.guards
    }
    rows = mark_blind(build_rows(technique), sights)
    tenant = context.settings.tenant_name
    return html_response(200, pages.render_coverage_page(rows, context.now, technique, tenant))
