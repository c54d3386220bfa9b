"""What the guard of shared mailboxes' health says of one mailbox and another."""

from copy import replace
from typing import Any

from core.guards.shared_mailbox_health.guard import GUARD
from core.guards.shared_mailbox_health.items import GB, MeasuredMailbox, SharedMailboxState
from core.guards.shared_mailbox_health.judge import judge
from core.guards.shared_mailbox_health.remedies import (
    build_conversion_remedy,
    build_licence_step,
    build_needless_remedy,
    build_size_remedy,
)
from core.microsoft365.powershell import ARCHIVING_PRODUCT, LARGE_MAILBOX_PRODUCT
from core.microsoft365.remote_recipient_type import (
    MIGRATED,
    PROVISIONED,
    parse_recipient_type_flags,
)
from core.model.findings import Finding, Step
from core.model.guards import GuardPolicy
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox, SharedMailbox
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences, check_steps

TERMS = GuardPolicy(NOW)
PLAN_1 = "9aaf7827-d63c-4b61-89c3-182f06f82e5c"
PLAN_2 = "efb87545-963c-4e0d-99df-69c6916d9eb0"
KIOSK = "4a82b400-a79f-41a4-b4e2-e94f5787b113"
ARCHIVING = "176a09a6-7ec5-4039-ac02-b2791c6ba793"
ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
INFO = Mailbox("m1", "g1", "info@contoso.com", "Info", "SharedMailbox")
SETTLED = SharedMailbox(INFO, "info@contoso.com")
ACCOUNT = Account(ID, "info@contoso.com", enabled=False)
ODD = Account("a\nb", "info@contoso.com", enabled=False)
UNTOLD = replace(ACCOUNT, plans=None)


def licensed(*plans: str, **more: Any) -> Account:
    return replace(ACCOUNT, plans=frozenset(plans), licensed=True, **more)


def say(account: Account | None = ACCOUNT, unread: bool = False, **settings: Any) -> list[Finding]:
    """What is said of a mailbox some settings of which differ."""
    return list(judge(SharedMailboxState(replace(SETTLED, **settings), account, unread), TERMS))


def remote(
    printed: str, account: Account | None = ACCOUNT, address: str = INFO.address, **more: Any
) -> list[Finding]:
    """What is said of a mailbox that the directory on premises calls something."""
    flags = parse_recipient_type_flags(printed)
    box = replace(INFO, synced=True, address=address)
    return say(account, mailbox=box, remote_recipient_type=flags, **more)


def size(
    gigabytes: float,
    account: Account | None = ACCOUNT,
    quota: float | None = 50,
    settings: SharedMailbox | None = SETTLED,
    address: str = INFO.address,
) -> list[Finding]:
    """What is said of a mailbox of some size."""
    box = replace(INFO, address=address, quota_bytes=None if quota is None else int(quota * GB))
    return list(judge(MeasuredMailbox(box, int(gigabytes * GB), account, settings), TERMS))


