"""Exchange's admin API: cmdlets, pages, batches, and its many ways of saying no."""

import json
import re
from typing import Any

import pytest

from core.adapters.api_errors import AMBIGUOUS, map_exchange_error
from core.adapters.exchange.batch import encode_batch, parse_exchange_reply
from core.adapters.exchange.command import Command
from core.adapters.exchange.routing import list_anchors
from core.adapters.retry import RetryableError
from core.errors import Forbidden, NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.exchange_writes import ANCHOR_FORM
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM_GUID,
    build_mailbox_row,
    build_scene,
    connect_sandbox,
    expect_rows,
)

ALL = {"ResultSize": "Unlimited"}
AMBIGUOUS_TYPE = "ManagementObjectAmbiguousException"
NOT_FOUND = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException"


def fault(kind: str, **more: Any) -> dict[str, Any]:
    return {"service": "exchange", "kind": kind, **more}


async def test_rows_come_without_notes_on_types() -> None:
    async with connect_sandbox(build_scene()) as to:
        rows = await to.exchange.invoke("Get-Mailbox", ALL, select=("Guid", "AuditOwner"))
        assert rows[0] == {"Guid": PERSON_GUID, "AuditOwner": ["Update"]}


async def test_all_pages_are_read_by_posting_the_command_again() -> None:
    boxes = [
        build_mailbox_row(f"id-{number}", f"guid-{number}", f"m{number}") for number in range(2500)
    ]
    async with connect_sandbox(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        rows = await to.exchange.invoke("Get-Mailbox", ALL, select=("Guid",))
        assert len({row["Guid"] for row in rows}) == 2500
        assert to.exchange.service.requests == 3


async def test_pages_come_one_by_one_and_reading_can_go_on_behind_any_of_them() -> None:
    boxes = [
        build_mailbox_row(f"id-{number}", f"guid-{number}", f"m{number}") for number in range(2500)
    ]
    command = Command("Get-Mailbox", ALL, ("Guid",))
    async with connect_sandbox(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        pages = [page async for page in to.exchange.read_pages(command)]
        assert [(len(rows), bool(path)) for rows, path in pages] == [
            (1000, True),
            (1000, True),
            (500, False),
        ]
        rest = [page async for page in to.exchange.read_pages(command, pages[0][1])]
        assert rest == pages[1:]


@pytest.mark.parametrize(
    "after",
    [
        "@evil.example/adminapi/beta/{tenant}/InvokeCommand",
        ".evil.example/adminapi/beta/{tenant}/InvokeCommand",
        "https://evil.example/adminapi/beta/{tenant}/InvokeCommand",
        "/adminapi/beta/another/InvokeCommand",
        "/adminapi/beta/{tenant}/../another/InvokeCommand",
        "InvokeCommand",
    ],
)
async def test_a_place_to_go_on_from_never_leads_elsewhere(after: str) -> None:
    async with connect_sandbox(build_scene()) as to:
        path = after.replace("{tenant}", to.sandbox.tenant.tenant_id)
        with pytest.raises(Rejected):
            _ = [page async for page in to.exchange.read_pages(Command("Get-Mailbox", ALL), path)]
        assert to.exchange.service.requests == 0


async def test_a_listing_that_breaks_off_is_no_listing() -> None:
    boxes = [
        build_mailbox_row(f"id-{number}", f"guid-{number}", f"m{number}") for number in range(1500)
    ]
    faults = [fault("error", status=500, match="skiptoken")]
    async with connect_sandbox(build_scene(exchange={"Get-Mailbox": boxes}, faults=faults)) as to:
        with pytest.raises(Unavailable):
            await to.exchange.invoke("Get-Mailbox", ALL)


@pytest.mark.parametrize(
    ("cmdlet", "parameters"),
    [
        ("Get-Mailbox", {"Identity": ""}),
        ("Get-Mailbox", {"Identity": None}),
        ("Get-Mailbox", {"Identity": " * "}),
        ("Get-InboxRule", {"Mailbox": ""}),
        ("Set-Mailbox", {"Identity": "", "AuditEnabled": True}),
        ("Set-Mailbox", {"AuditEnabled": True}),
        ("Disable-InboxRule", {}),
    ],
)
async def test_a_command_that_could_mean_everyone_is_never_sent(
    cmdlet: str, parameters: dict[str, object]
) -> None:
    async with connect_sandbox(build_scene()) as to:
        with pytest.raises(Rejected, match="not sent"):
            await to.exchange.invoke(cmdlet, parameters)
        outcomes = await to.exchange.invoke_batch([Command(cmdlet, parameters)])
        assert isinstance(outcomes[0], Rejected)
        assert to.exchange.service.requests == 0


async def test_a_cmdlet_outside_of_the_roles_is_named() -> None:
    async with connect_sandbox(build_scene(grants={"exchange": ["Get-Mailbox"]})) as to:
        with pytest.raises(Forbidden) as caught:
            await to.exchange.invoke("Get-TransportRule", ALL)
        assert caught.value.permission == "Exchange role with Get-TransportRule"
        assert await to.exchange.read_allowed_cmdlets() == {"Get-Mailbox"}


async def test_a_long_list_of_cmdlets_is_read_to_its_end() -> None:
    # An administrator of Exchange may run a thousand, in one string.
    scene = build_scene()
    names = {f"Get-SomethingOfTheTenant{number:04}" for number in range(1_200)}
    scene["exchange"] |= {name: [] for name in names}
    async with connect_sandbox(scene) as to:
        allowed = await to.exchange.read_allowed_cmdlets()
    assert allowed >= names | {"Set-OrganizationConfig", "Set-User"}
    assert all(re.fullmatch(r"[A-Za-z]+-[A-Za-z]\w+", name) for name in allowed)


@pytest.mark.parametrize(
    ("granted", "permission"),
    [
        ([], "Exchange.ManageAsApp"),
        (["Exchange.ManageAsApp"], "an Exchange or Entra role that gives the app cmdlets"),
    ],
)
async def test_an_app_without_any_role_is_told_what_it_needs(
    granted: list[str], permission: str
) -> None:
    async with connect_sandbox(build_scene(grants={"exchange": granted})) as to:
        with pytest.raises(Forbidden) as caught:
            await to.exchange.invoke("Get-Mailbox", ALL)
        assert caught.value.permission == permission
        with pytest.raises(Forbidden) as asked:
            await to.exchange.read_allowed_cmdlets()
        assert asked.value.permission == permission
        (outcome,) = await to.exchange.invoke_batch([Command("Get-Mailbox", {"Identity": "ann"})])
        assert isinstance(outcome, Forbidden)
        assert outcome.permission == permission


async def test_a_parameter_outside_of_the_role_is_named_with_its_cmdlet() -> None:
    grants = {"exchange": ["Get-Mailbox -Identity"]}
    async with connect_sandbox(build_scene(grants=grants)) as to:
        with pytest.raises(Forbidden) as caught:
            await to.exchange.invoke("Get-Mailbox", ALL)
        assert caught.value.permission == "Exchange role with Get-Mailbox -ResultSize"


async def test_a_refused_token_is_renewed_once_and_not_for_every_request() -> None:
    async with connect_sandbox(build_scene(grants={"exchange": []})) as to:
        for _ in range(3):
            with pytest.raises(Forbidden):
                await to.exchange.invoke("Get-Mailbox", ALL)
        # Each of the three sent once, the first one once more with a renewed token.
        assert to.sandbox.counts["exchange"] == 4


async def test_a_refusal_by_the_role_renews_no_token() -> None:
    body = error(details=[{"message": "|x|User is not allowed to call Get-Mailbox"}])
    denied = fault("wrongBody", status=401, body=body, match="Get-Mailbox")
    async with connect_sandbox(build_scene(faults=[denied])) as to:
        with pytest.raises(Forbidden) as caught:
            await to.exchange.invoke("Get-Mailbox", ALL)
        assert caught.value.permission == "Exchange role with Get-Mailbox"
        assert to.sandbox.counts["exchange"] == 1


async def test_a_success_with_errors_is_no_success() -> None:
    for errors, whole in ((["An error occurred."], False), ([], True), (None, True)):
        body = {"value": [{"Guid": "g"}], "@adminapi.errors": errors}
        async with connect_sandbox(build_scene(faults=[fault("wrongBody", body=body)])) as to:
            if whole:
                assert await to.exchange.invoke("Get-Mailbox", ALL) == [{"Guid": "g"}]
            else:
                with pytest.raises(Unavailable, match="An error occurred"):
                    await to.exchange.invoke("Get-Mailbox", ALL)


@pytest.mark.parametrize("size", [2, 3, "Unlimited"])
async def test_a_warning_of_more_rows_than_were_wanted_is_no_cut(size: int | str) -> None:
    rows = [{"Guid": "g"}, {"Guid": "h"}]
    body = {"value": rows, "@adminapi.warnings": ["There are more results available."]}
    async with connect_sandbox(build_scene(faults=[fault("wrongBody", body=body)])) as to:
        if size == 2:
            assert await to.exchange.invoke("Get-Mailbox", {"ResultSize": size}) == rows
        else:
            with pytest.raises(Unavailable, match="cut"):
                await to.exchange.invoke("Get-Mailbox", {"ResultSize": size})


@pytest.mark.parametrize("forest", ["", "other"])
async def test_a_mailbox_on_another_server_is_reached_by_its_anchor(forest: str) -> None:
    box = build_mailbox_row(PERSON, PERSON_GUID, "ann", **{"@sandbox.forest": forest})
    async with connect_sandbox(build_scene(exchange={"Get-Mailbox": [box]})) as to:
        rows = await to.exchange.invoke("Get-Mailbox", {"Identity": PERSON_GUID})
        assert [row["Guid"] for row in rows] == [PERSON_GUID]
        commands = [Command("Get-Mailbox", {"Identity": one}) for one in (PERSON_GUID, ROOM_GUID)]
        first, second = await to.exchange.invoke_batch(commands)
        assert [row["Guid"] for row in expect_rows(first)] == [PERSON_GUID]
        assert isinstance(second, NotFound)
        changed = {"Identity": PERSON_GUID, "AuditEnabled": False}
        await to.exchange.invoke("Set-Mailbox", changed, anchor="ann@contoso.example")
        (outcome,) = await to.exchange.invoke_batch([Command("Set-Mailbox", changed)])
        assert outcome == []


async def test_a_mailbox_that_no_anchor_reaches_is_not_asked_for_again_and_again() -> None:
    text = "'ann' was not found in the local forest. Please connect to the right forest."
    body = error(details=[{"message": f"|x|{text}"}])
    faults = [
        fault("wrongBody", status=500, body=body, match="Get-Mailbox", inner=inner)
        for inner in (False, True)
    ]
    async with connect_sandbox(build_scene(faults=faults)) as to:
        with pytest.raises(Unavailable, match="local forest"):
            await to.exchange.invoke("Get-Mailbox", {"Identity": PERSON_GUID})
        assert to.exchange.service.requests == 1
        (outcome,) = await to.exchange.invoke_batch([Command("Get-Mailbox", {"Identity": "ann"})])
        assert isinstance(outcome, Unavailable)
        assert to.exchange.service.requests == 3


async def test_the_audit_log_is_enabled_on_its_own_server() -> None:
    disabled = {"Get-AdminAuditLogConfig": [{"UnifiedAuditLogIngestionEnabled": False}]}
    async with connect_sandbox(build_scene(exchange=disabled)) as to:
        name = "UnifiedAuditLogIngestionEnabled"
        await to.exchange.invoke("Set-AdminAuditLogConfig", {name: True})
        assert (await to.exchange.invoke("Get-AdminAuditLogConfig", {}))[0][name] is True
        assert to.exchange.service.requests == 2


@pytest.mark.parametrize(
    "kind",
    [
        "Microsoft.Exchange.Data.Directory.ServerBusyException",
        "x.TransientException",
        "x.BackendCommunicationException",
        "x.CmdletProxyNotAvailableException",
    ],
)
@pytest.mark.parametrize("inner", [False, True])
async def test_a_transient_refusal_is_tried_again(kind: str, inner: bool) -> None:
    body = error(details=[{"message": f"|{kind}|Try again."}])
    trouble = fault("wrongBody", status=400, body=body, times=1, inner=inner)
    async with connect_sandbox(build_scene(faults=[trouble])) as to:
        (outcome,) = (
            await to.exchange.invoke_batch([Command("Get-Mailbox", {"Identity": PERSON_GUID})])
            if inner
            else [await to.exchange.invoke("Get-Mailbox", {"Identity": PERSON_GUID})]
        )
        assert len(expect_rows(outcome)) == 1


async def test_nobody_by_that_name_is_gone() -> None:
    async with connect_sandbox(build_scene()) as to:
        for name in ("nobody", "nobody-else", "x@evil.example", "/o=nowhere"):
            with pytest.raises(NotFound):
                await to.exchange.invoke("Get-Mailbox", {"Identity": name})


async def test_a_command_that_only_changes_may_answer_nothing() -> None:
    async with connect_sandbox(
        build_scene(faults=[fault("empty", late=True, match="Set-Mailbox")])
    ) as to:
        parameters = {"Identity": PERSON_GUID, "AuditEnabled": True}
        assert await to.exchange.invoke("Set-Mailbox", parameters) == []


async def test_warnings_are_kept() -> None:
    async with connect_sandbox(build_scene()) as to:
        await to.exchange.invoke("Set-Mailbox", {"Identity": PERSON_GUID, "AuditEnabled": True})
        ((cmdlet, warning),) = to.exchange.warnings
        assert cmdlet == "Set-Mailbox"
        assert "no settings" in warning


@pytest.mark.parametrize(
    "trouble",
    [
        fault("error", status=500),
        fault("throttle", retryAfter=5),
        fault("html"),
        fault("html", status=200),
        fault("empty"),
        fault("truncate"),
        fault("drop"),
    ],
    ids=lambda one: f"{one['kind']}-{one.get('status', '')}",
)
async def test_passing_trouble_is_tried_again_and_then_named(trouble: dict[str, Any]) -> None:
    async with connect_sandbox(build_scene(faults=[trouble | {"times": 2}])) as to:
        assert len(await to.exchange.invoke("Get-Mailbox", ALL)) == 2
    async with connect_sandbox(build_scene(faults=[trouble]), attempts=2) as to:
        with pytest.raises(Unavailable):
            await to.exchange.invoke("Get-Mailbox", ALL)


@pytest.mark.parametrize(
    "body",
    [{"unexpected": True}, {"value": None}, {"value": "x"}, {"value": [1]}, {}],
    ids=json.dumps,
)
async def test_an_unknown_shape_is_never_an_empty_listing(body: Any) -> None:
    async with connect_sandbox(build_scene(faults=[fault("wrongBody", body=body)])) as to:
        with pytest.raises(Unavailable):
            await to.exchange.invoke("Get-Mailbox", ALL, select=("Guid",))


@pytest.mark.parametrize("body", [{"Guid": "g"}, {"value": {"Guid": "g"}}], ids=json.dumps)
async def test_a_single_object_will_do_for_a_list(body: Any) -> None:
    async with connect_sandbox(build_scene(faults=[fault("wrongBody", body=body)])) as to:
        assert await to.exchange.invoke("Get-Mailbox", ALL, select=("Guid",)) == [{"Guid": "g"}]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/adminapi/beta/{tenant}/InvokeCommand",
        "https://outlook.office365.com.evil.example/adminapi/beta/{tenant}/InvokeCommand",
        "https://evil-outlook.office365.com/adminapi/beta/{tenant}/InvokeCommand",
        "http://eur.outlook.office365.com/adminapi/beta/{tenant}/InvokeCommand",
        "https://eur.outlook.office365.com:444/adminapi/beta/{tenant}/InvokeCommand",
        "https://x@eur.outlook.office365.com@evil.example/adminapi/beta/{tenant}/InvokeCommand",
        "{base}/adminapi/beta/another/InvokeCommand",
        "{base}/adminapi/beta/{tenant}/../another/InvokeCommand",
        3,
    ],
)
async def test_a_next_page_elsewhere_is_refused_without_a_request(link: Any) -> None:
    async with connect_sandbox(build_scene()) as to:
        tenant = to.sandbox.tenant.tenant_id
        if isinstance(link, str):
            link = link.replace("{tenant}", tenant).replace("{base}", to.sandbox.base)
        body = {"value": [], "@odata.nextLink": link}
        to.sandbox.tenant.faults.load([fault("wrongBody", body=body)])
        with pytest.raises(Unavailable, match="outside"):
            await to.exchange.invoke("Get-Mailbox", ALL)
        assert to.exchange.service.requests == 1


