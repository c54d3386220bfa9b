"""Break-ins over the feed that no rule was written for, amid the noise of an ordinary day: is each
seen in the tick after its record, and is nobody blamed who did not do it?
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.adapters.m365.activity.exchange import parse_exchange_record
from core.engine.run import run
from core.model.activity import build_session_key
from core.model.cases import Case
from core.model.findings import Verdict
from core.model.guards import Mode
from core.status.cause_texts import list_cause_lines
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind
from core.tenant.auditing import AuditBypass
from core.tenant.directory import Account
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Delegation, Mailbox
from tests.support.audit_records import (
    build_exchange_record,
    build_mail_record,
    build_service_record,
)
from tests.support.builders import AUDIT_CONFIG, CONFIGS_BY_NAME, FORWARDING_CONFIG
from tests.support.watched_logs import (
    ANN,
    DELEGATION,
    FORWARDING,
    HIDDEN,
    INFO,
    Watched,
)

CFO = Mailbox("u3", "g3", "cfo@contoso.com")
THIEF_ADDRESS, HOME = "203.0.113.66", "192.0.2.10"
STOLEN = "5e551011-0000-4000-8000-0000000000aa"
ROGUE_APP = "7a7a7a7a-0000-4000-8000-0000000000cc"
ALERT_FORWARDING = replace(FORWARDING_CONFIG, mode=Mode.ALERT)


def build_tenant(*guards: str) -> Watched:
    """A tenant with a third person, and the guards that watch it."""
    configs = {
        FORWARDING: ALERT_FORWARDING,
        "mailbox-audit": replace(AUDIT_CONFIG, mode=Mode.ALERT),
    }
    watched = Watched(tuple(configs.get(name) or CONFIGS_BY_NAME[name] for name in guards))
    watched.tenant.boxes.append(CFO)
    watched.tenant.users.append(Account("u3", "cfo@contoso.com"))
    return watched


def serve(watched: Watched, row: dict[str, Any], *, minutes_late: float = 0) -> ActivityRecord:
    """Let the feed serve a record of now, as it is on the wire, so many minutes from now."""
    row = {**row, "CreationTime": f"{watched.clock():%Y-%m-%dT%H:%M:%S}"}
    row["Id"] = f"w{len(watched.tenant.activity_records)}"
    record = parse_exchange_record(row, frozenset())
    assert record
    watched.tenant.activity_records.append(record)
    watched.tenant.served_at[record.id] = watched.clock() + timedelta(minutes=minutes_late)
    return record


def build_noise() -> Iterator[dict[str, Any]]:
    """An ordinary day: the service's own acts, and a client that writes all its rules anew."""
    for number in range(60):
        yield build_service_record("Set-Mailbox", parameters={"Identity": f"box{number}"})
        yield build_service_record("Add-MailboxPermission", parameters={"Identity": "g1"})
        yield build_mail_record(
            "UpdateInboxRules",
            RecordType=2,
            UserId=INFO.address,
            MailboxOwnerUPN=INFO.address,
            MailboxGuid="g2",
            ClientIPAddress=HOME,
            AppAccessContext={},
            OperationProperties=[{"Name": "RuleOperation", "Value": "ModifyMailboxRule"}],
        )


async def make_noise(watched: Watched) -> None:
    """An hour of an ordinary day, read tick by tick."""
    for row in build_noise():
        serve(watched, row)
    for _ in range(12):
        watched.clock.advance(minutes=5)
        await watched.tick()


def build_thief_record(operation: str, **parameters: str) -> dict[str, Any]:
    """What Ann's stolen session does from elsewhere."""
    return build_exchange_record(
        operation,
        UserId=ANN.address,
        ClientIP=f"{THIEF_ADDRESS}:4711",
        AppAccessContext={"AADSessionId": STOLEN},
        parameters=parameters,
    )


def list_who(case: Case) -> dict[str, str]:
    """What a case says of who did it, line by line."""
    return dict(list_cause_lines(case))


