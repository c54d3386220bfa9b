"""The Tenant port: in any tenant, a change that is undone leaves no trace."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.tenant.changes import Change, ResetAuditSet
from sandbox.exchange.auditing import ALLOWED_ACTIONS, DEFAULT_ACTIONS, LOGON_TYPES
from sandbox.scenes.default_roles import DEFAULT_USERS
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_module_user_row,
    build_rule_row,
    build_scene,
    build_user_row,
)
from tests.support.tenants import DOMAIN_GUID, OPENERS
from tests.support.undo_checks import REVERSIBLE, read_changeable_state

MORE = {"Admin": "FolderBind", "Delegate": "FolderBind", "Owner": "MailboxLogin"}
BOOLEANS = st.booleans()


@st.composite
def tenants(draw: st.DrawFn) -> dict[str, Any]:
    """A tenant in whatever condition."""
    managed = draw(st.sets(st.sampled_from(LOGON_TYPES)))
    lists: dict[str, object] = {
        f"Audit{kind}": [*DEFAULT_ACTIONS[kind]]
        if kind in managed
        else sorted(draw(st.sets(st.sampled_from(sorted(ALLOWED_ACTIONS[kind] - {"MessageBind"})))))
        for kind in LOGON_TYPES
    }
    person = build_mailbox_row(
        PERSON,
        PERSON_GUID,
        "ann",
        ForwardingAddress=draw(st.sampled_from([None, "room"])),
        ForwardingSmtpAddress=draw(st.sampled_from([None, "smtp:X@evil.example"])),
        DeliverToMailboxAndForward=draw(BOOLEANS),
        AuditEnabled=draw(BOOLEANS),
        DefaultAuditSet=[kind for kind in LOGON_TYPES if kind in managed],
        **lists,
    )
    protocols = {
        "ImapEnabled": draw(BOOLEANS),
        "PopEnabled": draw(BOOLEANS),
        "SmtpClientAuthenticationDisabled": draw(st.none() | BOOLEANS),
    }
    domain = {"Guid": DOMAIN_GUID, "Name": "b", "DomainName": "b.example"}
    guest = {"ExternalDirectoryObjectId": PERSON, "Guid": PERSON_GUID}
    return build_scene(
        graph={
            "users": [
                build_user_row(PERSON, "ann"),
                build_user_row(ROOM, "room", accountEnabled=draw(BOOLEANS)),
            ],
            "messageRules": {PERSON: [build_rule_row("R1", isEnabled=draw(BOOLEANS))]},
        },
        exchange={
            "Get-Mailbox": [
                person,
                build_mailbox_row(ROOM, ROOM_GUID, "room", RecipientTypeDetails="RoomMailbox"),
            ],
            "Get-CASMailbox": [{**guest, "PrimarySmtpAddress": "ann@contoso.example", **protocols}],
            "Get-OrganizationConfig": [{"AuditDisabled": draw(BOOLEANS)}],
            "Get-AdminAuditLogConfig": [{"UnifiedAuditLogIngestionEnabled": draw(BOOLEANS)}],
            "Get-RemoteDomain": [{**domain, "AutoForwardEnabled": draw(BOOLEANS)}],
            "Get-MailboxAuditBypassAssociation": [
                {"Guid": "g1", "Name": "n", "AuditBypassEnabled": draw(BOOLEANS)}
            ],
            "Get-User": [
                *DEFAULT_USERS,
                build_module_user_row(PERSON, PERSON_GUID, "ann", enabled=draw(BOOLEANS)),
            ],
        },
    )


@st.composite
def resets(draw: st.DrawFn) -> ResetAuditSet:
    """Some logon types to be given back, and what some of them are to audit besides."""
    kinds = draw(st.lists(st.sampled_from(LOGON_TYPES), min_size=1, unique=True))
    extra = draw(st.sets(st.sampled_from(kinds)))
    extras = tuple((kind, (MORE[kind],)) for kind in kinds if kind in extra)
    return ResetAuditSet(PERSON_GUID, tuple(kinds), extras)


CHANGES = st.sampled_from([one for one in REVERSIBLE if not isinstance(one, ResetAuditSet)])


@given(st.sampled_from(sorted(OPENERS)), tenants(), CHANGES | resets())
@settings(max_examples=150, deadline=None)
def test_a_change_and_its_undoing_are_nothing_at_all(
    where: str, what: dict[str, Any], change: Change
) -> None:
    async def there_and_back() -> None:
        async with OPENERS[where](what) as to:
            start = await read_changeable_state(to.tenant)
            made = await to.tenant.writer.apply(change)
            undone = await to.tenant.writer.undo(change, made.before)
            assert undone.unchanged or not made.unchanged
            assert await read_changeable_state(to.tenant) == start
            assert (await to.tenant.writer.undo(change, made.before)).unchanged

    asyncio.run(there_and_back())
