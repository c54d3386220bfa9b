"""What an operator does about second factors, step by step. Pure."""

from core.microsoft365.remedies import (
    ask,
    lock_out,
    look_around,
    make_graph_step,
    read_directory_log,
    read_sign_ins,
    save_from_graph,
)
from core.model.findings import Step

REQUIRE = (
    "Require it: Entra admin center > Entra ID > Conditional Access > Create new policy from "
    "templates > Require multifactor authentication for admins."
)
REMOVE = (
    "Remove the method that they do not know: Entra admin center > Users > the account > "
    "Authentication methods. The default method goes last."
)


def save_methods(account_id: str, name: str) -> Step:
    """Save by what an account can sign in."""
    return save_from_graph(
        f"the sign-in methods of {name}",
        "sign-in-methods",
        account_id,
        *("users", account_id, "authentication", "methods"),
    )


def build_factor_remedy(account_id: str, name: str, upn: str) -> tuple[Step, ...]:
    """The steps about an administrator without a second factor that holds. `name` is quoted."""
    return (
        save_methods(account_id, name),
        read_sign_ins(name, account_id),
        ask(
            name,
            "Have them register a passkey or Microsoft Authenticator at aka.ms/mysecurityinfo, "
            "while you are on the line.",
        ),
        Step(REQUIRE),
        look_around(name, upn, account_id),
    )


def build_added_remedy(account_id: str, name: str, upn: str) -> tuple[Step, ...]:
    """The steps about a method that an administrator may not know of. `name` is quoted."""
    return (
        save_methods(account_id, name),
        ask(name, "If they added it, acknowledge the case."),
        Step(REMOVE),
        *lock_out(account_id, "they added it"),
        look_around(name, upn, account_id),
        read_sign_ins(name, account_id),
        read_directory_log(name, account_id),
    )


def build_group_remedy(advice: str) -> tuple[Step, ...]:
    """The steps about many accounts."""
    return (
        make_graph_step(
            "Save who has registered what.",
            "Get-MgReportAuthenticationMethodUserRegistrationDetail -All | Export-Clixml "
            "-NoClobber -Path 'evidence-registration.xml'",
        ),
        Step(advice),
        look_around("second factors", "second-factor"),
    )