async def test_a_stolen_session_takes_the_mailbox_of_the_cfo_amid_the_noise() -> None:
    """Ann's session is used from elsewhere: it opens the mailbox of the CFO, hides a rule in her
    own, and takes the right back. The records come late, the first one last, each of them twice.
    """
    watched = build_tenant(FORWARDING, DELEGATION)
    await watched.begin()
    await make_noise(watched)
    assert watched.list_cases() + watched.list_cases(DELEGATION) == []

    right = Delegation("FullAccess", "S-1-5-21-9-9-9-9", mailbox=CFO)
    watched.tenant.delegations.append(right)
    grant = build_thief_record("Add-MailboxPermission", Identity="g3", AccessRights="FullAccess")
    for late in (47, 52):
        serve(watched, grant, minutes_late=late)
    watched.clock.advance(minutes=10)
    watched.tenant.exchange_rules.append(HIDDEN)
    serve(watched, build_thief_record("New-InboxRule", Identity="g1", Name="."))
    for row in build_noise():
        serve(watched, row)
    watched.clock.advance(minutes=5)
    await watched.tick()
    rules = watched.list_cases()
    assert {case.object_id for case in rules} == {"u1"}
    assert watched.list_cases(DELEGATION) == []
    for _ in range(8):
        watched.clock.advance(minutes=5)
        await watched.tick()
    (access,) = watched.list_cases(DELEGATION)
    assert access.object_id == "u3"
    rules = watched.list_cases()
    for case in (access, *rules):
        assert case.cause
        assert case.cause.actor.name == ANN.address
        assert (case.cause.address, case.cause.session) == (THIEF_ADDRESS, STOLEN)
    # One session did both: it is one story.
    assert len({build_session_key(case.cause) for case in (access, *rules) if case.cause}) == 1
    assert "New-InboxRule" in list_who(access)["also"]
    sent = len(watched.channel.sent)
    watched.clock.advance(minutes=30)
    await watched.tick()
    assert len(watched.channel.sent) == sent
    # The right is taken back, which nobody sees in a state: the case ends, and who did it stays.
    watched.tenant.delegations.remove(right)
    serve(watched, build_thief_record("Remove-MailboxPermission", Identity="g3"))
    watched.clock.advance(minutes=5)
    await watched.tick()
    ended = watched.ledger.list_cases(DELEGATION)[access.key]
    assert (ended.resolution, ended.cause) == ("gone", access.cause)


async def test_an_app_forwards_mail_again_and_again_and_its_victim_is_not_blamed() -> None:
    """An app with a consent writes a rule into the mailbox of the CFO, whom its records name as the
    one who acted. Exoguard switches it off; the app switches it on.
    """
    watched = build_tenant(FORWARDING)
    watched.configs = (replace(FORWARDING_CONFIG, mode=Mode.ENFORCE),)
    await watched.begin()
    await make_noise(watched)
    by_app = build_exchange_record(
        "New-InboxRule",
        UserType=5,
        UserId=CFO.address,
        AppId=ROGUE_APP,
        ClientAppId=ROGUE_APP,
        ClientIP="198.51.100.80:1",
        AppAccessContext={"ClientAppId": ROGUE_APP},
        parameters={"Mailbox": "g3", "Name": "Invoices"},
    )
    rule = InboxRule("r1", "u3", "Invoices", "graph", redirect_to=("x@evil.example",))
    watched.tenant.rules.append(rule)
    serve(watched, by_app)
    for _ in range(2):
        # The CFO reads mail at home meanwhile, and marks a rule of their own.
        own = build_exchange_record(
            "Set-InboxRule",
            UserId=CFO.address,
            ClientIP=f"{HOME}:1",
            parameters={"Identity": "g3"},
        )
        serve(watched, own)
        watched.clock.advance(minutes=5)
        await watched.tick()
        watched.clock.advance(hours=1)
        watched.tenant.rules[:] = [rule]
        serve(watched, {**by_app, "Operation": "Enable-InboxRule"})
    watched.clock.advance(minutes=5)
    await watched.tick()
    (case,) = watched.list_cases()
    assert case.verdict == Verdict.CONTESTED
    who = list_who(case)
    assert ROGUE_APP in who["changed back"]
    assert "Enable-InboxRule" in who["changed back"]
    assert CFO.address not in who["changed back"]


async def test_who_blinds_the_log_first_is_told_and_nobody_is_told_for_what_it_did_not_see() -> (
    None
):
    """A thief takes Ann's mailbox out of audit and gives her a phone of his own. Then he hides a
    rule, which leaves no record. Ann edited her rules in the morning.
    """
    watched = build_tenant(FORWARDING, "mailbox-audit")
    await watched.begin()
    serve(
        watched,
        build_exchange_record("Set-InboxRule", UserId=ANN.address, parameters={"Mailbox": "g1"}),
    )
    await make_noise(watched)
    assert watched.list_cases() == []
    watched.tenant.bypasses.append(AuditBypass("g1", "ann"))
    serve(
        watched,
        build_thief_record(
            "Set-MailboxAuditBypassAssociation", Identity="g1", AuditBypassEnabled="True"
        ),
    )
    phone = watched.add_record(
        "user registered security info",
        "u1",
        ANN.address,
        log=ActivityLog.DIRECTORY,
        actor=ActivityActor(ActorKind.PERSON, ANN.address, "u1"),
        address=THIEF_ADDRESS,
        session="",
    )
    watched.clock.advance(minutes=5)
    await watched.tick()
    (bypass,) = (one for one in watched.list_cases("mailbox-audit") if one.kind == "audit-bypass")
    assert bypass.cause
    assert (bypass.cause.address, bypass.cause.session) == (THIEF_ADDRESS, STOLEN)
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.clock.advance(hours=26)
    await run(ALERT_FORWARDING, watched.build_world())
    await watched.tick()
    rules = watched.list_cases()
    assert rules
    for case in rules:
        who = list_who(case)
        assert who["who"].startswith("no record found by")
        assert ANN.address in who["earlier change"]
        assert who["came"].startswith("after the look of")
        assert case.new_methods == (), phone
    # Within a day of the bypass, the phone is a part of that story.
    (bypass,) = (one for one in watched.list_cases("mailbox-audit") if one.kind == "audit-bypass")
    assert bypass.new_methods
