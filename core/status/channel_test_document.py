"""The JSON documents of a test of the channels. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.json_document import RunId, to_json
from core.model.requests import OperatorRequest, RequestState


@dataclass(frozen=True, slots=True)
class ChannelTestResultDocument:
    """What one channel answered. `accepted` says that it took the message, not that it arrived."""

    channel: str
    accepted: bool
    text: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class ChannelTestDocument:
    """A test of one channel or of all, and what each answered."""

    version: int
    request: RunId
    status: RequestState
    channel: str | None
    """The channel that is tested; none: all of them."""
    who: str
    why: str
    at: datetime
    ended_at: datetime | None
    note: str | None
    results: tuple[ChannelTestResultDocument, ...]


def build_results_row(results: Iterable[ChannelTestResultDocument]) -> Mapping[str, object]:
    """What is stored of a test that was made."""
    return {"status": "done", "results": [to_json(one) for one in results]}


def build_channel_test(
    request: OperatorRequest, row: Mapping[str, Any] | None
) -> ChannelTestDocument:
    """The document of a test, with what is stored of its results."""
    results = tuple(
        ChannelTestResultDocument(
            str(one["channel"]), bool(one["accepted"]), str(one["text"]), one["remedy"] or None
        )
        for one in (row or {}).get("results", ())
    )
    return ChannelTestDocument(
        version=1,
        request=request.id,
        status=request.state,
        channel=request.subject or None,
        who=request.requested_by,
        why=request.reason,
        at=request.at,
        ended_at=request.ended_at,
        note=request.note or None,
        results=results,
    )