async def test_pages_that_go_in_circles_are_noticed() -> None:
    async with connect_sandbox(build_scene()) as to:
        where = f"{to.sandbox.base}/adminapi/beta/{to.sandbox.tenant.tenant_id}"
        body = {"value": [], "@odata.nextLink": f"{where}/InvokeCommand?$skiptoken=1"}
        to.sandbox.tenant.faults.load([fault("wrongBody", body=body)])
        with pytest.raises(Unavailable, match="do not end"):
            await to.exchange.invoke("Get-Mailbox", ALL)
        to.sandbox.tenant.faults.load([fault("wrongBody", body=body, inner=True)])
        outcomes = await to.exchange.invoke_batch([Command("Get-Mailbox", ALL)])
        assert isinstance(outcomes[0], Unavailable)


@pytest.mark.parametrize(
    ("location", "allowed"),
    [
        ("https://eurprd01.outlook.office365.com/adminapi", True),
        ("https://usg.outlook.office365.us/x", True),
        ("https://dodcentral.outlook-dod.office365.us/x", True),
        ("https://cn1.partner.outlook.cn/x", True),
        ("https://evil-outlook-dod.office365.us/x", False),
        ("https://evil.example:446/", False),
        ("https://evil.example/", False),
        ("https://outlook.office365.com.evil.example/", False),
        ("https://evil.example\\.outlook.office365.com/", False),
        ("https://evil.example:443@eur.outlook.office365.com/", False),
        ("http://eurprd01.outlook.office365.com/", False),
        ("", False),
    ],
)
async def test_only_hosts_of_exchange_are_moved_to(location: str, allowed: bool) -> None:
    async with connect_sandbox(build_scene()) as to:
        if not allowed:
            with pytest.raises(Unavailable, match="not its own"):
                to.exchange.switch_host(location)
            assert to.exchange.origin == to.sandbox.base
        else:
            to.exchange.switch_host(location)
            assert to.exchange.origin == location[: location.index("/", 8)]


