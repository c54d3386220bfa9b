"""What an operator does about an account that may be in other hands, step by step. Pure."""

from core.microsoft365.remedies import (
    ask,
    lock_out,
    look_around,
    read_directory_log,
    read_sign_ins,
    save_from_graph,
    trace_sent,
)
from core.model.findings import Step


def build_risk_remedy(account_id: str, address: str, name: str) -> tuple[Step, ...]:
    """The steps about an account at risk. `name` is its address, quoted."""
    return (
        save_from_graph(
            f"what was detected about {name}",
            "risky-account",
            account_id,
            *("identityProtection", "riskyUsers", account_id, "history"),
        ),
        read_sign_ins(name, account_id),
        ask(name, "Read the sign-ins to them."),
        *lock_out(account_id, "all of these sign-ins were theirs"),
        look_around(name, address, account_id),
        *([trace_sent(address)] if "@" in address else []),
        read_directory_log(name, account_id),
    )
