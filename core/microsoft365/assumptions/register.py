"""Every assumption, by its id."""

from collections.abc import Mapping

from core.microsoft365.assumptions import (
    activity,
    audit_queries,
    containment,
    decisions,
    exchange_api,
    exchange_mail,
    exchange_objects,
    exchange_traces,
    exchange_writes,
    graph_directory,
    graph_logs,
    graph_traces,
    platform,
)
from core.microsoft365.assumptions.assumption import Assumption

CHAPTERS: Mapping[str, tuple[Assumption, ...]] = {
    "The Exchange admin API": exchange_api.ASSUMPTIONS,
    "Forwards, rules and mail flow in Exchange": exchange_mail.ASSUMPTIONS,
    "Recipients, rights and settings in Exchange": exchange_objects.ASSUMPTIONS,
    "Ways in that outlast a password, in Exchange": exchange_traces.ASSUMPTIONS,
    "Writes to Exchange": exchange_writes.ASSUMPTIONS,
    "What Graph tells": graph_directory.ASSUMPTIONS,
    "Graph's logs and reports": graph_logs.ASSUMPTIONS,
    "Ways in that outlast a password, in Entra": graph_traces.ASSUMPTIONS,
    "Audit records": activity.ASSUMPTIONS,
    "Searches of the audit log": audit_queries.ASSUMPTIONS,
    "Before and after a write": decisions.ASSUMPTIONS,
    "Containing one account": containment.ASSUMPTIONS,
    "Azure and Teams": platform.ASSUMPTIONS,
}
"""The assumptions by what they are about, in the order of docs/assumptions.md."""

ASSUMPTIONS: tuple[Assumption, ...] = tuple(one for part in CHAPTERS.values() for one in part)

ASSUMPTIONS_BY_ID: Mapping[str, Assumption] = {one.id: one for one in ASSUMPTIONS}