async def test_the_back_end_port_of_a_host_is_taken_as_the_usual_one() -> None:
    async with connect_sandbox(build_scene()) as to:
        to.exchange.switch_host("https://eurprd01.outlook.office365.com:446/adminapi")
        assert to.exchange.origin == "https://eurprd01.outlook.office365.com"
        link = "https://eurprd01.outlook.office365.com:446/adminapi/beta/{}/InvokeCommand?$skip=1"
        path = to.exchange.get_next_path(
            {"@odata.nextLink": link.format(to.sandbox.tenant.tenant_id)}
        )
        assert path.endswith("/InvokeCommand?$skip=1")


async def test_a_batch_answers_every_command_in_its_order() -> None:
    boxes = [
        build_mailbox_row(f"id-{number}", f"guid-{number}", f"m{number}") for number in range(23)
    ]
    async with connect_sandbox(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        commands = [
            Command("Get-Mailbox", {"Identity": f"guid-{number}"}, ("Guid",))
            for number in range(25)
        ]
        outcomes = await to.exchange.invoke_batch(commands)
        assert [expect_rows(one)[0]["Guid"] for one in outcomes[:23]] == [
            f"guid-{number}" for number in range(23)
        ]
        assert all(isinstance(outcome, NotFound) for outcome in outcomes[23:])
        assert to.exchange.service.requests == 3


@pytest.mark.parametrize(
    "trouble",
    [fault("throttle", retryAfter=5), fault("error", status=500), fault("empty"), fault("drop")],
    ids=lambda one: str(one["kind"]),
)
async def test_trouble_inside_a_batch_costs_only_those_it_struck(trouble: dict[str, Any]) -> None:
    inner = trouble | {"inner": True, "match": PERSON_GUID}
    commands = [Command("Get-Mailbox", {"Identity": one}) for one in (PERSON_GUID, ROOM_GUID)]
    async with connect_sandbox(build_scene(faults=[inner | {"times": 1}])) as to:
        outcomes = await to.exchange.invoke_batch(commands)
        assert [len(expect_rows(one)) for one in outcomes] == [1, 1]
    async with connect_sandbox(build_scene(faults=[inner]), attempts=2) as to:
        first, second = await to.exchange.invoke_batch(commands)
        assert isinstance(first, Unavailable)
        assert not isinstance(second, TenantError)


async def test_a_batch_that_fails_fails_for_every_command() -> None:
    commands = [Command("Get-Mailbox", {"Identity": one}) for one in (PERSON_GUID, ROOM_GUID)]
    async with connect_sandbox(build_scene(faults=[fault("nulbytes")])) as to:
        assert all(isinstance(one, Forbidden) for one in await to.exchange.invoke_batch(commands))


def test_only_a_command_that_changes_may_have_no_body_in_a_batch() -> None:
    reply = {"id": "0", "status": 200}
    assert parse_exchange_reply([reply], Command("Set-Mailbox", {"Identity": "x"})) == {"value": []}
    with pytest.raises(RetryableError):
        parse_exchange_reply([reply], Command("Get-Mailbox", {"Identity": "x"}))


@pytest.mark.parametrize("anchor", ["", "ann", "ann@x\r\nX-Evil: 1", "ännä@x", "a b@x"])
async def test_foreign_text_never_becomes_a_header(anchor: str) -> None:
    async with connect_sandbox(build_scene()) as to:
        headers = to.exchange.build_headers(Command("Get-Mailbox", {}, (), anchor))
        assert headers["X-AnchorMailbox"].startswith("APP:SystemMailbox")
        headers = to.exchange.build_headers(Command("Get-Mailbox", {}, (), "ann@contoso.example"))
        assert headers["X-AnchorMailbox"] == "SMTP:ann@contoso.example"


def error(**parts: Any) -> dict[str, Any]:
    return {"error": {"code": "BadRequest", "message": "Invalid Operation", **parts}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (
            400,
            error(innererror={"internalexception": {"message": "Not so.", "type": "x.Bad"}}),
            Rejected,
            "Not so.",
        ),
        (
            404,
            error(details=[{"message": json.dumps({"Message": "No x", "TypeName": NOT_FOUND})}]),
            NotFound,
            "No x",
        ),
        (
            400,
            error(details=[{"message": f"Ex6F9304|{NOT_FOUND}|No 'y' there."}]),
            NotFound,
            "No 'y'",
        ),
        (400, error(details=[{"message": f"|{NOT_FOUND}|No 'y'."}]), NotFound, "No 'y'"),
        (400, error(), Rejected, "Invalid Operation"),
        (403, None, Forbidden, "no reason"),
        (404, error(), NotFound, "Invalid Operation"),
        (404, None, Unavailable, "404"),
        (401, None, Forbidden, "no reason"),
        (400, error(details=[{"message": f"|x.{AMBIGUOUS_TYPE}|More than one."}]), Rejected, "one"),
        (
            400,
            error(details=[{"message": "|x.InvalidOperationInDehydratedContextException|No."}]),
            Rejected,
            "Enable-OrganizationCustomization",
        ),
        (403, error(), Forbidden, "Invalid Operation"),
        (
            400,
            error(details=[{"message": "The term 'Get-X' is not recognized as the name of"}]),
            Forbidden,
            "Get-X",
        ),
        (
            400,
            error(
                details=[
                    {"message": "A parameter cannot be found that matches parameter name 'AuditX'."}
                ]
            ),
            Forbidden,
            "AuditX",
        ),
        (
            400,
            error(details=[{"message": "for On-premises mastered Directory Sync objects"}]),
            Rejected,
            "Directory Sync",
        ),
        (400, error(details=[{"message": "{" * 20_000}]), Rejected, "{"),
        (400, {"error": "text"}, Unavailable, "400"),
        (418, None, Unavailable, "418"),
    ],
)
def test_every_shape_of_error_is_understood(
    status: int, body: Any, kind: type[TenantError], said: str
) -> None:
    failure = map_exchange_error(status, body, "Get-Mailbox")
    assert type(failure) is kind
    assert said in str(failure)
    assert len(str(failure)) < 500