def test_sentences_about_settings() -> None:
    check_sentences(
        "shared_mailbox_health_settings",
        {
            "Nothing is wrong": say(),
            "It becomes a user mailbox, without a licence": remote("Migrated, UserMailbox"),
            "It becomes a user mailbox, with a licence": remote("Migrated", licensed(PLAN_1)),
            "It becomes a user mailbox, and its plans are not known": remote("Migrated", UNTOLD),
            "It becomes a user mailbox, and its account is not known": remote("Migrated", None),
            "It was made by Exchange on premises": remote("ProvisionMailbox"),
            "It becomes a room": remote("Migrated, RoomMailbox"),
            "It becomes equipment": remote("ProvisionMailbox, EquipmentMailbox"),
            "It stays shared": remote("Migrated, SharedMailbox"),
            "Nobody knows what becomes of it": remote("DeprovisionMailbox"),
            "No command can name it": remote("ProvisionMailbox", address="a\nb"),
            "No command can name its account": remote("Migrated", upn="a\nb"),
            "The cloud manages it": remote("Migrated", cloud_managed=True),
            "It is not synced": say(remote_recipient_type=1),
            "It has a hold without a licence": say(litigation_hold=True),
            "It has an archive without a licence": say(has_archive=True),
            "It has both with the first plan": say(
                licensed(PLAN_1), litigation_hold=True, has_archive=True
            ),
            "It has both with the first plan and archiving": say(
                licensed(PLAN_1, ARCHIVING), litigation_hold=True, has_archive=True
            ),
            "It has both with the second plan": say(
                licensed(PLAN_2), litigation_hold=True, has_archive=True
            ),
            "It has a hold with a second plan that is suspended": say(
                licensed(PLAN_2, idle_plans=frozenset({PLAN_2})), litigation_hold=True
            ),
            "It has a hold with a kiosk's plan": say(licensed(KIOSK), litigation_hold=True),
            "It has a hold, and no command can name its account": say(ODD, litigation_hold=True),
            "It has a hold, and its plans are not known": say(UNTOLD, litigation_hold=True),
            "It has a hold, and its account is not known": say(None, litigation_hold=True),
            "It has a hold, and its account was not read": say(unread=True, litigation_hold=True),
            "Exchange does not tell its settings": say(litigation_hold=None, has_archive=None),
            "Exchange does not tell what it is on premises": say(
                mailbox=replace(INFO, synced=True), remote_recipient_type=None
            ),
        },
    )


def test_sentences_about_sizes() -> None:
    on_hold = replace(SETTLED, on_hold=True)
    check_sentences(
        "shared_mailbox_health_sizes",
        {
            "It is small": size(1),
            "It is just under the mark": size(44.9),
            "It is near the 50 GB": size(45),
            "It has the 50 GB, and a quota of 60": size(50, quota=60),
            "It is over the 50 GB": size(50.5, quota=100),
            "It is over the 50 GB, and its quota is not told": size(50.5, quota=None),
            "It is full": size(50),
            "It is full with a quota of its own": size(20, quota=20),
            "It is near a quota of its own": size(18, quota=20),
            "It is just under that": size(17.9, quota=20),
            "It is near its quota, and licensed": size(95, licensed(PLAN_2), 100),
            "It is full, and licensed": size(99, licensed(PLAN_2), 99),
            "It is full, and nobody knows its account": size(50, None),
            "It is large, and nobody knows its account": size(70, None, 100),
            "It is large, and its plans are not known": size(
                70, replace(UNTOLD, licensed=True), 100
            ),
            "It is large, and nobody knows whether it is licensed": size(70, UNTOLD, 100),
            "It is large with the first plan": size(60.1, licensed(PLAN_1), 2000),
            "It is larger": size(80, ACCOUNT, 100),
            "It is very large": size(91, ACCOUNT, 100),
            "It is large, and no command can name it": size(49, ACCOUNT, 49.5, address="a\nb"),
            "It is large, and no command can name its account": size(51, ODD, 100),
            "It is licensed without need": size(1, licensed(PLAN_2)),
            "It is licensed without need, and can sign in": size(1, licensed(PLAN_2, enabled=True)),
            "It is licensed without need, and may sign in": size(1, licensed(PLAN_1, enabled=None)),
            "It is licensed, and no command can name its account": size(
                1, replace(licensed(PLAN_2), id="a\nb")
            ),
            "It is licensed for a hold": size(
                1, licensed(PLAN_2), settings=replace(SETTLED, litigation_hold=True)
            ),
            "It is licensed for an archive": size(
                1, licensed(PLAN_2), settings=replace(SETTLED, has_archive=True)
            ),
            "It is licensed for a hold of another kind": size(
                1, licensed(PLAN_2), settings=on_hold
            ),
            "It is licensed, and its holds are not told": size(
                1, licensed(PLAN_2), settings=replace(SETTLED, on_hold=None)
            ),
            "It is licensed, and its settings were not read": size(
                1, licensed(PLAN_2), settings=None
            ),
            "Its licence is suspended": size(
                46, licensed(PLAN_2, KIOSK, idle_plans=frozenset({PLAN_2})), 100
            ),
        },
    )


