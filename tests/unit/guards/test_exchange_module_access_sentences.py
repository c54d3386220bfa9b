"""What the guard of Exchange PowerShell says of users."""

from typing import Any

from core.guards.exchange_module_access.guard import GUARD, ModuleAccess, judge
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.directory import ModuleUser, RoleHolder
from tests.support.fakes.state import ADMIN_MODULE_USER, ADMIN_ROLE_HOLDER
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences

TERMS = GuardPolicy(NOW)
EXCHANGE_ADMINISTRATOR = "29232cdf-9323-42fd-ade2-1d097af3e4de"


def user(number: int, **more: Any) -> ModuleUser:
    return ModuleUser(f"u{number}", f"g{number}", f"user{number}@contoso.com", **more)


def say(item: ModuleAccess) -> list[Finding]:
    return list(judge(item, TERMS))


def may(*users: ModuleUser, count: int = 0, each: bool = True, **more: Any) -> list[Finding]:
    """What is said where some users may use it and two administrators do."""
    known = {"admin_count": 2, "role_holder_count": 3} | more
    return say(ModuleAccess(count or len(users), users, each, **known))


def test_sentences_about_powershell() -> None:
    two = (user(1), user(2, kind="SharedMailbox"))
    check_sentences(
        "exchange_module_access",
        {
            "Nobody may who need not": may(),
            "Two users may": may(*two),
            "A user without a name or an account may": may(
                ModuleUser("u1", "g1", "", has_account=False)
            ),
            "A user with a long name may": may(ModuleUser("u1", "g1", "n" * 300, kind="K" * 300)),
            "No administrator may": may(*two, admin_count=0),
            "A script signs in as one of two": may(*two, script_users=frozenset({"u1"})),
            "Whether scripts sign in is not known": may(*two, script_users=None),
            "More than those who are named may": may(*two, count=1234),
            "Too many may to name each": may(*two, count=1234, each=False, admin_count=1234),
            "Too many may, of whom one has no name": may(
                ModuleUser("u1", "g1", ""), count=30, each=False
            ),
        },
    )


def build_powershell_tenant() -> FakeTenant:
    """Users with and without mailboxes, roles and Exchange PowerShell."""
    users = [
        ADMIN_MODULE_USER,
        *(user(number) for number in range(8)),
        user(20, enabled=False),
        user(21, kind="MailUser"),
        user(22, kind="DiscoveryMailbox"),
        user(23),
        ModuleUser("other-id", "g24", "user24@contoso.com"),
    ]
    holders = [
        ADMIN_ROLE_HOLDER,
        RoleHolder("u23", "eligible", roles=frozenset({EXCHANGE_ADMINISTRATOR})),
        RoleHolder("g24", "direct", roles=frozenset({"own-role"})),
    ]
    return FakeTenant(powershell_users=users, holders=holders, module_sign_ins=["u3"], page_size=6)


async def test_sentences_about_a_tenant_with_users_of_all_kinds() -> None:
    await check_looks("exchange_module_access_users_looks", GUARD, build_powershell_tenant)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("exchange_module_access_looks", GUARD)