def test_a_parameter_that_a_role_was_trimmed_of_is_named() -> None:
    text = "A parameter cannot be found that matches parameter name 'AuditEnabled'."
    failure = map_exchange_error(400, error(details=[{"message": text}]), "Set-Mailbox")
    assert isinstance(failure, Forbidden)
    assert failure.permission == "Exchange role with Set-Mailbox -AuditEnabled"


ROLE_SENTENCE = (
    "The role assigned to application 1b730954-1685-4b74-9bfd-dac224a7b894 isn't supported in this "
    "scenario. Please check online documentation for assigning correct Directory Roles."
)
DENIED = "Microsoft.Exchange.Configuration.Authorization.CmdletAccessDeniedException"


@pytest.mark.parametrize(
    ("status", "body", "permission"),
    [
        (401, None, "Exchange.ManageAsApp"),
        (403, None, "Exchange role with Set-Mailbox"),
        (400, error(details=[{"message": f"|{DENIED}|No."}]), "Exchange role with Set-Mailbox"),
        (
            400,
            error(
                details=[{"message": f"|{DENIED}|"}],
                innererror={"internalexception": {"type": "x.Other", "message": "No."}},
            ),
            "Exchange role with Set-Mailbox",
        ),
        (
            403,
            error(
                details=[
                    {
                        "message": f"|{DENIED}|Some of the parameters specified with the "
                        "'Set-Mailbox' cmdlet aren't present in the role definition for the "
                        "current user."
                    }
                ]
            ),
            "Exchange role with Set-Mailbox -AuditEnabled -Identity",
        ),
        (
            401,
            error(details=[{"message": "User is not allowed to call Set-Mailbox"}]),
            "Exchange role with Set-Mailbox",
        ),
        *(
            (status, body, "an Exchange or Entra role that gives the app cmdlets")
            for status in (400, 401, 403, 500)
            for body in (
                {"error": {"code": "Forbidden", "message": ROLE_SENTENCE}},
                error(details=[{"message": ROLE_SENTENCE}]),
                error(innererror={"internalexception": {"message": ROLE_SENTENCE, "type": "x"}}),
            )
        ),
    ],
)
def test_each_missing_permission_has_its_own_remedy(
    status: int, body: Any, permission: str
) -> None:
    failure = map_exchange_error(status, body, "Set-Mailbox", {"Identity", "AuditEnabled"})
    assert isinstance(failure, Forbidden)
    assert failure.permission == permission


