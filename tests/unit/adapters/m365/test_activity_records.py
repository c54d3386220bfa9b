"""Audit records: who acted is told by more than a name, and what was done to which object."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.activity.hints import list_concerns
from core.adapters.m365.activity.directory import parse_directory_audit, parse_entra_record
from core.adapters.m365.activity.exchange import parse_exchange_record
from core.adapters.m365.activity.fields import parse_address, parse_record_time
from core.adapters.parsing import parse_each_row
from core.microsoft365.activity_operations import normalize_operation
from core.tenant.activity import ActivityActor, ActivityRecord, ActorKind
from tests.support.audit_records import (
    CANONICAL,
    OUTLOOK_WEB,
    SESSION,
    THIEF_APP,
    build_audit_row,
    build_consent_record,
    build_exchange_record,
    build_service_record,
)
from tests.support.http_recorder import PERSON, ROOM

NET_CORE = "NT SERVICE\\MSExchangeAdminApiNetCore (Microsoft.Exchange.AdminApi.NetCore)"
OWN = "a99a11ce-0000-4000-8000-00000000a44d"


def parse_exchange(row: dict[str, Any]) -> ActivityRecord:
    found = parse_exchange_record(row, frozenset({OWN}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("Consent to application.", "consent to application"),
        (
            "Update application \u2013 Certificates and secrets management ",
            "update application - certificates and secrets management",
        ),
        ("Set-Mailbox", "set-mailbox"),
        ("Add\u00a0 user.", "add user"),
    ],
)
def test_operations_have_one_spelling(spelled: str, normal: str) -> None:
    assert normalize_operation(spelled) == normal


def test_a_forward_by_a_person_in_a_browser() -> None:
    forward = {"Identity": f"{CANONICAL}/contoso.onmicrosoft.com/ann"}
    forward |= {
        "ForwardingSmtpAddress": "smtp:x@evil.example",
        "DeliverToMailboxAndForward": "True",
    }
    found = parse_exchange(build_exchange_record("Set-Mailbox", parameters=forward))
    assert found.actor == ActivityActor(ActorKind.PERSON, "eve@contoso.example", app_id=OUTLOOK_WEB)
    assert found.at == datetime(2026, 11, 20, 5, 30, tzinfo=UTC)
    assert (found.address, found.client, found.session) == (
        "198.51.100.9",
        "Outlook on the web",
        SESSION,
    )
    assert found.names[0] == forward["Identity"]
    assert found.parameters["ForwardingSmtpAddress"] == "smtp:x@evil.example"


@pytest.mark.parametrize(
    ("changes", "kind", "name"),
    [
        ({"UserType": "2"}, ActorKind.PERSON, "eve@contoso.example"),
        ({"UserType": 0}, ActorKind.PERSON, "eve@contoso.example"),
        # An app's act names the owner of the mailbox: nobody is accused by that name.
        ({"UserType": 5, "UserId": "ann@contoso.example", "AppId": THIEF_APP}, ActorKind.APP, ""),
        ({"UserType": 6, "UserId": f"ServicePrincipal_{THIEF_APP}"}, ActorKind.APP, ""),
        ({"UserType": 0, "UserId": f"ServicePrincipal_{THIEF_APP}"}, ActorKind.APP, ""),
        ({"UserType": 9, "UserId": THIEF_APP, "ClientIP": ""}, ActorKind.PARTNER, THIEF_APP),
        ({"ExternalAccess": True}, ActorKind.PARTNER, "eve@contoso.example"),
        ({"UserId": "Sync_DC01_1@contoso.onmicrosoft.com"}, ActorKind.SYNC, "Sync_DC01_1@"),
        ({"UserId": "sync_joe@contoso.example"}, ActorKind.PERSON, "sync_joe@"),
        ({"UserId": "aad_joe@contoso.example"}, ActorKind.PERSON, "aad_joe@"),
        ({"UserType": 7, "UserId": "Not Available"}, ActorKind.UNKNOWN, "Not Available"),
        ({"UserType": 2, "UserId": ""}, ActorKind.UNKNOWN, ""),
        ({"UserId": NET_CORE, "AppAccessContext": {}}, ActorKind.MICROSOFT, "NT SERVICE"),
        # UserId may be a display name, and somebody calls themselves like the service.
        ({"UserId": NET_CORE}, ActorKind.PERSON, "NT SERVICE"),
        ({"UserId": "Eve (w3wp)", "AppAccessContext": {}}, ActorKind.PERSON, "Eve (w3wp)"),
        (
            {
                "UserId": "NT AUTHORITY\\SYSTEM (w3wp)",
                "UserType": 3,
                "SubmissionUserId": "boss@contoso.example",
            },
            ActorKind.PERSON,
            "boss@contoso.example",
        ),
    ],
)
def test_who_acted_is_not_taken_from_the_user_id_alone(
    changes: dict[str, Any], kind: ActorKind, name: str
) -> None:
    actor = parse_exchange(build_exchange_record("Set-Mailbox", **changes)).actor
    assert actor.kind is kind
    assert actor.name.startswith(name)
    assert bool(actor.name) is bool(name)
    assert not actor.is_this_app


def test_the_app_of_an_act_is_known_by_its_id_and_our_own_as_our_own() -> None:
    record = build_exchange_record("Set-Mailbox", UserType=5, AppId=THIEF_APP)
    assert parse_exchange(record).actor.app_id == THIEF_APP
    for name in ("AppId", "ClientAppId", "TokenObjectId"):
        told: dict[str, Any] = {"UserType": 5, "AppId": "", name: OWN}
        own = build_exchange_record("Set-Mailbox", **told)
        assert parse_exchange(own).actor.is_this_app
    context = build_exchange_record(
        "Set-Mailbox", UserType=5, AppId="", AppAccessContext={"ClientAppId": OWN.upper()}
    )
    assert parse_exchange(context).actor.is_this_app


def test_an_own_write_is_own_by_whichever_id_tells_it() -> None:
    told: dict[str, Any] = {"UserType": 5, "ClientAppId": THIEF_APP, "TokenObjectId": OWN}
    assert parse_exchange(build_exchange_record("Set-Mailbox", **told)).actor.is_this_app
    # The key of a person may be their account, and is no app.
    person = parse_exchange(build_exchange_record("Set-Mailbox", AppId="", UserKey=PERSON))
    assert (person.actor.app_id, person.client) == ("", "")


def test_what_counts_may_be_the_last_of_many_parameters() -> None:
    many = {f"ExtensionCustomAttribute{number}": "x" for number in range(60)}
    forward = {**many, "ForwardingSmtpAddress": "smtp:x@evil.example"}
    found = parse_exchange(build_exchange_record("Set-Mailbox", parameters=forward))
    assert [one.watch.guard for one in list_concerns(found)] == ["mailbox-forwarding"]
    changed = [{"Name": name, "NewValue": value} for name, value in forward.items()]
    entra = parse_entra_record(build_consent_record(ModifiedProperties=changed), frozenset())
    assert entra
    assert "ForwardingSmtpAddress" in entra.parameters


def test_a_session_is_read_where_sign_ins_have_it() -> None:
    told = [{"Name": "OS", "Value": "Windows10"}, {"Name": "SessionId", "Value": SESSION.upper()}]
    found = parse_entra_record(build_consent_record(DeviceProperties=told), frozenset())
    assert found
    assert found.session == SESSION


@pytest.mark.parametrize("name", [ROOM, f"ServicePrincipal_{ROOM}", "boss@contoso.example"])
def test_what_somebody_called_themselves_tells_nobody(name: str) -> None:
    shown = {"ID": name, "Type": 1}
    record = build_consent_record()
    record["Actor"].insert(0, shown)
    record["Target"].insert(0, shown)
    found = parse_entra_record(record, frozenset())
    assert found
    assert found.actor == ActivityActor(ActorKind.PERSON, "eve@contoso.example", PERSON)
    assert name not in found.names
    assert found.shown == name


def test_an_app_in_the_feed_is_shown_by_its_name_and_known_by_its_id() -> None:
    actor = [
        {"ID": "Notes", "Type": 1},
        {"ID": f"ServicePrincipal_{ROOM}", "Type": 2},
        {"ID": ROOM, "Type": 2},
        {"ID": "ServicePrincipal", "Type": 2},
    ]
    found = parse_entra_record(build_consent_record(Actor=actor), frozenset())
    assert found
    assert found.actor == ActivityActor(ActorKind.APP, "Notes", ROOM)


def test_what_exchange_does_itself_is_microsofts() -> None:
    record = parse_exchange(build_service_record("Set-Mailbox"))
    assert record.actor.kind is ActorKind.MICROSOFT
    assert record.address == ""


@pytest.mark.parametrize(
    ("operation", "changes", "names"),
    [
        (
            "New-InboxRule",
            {"parameters": {"Identity": "Delete and forward", "Mailbox": "ann@contoso.example"}},
            ("ann@contoso.example", "eve@contoso.example"),
        ),
        # Without a mailbox the rule is in the mailbox of who ran the cmdlet.
        (
            "New-InboxRule",
            {"parameters": {"Name": "."}, "ObjectId": "eve\\."},
            ("eve", "eve@contoso.example"),
        ),
        (
            "Set-InboxRule",
            {"parameters": {}, "ObjectId": f"{CANONICAL}/c.example/44\\Move it"},
            (f"{CANONICAL}/c.example/44", "eve@contoso.example"),
        ),
        (
            "Add-MailboxPermission",
            {"parameters": {"Identity": PERSON, "User": ROOM, "AccessRights": "FullAccess"}},
            (PERSON, "ann"),
        ),
        (
            "Add-MailboxFolderPermission",
            {
                "parameters": {"Identity": "ann:\\Posteingang", "User": "Default"},
                "ObjectId": f"{CANONICAL}/c.example/ann:\\Posteingang",
            },
            ("ann", f"{CANONICAL}/c.example/ann"),
        ),
        (
            "ModifyFolderPermissions",
            {"MailboxGuid": PERSON, "MailboxOwnerUPN": "ann@contoso.example", "ObjectId": ""},
            (PERSON, "ann@contoso.example"),
        ),
        ("New-TransportRule", {"parameters": {"Name": "."}, "ObjectId": ""}, (".",)),
        ("Set-Mailbox", {"parameters": {}, "ObjectId": "mia"}, ("mia",)),
    ],
)
def test_the_object_of_an_act_by_every_name_the_surest_first(
    operation: str, changes: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert parse_exchange(build_exchange_record(operation, **changes)).names == names


def test_a_rule_of_a_mail_client_says_what_it_is_only_when_it_was_added() -> None:
    base: dict[str, Any] = {
        "RecordType": 2,
        "MailboxOwnerUPN": "ann@contoso.example",
        "ObjectId": "",
    }
    base |= {"ResultStatus": "Succeeded", "UserId": "ann@contoso.example"}
    added = [
        {"Name": "RuleOperation", "Value": "AddMailboxRule"},
        {"Name": "RuleName", "Value": "x"},
    ]
    bare = [
        {"Name": "RuleOperation", "Value": "ModifyMailboxRule"},
        {"Name": "RuleId", "Value": "9"},
    ]
    first = parse_exchange(
        build_exchange_record("UpdateInboxRules", **base, OperationProperties=added)
    )
    second = parse_exchange(
        build_exchange_record("UpdateInboxRules", **base, OperationProperties=bare)
    )
    assert (first.has_body, second.has_body) == (True, False)
    assert first.names == ("ann@contoso.example",)


def test_what_is_no_record_is_refused_and_an_act_that_failed_left_out() -> None:
    assert (
        parse_exchange_record(build_exchange_record("X", ResultStatus="False"), frozenset()) is None
    )
    for broken in ({"Operation": ""}, {"CreationTime": "soon"}, {"CreationTime": "0001-01-01"}):
        with pytest.raises(ValueError, match=r"."):
            parse_exchange_record(build_exchange_record("Set-Mailbox", **broken), frozenset())


def test_a_record_without_an_id_gets_the_same_one_each_time() -> None:
    one, same = (parse_exchange(build_exchange_record("Set-Mailbox", "")) for _ in range(2))
    other = parse_exchange(build_exchange_record("Set-CASMailbox", ""))
    assert one.id == same.id != other.id
    assert len(one.id) == 32


def test_a_consent_in_the_feed_names_the_app_and_keeps_no_secret() -> None:
    found = parse_entra_record(build_consent_record(), frozenset())
    assert found is not None
    assert found.operation == "consent to application"
    assert found.actor == ActivityActor(ActorKind.PERSON, "eve@contoso.example", PERSON)
    assert found.names[0] == THIEF_APP
    assert (found.address, found.client) == ("2001:db8::9", "Mozilla/5.0")
    assert "a secret" not in repr(found)
    assert found.parameters["ConsentContext.IsAdminConsent"] == "True"


def test_a_row_of_the_directory_names_a_person_by_id_and_an_app_by_its_principal() -> None:
    person = parse_directory_audit(build_audit_row("Enable account"), frozenset())
    assert person is not None
    assert person.actor == ActivityActor(ActorKind.PERSON, "eve@contoso.example", PERSON)
    assert person.names == (ROOM, "room@contoso.example")
    assert person.address == "198.51.100.9"
    by = {
        "user": None,
        "app": {"appId": None, "servicePrincipalId": OWN, "displayName": "Exoguard"},
    }
    own = parse_directory_audit(
        build_audit_row("Disable account", initiatedBy=by), frozenset({OWN})
    )
    assert own is not None
    assert (own.actor.kind, own.actor.is_this_app) == (ActorKind.APP, True)
    assert parse_directory_audit(build_audit_row("X", result="failure"), frozenset()) is None


def test_of_a_grant_the_client_comes_before_what_it_opens() -> None:
    changed = [
        {
            "displayName": "ServicePrincipal.ObjectID",
            "oldValue": None,
            "newValue": f'"{THIEF_APP}"',
        },
        {"displayName": "DelegatedPermissionGrant.Scope", "newValue": '"[\\r\\n \\"x\\"\\r\\n]"'},
    ]
    target = [{"id": ROOM, "type": "ServicePrincipal", "modifiedProperties": changed}]
    row = build_audit_row("Add delegated permission grant", targetResources=target)
    found = parse_directory_audit(row, frozenset())
    assert found is not None
    assert found.names == (THIEF_APP, ROOM)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7:50001", "203.0.113.7"),
        ("[2001:db8::1]:50002", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ("localhost", ""),
        (None, ""),
        ("<script>", ""),
    ],
)
def test_an_address_has_no_port_and_is_an_address(text: object, address: str) -> None:
    assert parse_address(text) == address


def test_a_time_without_a_zone_means_utc() -> None:
    expected = datetime(2025, 7, 7, 9, 11, 11, tzinfo=UTC)
    assert parse_record_time("2025-07-07 09:11:11.000000000") == expected
    assert parse_record_time("2025-07-07T11:11:11+02:00") == expected


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00", "soon", 7],
)
def test_a_time_that_makes_no_sense_is_a_broken_record_and_stops_nothing(text: object) -> None:
    with pytest.raises(ValueError, match=r"time|isoformat"):
        parse_record_time(text)
    row = {"activityDisplayName": "Enable account", "activityDateTime": text}
    found, broken = parse_each_row([row], lambda one: parse_directory_audit(one, frozenset()))
    assert (found, len(broken)) == ([], 1)
