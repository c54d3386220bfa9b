"""The index of a listing finds no fewer rows than the filter that it stands in for."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from sandbox.exchange.protocols import get_cas_mailbox, list_cas_rows
from sandbox.exchange.read_cmdlets import Command, filter_cmdlet_rows, get_mailbox, narrow_rows
from sandbox.state.tenant import SimulatedTenant

KINDS = ("UserMailbox", "SharedMailbox", "roommailbox", None)
FILTERS = (
    "RecipientTypeDetails -eq 'UserMailbox'",
    "(RecipientTypeDetails -eq 'RoomMailbox') -and (WhenCreated -ge '2018-01-01T00:00:00Z')",
    "(-not (WhenCreated -ge '2018-01-01T00:00:00Z'))",
    "(WhenCreated -ge '2016-01-01T00:00:00Z') -and (-not (WhenCreated -ge '2018-01-01T00:00:00Z'))",
    "-not (WhenCreated -ge '2016-01-01T00:00:00Z' -and WhenCreated -ge '2018-01-01T00:00:00Z')",
    "-not (-not (WhenCreated -ge '2018-01-01T00:00:00Z'))",
    "(Name -like 'a*') -and (Name -like 'ab*' -or Name -like 'AC*')",
    "(Name -like 'a*') -and (-not (Name -like 'ab*' -or Name -like 'ac*'))",
    "Name -like 'a*' -or WhenCreated -ge '2018-01-01T00:00:00Z'",
    "Name -like '*1' -or Name -like 'a*'",
    "RecipientTypeDetails -eq 'UserMailbox' -or RecipientTypeDetails -eq 'SharedMailbox'",
    "-not (RecipientTypeDetails -eq 'UserMailbox' -or RecipientTypeDetails -eq 'SharedMailbox')",
    "AuditEnabled -eq $true",
    "(Name -ge 'ab') -and (-not (Name -ge 'éc'))",
    "(-not (Name -ge 'AC')) -and (WhenCreated -ge '2016-01-01T00:00:00Z')",
)


def build_rows(count: int = 600) -> list[dict[str, Any]]:
    random = Random(1)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        at = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=random.randrange(2_000))
        rows.append(
            {
                "Guid": f"guid-{number}",
                "Name": random.choice([None, *"aAbé"])
                and f"{random.choice('aAbé')}{random.choice('bcd')}{number}",
                "RecipientTypeDetails": random.choice(KINDS),
                "WhenCreated": random.choice([None, f"{at:%Y-%m-%dT%H:%M:%SZ}"]),
                "AuditEnabled": random.choice([True, False]),
            }
        )
    return rows


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_finds_the_same_rows_with_the_index_and_without(text: str) -> None:
    tenant = SimulatedTenant({"exchange": {"Get-Mailbox": build_rows()}})
    rows = tenant.exchange["Get-Mailbox"]
    command = Command("Get-Mailbox", {"Filter": text, "ResultSize": "Unlimited"})
    expected = filter_cmdlet_rows(tenant, rows, command)
    assert get_mailbox(tenant, command).rows == expected
    assert 0 < len(expected) < len(rows)


def test_the_index_leaves_few_rows_to_look_at() -> None:
    tenant = SimulatedTenant({"exchange": {"Get-Mailbox": build_rows()}})
    text = "(WhenCreated -ge '2018-01-01T00:00:00Z') -and (-not (WhenCreated -ge '2018-02-01'))"
    rows = tenant.exchange["Get-Mailbox"]
    assert len(narrow_rows(tenant, Command("Get-Mailbox", {"Filter": text}), rows)) < 20


def test_the_settings_of_mailboxes_are_made_once_and_again_after_a_change() -> None:
    tenant = SimulatedTenant({"exchange": {"Get-Mailbox": build_rows()}})
    command = Command("Get-CASMailbox", {"Filter": "Name -like 'zz*'"})
    assert get_cas_mailbox(tenant, command).rows == []
    rows = list_cas_rows(tenant)
    assert list_cas_rows(tenant) is rows
    tenant.update_row(tenant.exchange["Get-Mailbox"][3], {"Name": "zz-3"})
    assert [row["Guid"] for row in get_cas_mailbox(tenant, command).rows] == ["guid-3"]


def test_a_row_that_is_written_or_added_is_found_by_what_it_is_now() -> None:
    tenant = SimulatedTenant({"exchange": {"Get-Mailbox": build_rows()}})
    text = "Name -like 'zz*'"
    command = Command("Get-Mailbox", {"Filter": text})
    assert get_mailbox(tenant, command).rows == []
    rows = tenant.exchange["Get-Mailbox"]
    tenant.update_row(rows[3], {"Name": "zz-3"})
    assert get_mailbox(tenant, command).rows == [rows[3]]
    rows.append({"Guid": "new", "Name": "ZZ-new"})
    assert get_mailbox(tenant, command).rows == [rows[3], rows[-1]]