def test_an_ambiguous_name_is_told_from_any_other_refusal() -> None:
    for text in (f"|x.{AMBIGUOUS_TYPE}|Two.", "'ann' doesn't represent a unique recipient."):
        failure = map_exchange_error(400, error(details=[{"message": text}]), "Get-Recipient")
        assert isinstance(failure, Rejected)
        assert failure.verdict == AMBIGUOUS


@pytest.mark.parametrize(
    ("command", "anchors"),
    [
        (Command("Get-Mailbox", {"ResultSize": "Unlimited"}), ["APP"]),
        (Command("Get-Mailbox", {"Identity": PERSON_GUID}), ["APP", f"MBX:{PERSON_GUID}@t"]),
        (
            Command("Set-Mailbox", {"Identity": PERSON_GUID}, anchor="ann@contoso.example"),
            [
                f"MBX:{PERSON_GUID}@t",
                "SMTP:ann@contoso.example",
                "UPN:ann@contoso.example",
                "APP",
            ],
        ),
        (
            Command("Set-User", {"Identity": PERSON_GUID}, anchor="UPN:ann@contoso.example"),
            [f"MBX:{PERSON_GUID}@t", "UPN:ann@contoso.example", "APP"],
        ),
        (Command("Get-InboxRule", {"Mailbox": "a b"}), ["APP"]),
    ],
)
def test_a_command_has_its_anchors_best_first(command: Command, anchors: list[str]) -> None:
    found = list_anchors(command, "t", "mbx")
    assert [one if "System" not in one else one[:3] for one in found] == anchors


@pytest.mark.parametrize("form", ANCHOR_FORM.ways)
def test_the_form_of_anchor_that_the_probe_chose_comes_first(form: str) -> None:
    command = Command("Set-Mailbox", {"Identity": PERSON_GUID}, anchor="ann@contoso.example")
    first, *others = list_anchors(command, "t", form)
    assert first.startswith(f"{form.upper()}:")
    assert {one.partition(":")[0] for one in (first, *others)} == {"MBX", "SMTP", "UPN", "APP"}


@pytest.mark.parametrize("name", ["ann", "Zoë", "\ud83d", 'a"b'])
def test_the_body_of_a_batch_carries_any_name(name: str) -> None:
    sent = [{"id": "1", "body": Command("Get-Recipient", {"Identity": name}).body}]
    assert json.loads(encode_batch(sent)) == {"requests": sent}
