"""The JSON documents that only the HTTP API answers: an accepted request, an error. Pure."""

from dataclasses import dataclass
from typing import Literal

from core.json_document import RunId
from core.model.requests import RequestState


@dataclass(frozen=True, slots=True)
class AcceptedDocument:
    """The request is recorded; the guard processes it as soon as no other run holds the guard."""

    request: RunId
    status: RequestState
    address: str


@dataclass(frozen=True, slots=True)
class AcceptedAccountDocument:
    """The request about an account is recorded; it is processed within seconds, or at the next
    tick.
    """

    request: RunId
    status: RequestState
    address: str


@dataclass(frozen=True, slots=True)
class AcceptedChannelTestDocument:
    """The test of the channels is recorded; it is made within seconds."""

    request: RunId
    status: RequestState
    address: str


@dataclass(frozen=True, slots=True)
class AcceptedRunDocument:
    """The run is recorded; it starts as soon as no other run holds the guard."""

    run: RunId
    request: RunId
    status: Literal["queued"]
    address: str


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """What is wrong."""

    error: str
