"""The sandbox shows shared mailboxes as Exchange does."""

from typing import Any

import pytest

from sandbox.exchange.api import annotate_row
from sandbox.exchange.mailbox_statistics import (
    DEFAULT_MAILBOX_PROPERTIES,
    DEFAULT_SIZE,
    GET_MAILBOX_STATISTICS,
    STATISTICS_CMDLETS,
)
from sandbox.exchange.read_cmdlets import CmdletError, Command
from sandbox.state.tenant import SimulatedTenant

INFO = {
    "Guid": "33333333-0000-4000-8000-000000000001",
    "Name": "info",
    "Identity": "info",
    "DisplayName": "Info",
    "PrimarySmtpAddress": "info@contoso.example",
}
SALES = {"Guid": "33333333-0000-4000-8000-000000000002", "Name": "sales", "Identity": "sales"}


def tenant(*figures: dict[str, Any]) -> SimulatedTenant:
    return SimulatedTenant(
        {"exchange": {"Get-Mailbox": [INFO, SALES], GET_MAILBOX_STATISTICS: list(figures)}}
    )


def size(of: SimulatedTenant, name: str) -> str:
    cmdlet = STATISTICS_CMDLETS[GET_MAILBOX_STATISTICS]
    (row,) = cmdlet.run(
        of, Command(GET_MAILBOX_STATISTICS, cmdlet.normalize_parameters({"identity": name}))
    ).rows
    return str(row["TotalItemSize"])


def test_a_mailbox_of_which_nothing_is_said_is_small() -> None:
    assert size(tenant(), "info") == DEFAULT_SIZE


def test_figures_are_found_by_any_name_of_their_mailbox() -> None:
    figures = {"Identity": "info@contoso.example", "TotalItemSize": "60 GB (64,424,509,440 bytes)"}
    for name in ("info", "info@contoso.example", INFO["Guid"]):
        assert size(tenant(figures), name).startswith("60 GB")
    assert size(tenant(figures), "sales") == DEFAULT_SIZE


def test_one_nobody_opened_has_no_row_but_a_warning() -> None:
    unused = tenant({"Identity": "info", "@sandbox.unused": True})
    result = STATISTICS_CMDLETS[GET_MAILBOX_STATISTICS].run(
        unused, Command(GET_MAILBOX_STATISTICS, {"Identity": "info"})
    )
    assert list(result.rows) == []
    (warning,) = result.warnings
    assert "hasn't logged on to mailbox 'Info'" in warning


@pytest.mark.parametrize("parameters", [{}, {"Identity": ""}, {"Identity": "nobody"}])
def test_there_are_figures_of_one_mailbox_and_of_one_that_is_there(
    parameters: dict[str, object],
) -> None:
    with pytest.raises(CmdletError):
        STATISTICS_CMDLETS[GET_MAILBOX_STATISTICS].run(
            tenant(), Command(GET_MAILBOX_STATISTICS, parameters)
        )


def test_a_parameter_it_does_not_have_is_refused() -> None:
    with pytest.raises(CmdletError):
        STATISTICS_CMDLETS[GET_MAILBOX_STATISTICS].normalize_parameters({"ResultSize": "Unlimited"})


def test_a_mailbox_prints_what_is_usual_where_it_is_asked_for_and_not_told() -> None:
    shown = annotate_row(
        {"Name": "info", "RemoteRecipientType": "Migrated"}, ["Name", *DEFAULT_MAILBOX_PROPERTIES]
    )
    assert shown["RemoteRecipientType"] == "Migrated"
    assert shown["LitigationHoldEnabled"] is False
    assert (shown["InPlaceHolds"], shown["ArchiveStatus"]) == ([], "None")
    assert annotate_row({"Name": "info"}, []) == {"Name": "info"}
    assert annotate_row({"LitigationHoldEnabled": None}, ["LitigationHoldEnabled"]) == {
        "LitigationHoldEnabled": None
    }
