"""What an operator does about protocols that take a bare password, step by step. Pure."""

from collections.abc import Iterable, Mapping

from core.microsoft365.remedies import (
    ask,
    build_command,
    find_actor,
    look_around,
    make_exchange_step,
    save_from_exchange,
)
from core.model.findings import Shell, Step

DISABLE_PARAMETERS: Mapping[str, str] = {
    "imap": "-ImapEnabled $false",
    "pop": "-PopEnabled $false",
    "smtp": "-SmtpClientAuthenticationDisabled $true",
}


def build_smtp_remedy() -> tuple[Step, ...]:
    """The steps about SMTP AUTH that is on for everybody."""
    return (
        save_from_exchange(
            "the transport settings", "smtp-auth", "organization", "Get-TransportConfig"
        ),
        find_actor("switched it on", "Set-TransportConfig"),
        ask("whoever runs printers and applications that send mail"),
        Step(
            "First give a device that cannot do without a mailbox of its own, and allow it there: "
            "put its address in the place of device@example.com. Exempt that mailbox here.",
            "Set-CASMailbox -Identity 'device@example.com' -SmtpClientAuthenticationDisabled "
            "$false",
            Shell.EXCHANGE,
        ),
        make_exchange_step(
            "Then switch it off for everybody else.",
            "Set-TransportConfig -SmtpClientAuthenticationDisabled $true",
        ),
        look_around("the organization", "organization"),
    )


def build_policy_remedy(identity: str, name: str) -> tuple[Step, ...]:
    """The steps about an authentication policy. `name` is quoted."""
    return (
        save_from_exchange(
            f"the authentication policy {name}",
            "authentication-policy",
            identity,
            build_command("Get-AuthenticationPolicy", Identity=identity),
        ),
        make_exchange_step(
            "See whom it is for.",
            "Get-User -ResultSize Unlimited | Where-Object AuthenticationPolicy",
        ),
        find_actor("changed it", "Set-AuthenticationPolicy", "New-AuthenticationPolicy"),
        ask("whoever needs it"),
        make_exchange_step(
            "Have it take no bare password for sending.",
            build_command(
                "Set-AuthenticationPolicy", "-AllowBasicAuthSmtp:$false", Identity=identity
            ),
        ),
        look_around("this policy", identity),
    )


def build_protocols_remedy(
    cmdlet: str, identity: str, name: str, protocols: Iterable[str]
) -> tuple[Step, ...]:
    """The steps about protocols of a mailbox or a plan; `cmdlet` is a noun. `name` is quoted."""
    switches = " ".join(DISABLE_PARAMETERS[one] for one in protocols)
    return (
        save_from_exchange(
            f"the protocols of {name}",
            "protocols",
            identity,
            build_command(f"Get-{cmdlet}", Identity=identity),
        ),
        make_exchange_step(
            "Switch them off.", build_command(f"Set-{cmdlet}", switches, Identity=identity)
        ),
    )
