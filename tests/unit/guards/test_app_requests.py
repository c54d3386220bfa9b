"""What registrations ask for: a permission of weight, and one that no list has."""

from datetime import UTC, datetime

import pytest

from core.guards.app_consent.requests import (
    REGISTRATION,
    describe_requests,
    list_request_traits,
)
from core.microsoft365.permission_weights import GRAPH_API
from core.model.findings import Severity, format_facts
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
MAIL_READ_WRITE = "e2a3a72e-5f79-4c64-b1b1-878b674786c9"
NEW_ROLE = "00000000-0000-4000-8000-000000000001"
OTHERS_API = "0e15e000-0000-4000-8000-000000000009"


def ask(api: str, role: str, kind: str = "Role") -> list[tuple[str, Severity]]:
    access = {"resourceAppId": api, "resourceAccess": [{"id": role, "type": kind}]}
    registration = Configuration(REGISTRATION, "r1", "Tool", {"requiredResourceAccess": [access]})
    return [(one.text, one.severity) for one in list_request_traits(registration)]


def test_a_published_permission_is_told_by_its_name() -> None:
    ((text, severity),) = ask(GRAPH_API, MAIL_READ_WRITE.upper())
    assert text.startswith("asks for Mail.ReadWrite in its own name")
    assert severity is Severity.LOW


def test_a_permission_of_microsofts_that_no_list_has_may_be_anything() -> None:
    ((text, severity),) = ask(GRAPH_API, NEW_ROLE)
    assert text.startswith(f"asks for an unknown permission ({NEW_ROLE})")
    assert severity is Severity.LOW


@pytest.mark.parametrize(
    ("api", "role", "kind"),
    [(OTHERS_API, NEW_ROLE, "Role"), (GRAPH_API, NEW_ROLE, "Scope")],
)
def test_what_only_its_makers_know_and_what_a_user_gives_is_nothing_yet(
    api: str, role: str, kind: str
) -> None:
    assert ask(api, role, kind) == []


def test_a_registration_that_asks_for_much_is_named_with_its_id_and_its_day() -> None:
    long = "n" * 300
    values = {
        "appId": "a-1",
        "createdDateTime": "2026-11-05T03:00:00Z and much more than a day",
        "requiredResourceAccess": [
            {
                "resourceAppId": GRAPH_API.upper(),
                "resourceAccess": [
                    {"id": MAIL_READ_WRITE, "type": "Scope"},
                    {"id": MAIL_READ_WRITE, "type": "Role"},
                    {"id": long, "type": "Role"},
                ],
            }
        ],
    }
    row = Configuration(REGISTRATION, "r1", long, values)
    bare = Configuration(REGISTRATION, "r2", "", {**values, "appId": "", "createdDateTime": ""})
    quiet = Configuration(REGISTRATION, "r3", "Quiet", {"requiredResourceAccess": []})
    told, untold = describe_requests(SourceRows({REGISTRATION: (quiet, row, bare)}, NOW))
    assert (told.id, told.name) == ("r1", f"{long[:120]}… (300 characters)")
    assert format_facts(told.facts) == (
        "app id: a-1",
        "registered: 2026-11-05T03:00:00Z and much mo… (45 characters)",
    )
    known, unknown = told.opens
    assert known.token == f"asks mail.readwrite {GRAPH_API}"
    assert unknown.text.startswith(f"asks for an unknown permission ({long[:97]}… (324 characters)")
    assert unknown.token.startswith("asks nnn")
    assert told.advice == (
        "Ask its owner what it is for, before anybody consents. Unless somebody answers for it: "
        "Entra admin center > App registrations > the app > API permissions, and look at its "
        "secrets and owners."
    )
    assert (untold.name, format_facts(untold.facts)) == ("r2", ("app id: not told",))
    assert list(describe_requests(SourceRows({REGISTRATION: None}, NOW))) == []