def convert(flags: int, upn: str = INFO.address, **changed: Any) -> tuple[Step, ...]:
    """The steps about a mailbox that the directory on premises calls something else."""
    box = replace(INFO, **changed)
    return build_conversion_remedy(SharedMailbox(box, upn), flags)


def make_room(
    gigabytes: float, quota: float | None, account: Account | None, **changed: Any
) -> tuple[Step, ...]:
    """The steps about a mailbox of some size, which a plan of the account lets grow or not."""
    box = replace(INFO, quota_bytes=None if quota is None else int(quota * GB), **changed)
    is_licensed = account is not None and PLAN_2 in (account.plans or ())
    return build_size_remedy(MeasuredMailbox(box, int(gigabytes * GB), account), is_licensed)


def test_sentences_about_what_to_do() -> None:
    product = LARGE_MAILBOX_PRODUCT
    check_steps(
        "shared_mailbox_health_steps",
        {
            "It was made by Exchange on premises": convert(PROVISIONED),
            "It was migrated, and has no address": convert(MIGRATED, address=""),
            "No command can name it": convert(PROVISIONED, address="a\nb"),
            "No command can name its account": convert(MIGRATED, "a\nb"),
            "It is full with a quota of its own": make_room(20, 20, ACCOUNT),
            "It is full with all that it may have without a licence": make_room(50, 50, ACCOUNT),
            "It is full with a quota of its own, and licensed": make_room(20, 20, licensed(PLAN_2)),
            "It is full with all that it may have": make_room(100, 100, licensed(PLAN_2)),
            "It is full, and nobody knows its account": make_room(50, 49, None, address=""),
            "It is large, and nobody knows its quota": make_room(60, None, ACCOUNT),
            "It is full, and no command can name it": make_room(20, 20, ACCOUNT, address="a\nb"),
            "It needs a licence": (build_licence_step(ACCOUNT, product),),
            "It needs another licence than it has": (build_licence_step(licensed(KIOSK), product),),
            "It needs one beside the first plan": (
                build_licence_step(licensed(PLAN_1), ARCHIVING_PRODUCT),
            ),
            "It needs a licence, and its plans are not known": (
                build_licence_step(UNTOLD, product),
            ),
            "It needs a licence, and no command can name its account": (
                build_licence_step(ODD, product),
            ),
            "It is licensed without need": build_needless_remedy(ACCOUNT, [PLAN_2, KIOSK]),
            "No command can name the licensed account": build_needless_remedy(ODD, [PLAN_2]),
        },
    )


def build_shared_tenant() -> FakeTenant:
    """Shared mailboxes that are large, licensed, on hold, and called something else on premises."""
    boxes = [
        replace(INFO, id=f"m{one}", guid=f"g{one}", address=f"box{one}@contoso.com")
        for one in range(1, 9)
    ]
    settings = [SharedMailbox(box, box.address) for box in boxes]
    settings[1] = replace(settings[1], litigation_hold=True)
    settings[2] = replace(settings[2], has_archive=True)
    settings[3] = replace(
        settings[3], mailbox=replace(boxes[3], synced=True), remote_recipient_type=4
    )
    accounts = [replace(ACCOUNT, id=box.id, upn=box.address) for box in boxes]
    accounts[4] = replace(licensed(PLAN_2), id="m5", upn="box5@contoso.com")
    accounts[5] = replace(licensed(PLAN_2, enabled=True), id="m6", upn="box6@contoso.com")
    return FakeTenant(
        boxes=boxes,
        shared_settings=settings,
        users=[one for one in accounts if one.id != "m8"],
        sizes={"m1": 46 * GB, "m2": 51 * GB, "m5": GB, "m6": GB, "m7": None, "m8": 60 * GB},
        page_size=3,
    )


async def test_sentences_about_a_tenant_with_shared_mailboxes_of_all_kinds() -> None:
    await check_looks("shared_mailbox_health_boxes_looks", GUARD, build_shared_tenant)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("shared_mailbox_health_looks", GUARD)
