"""A tenant too large to be kept whole: what lies in a mailbox is made when somebody asks for it.

`python -m bench.large_tenant 1000000` serves one, as `python -m sandbox.server` does a scene. Of
each mailbox it holds the row that listings print, about a kilobyte; its account and its rules are
those of `bench.tenant_generator`.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from functools import lru_cache

from bench.tenant_generator import TenantSpec, build_mailbox
from core.adapters.m365.mailboxes import FORWARDING_PROPERTIES, MAILBOX_PROPERTIES
from sandbox.http_types import Row
from sandbox.scenes.people import TenantBuilder
from sandbox.scenes.row_templates import build_address, derive_id
from sandbox.server import Sandbox, serve_sandbox
from sandbox.state.tenant import Owner, SimulatedTenant, fold_key, strip_address_prefix

LISTED_PROPERTIES = (*MAILBOX_PROPERTIES, *FORWARDING_PROPERTIES)
ALIAS = re.compile(r"([a-z]+-([0-9]{6,}))(?:@.*)?")
KEPT_OWNERS = 4_096


class LargeTenant(SimulatedTenant):
    """The tenant of a specification, of which only the listing is held."""

    def __init__(self, spec: TenantSpec) -> None:
        self.spec = spec
        self.numbers: dict[str, int] = {}
        self.make_owner = lru_cache(KEPT_OWNERS)(self.build_owner)
        builder = TenantBuilder()
        super().__init__({"graph": builder.build_graph(), "exchange": builder.build_exchange()})
        rows = [build_listed_row(spec, number) for number in range(spec.mailboxes)]
        self.exchange["Get-Mailbox"] = rows
        self.numbers = {
            row[name]: number
            for number, row in enumerate(rows)
            for name in ("Guid", "ExternalDirectoryObjectId")
        }

    def find_owners(self, key: object) -> Sequence[Owner]:
        """All owners a key identifies."""
        number = self.find_number(fold_key(strip_address_prefix(key)))
        return super().find_owners(key) if number is None else (self.make_owner(number),)

    def find_number(self, key: str) -> int | None:
        """The number of a mailbox by one of its ids, its alias or its address; None for others."""
        if (known := self.numbers.get(key)) is not None:
            return known
        if (named := ALIAS.fullmatch(key)) is None:
            return None
        number = int(named[2])
        is_known = number < self.spec.mailboxes and self.spec.build_alias(number) == named[1]
        return number if is_known else None

    def build_owner(self, number: int) -> Owner:
        """A mailbox with its account and its rules."""
        cast, seat = build_mailbox(self.spec, number)
        return Owner(
            user=seat.user,
            mailbox=seat.mailbox,
            rules=cast.rules[seat.id],
            folders=cast.folders.get(seat.id),
            exchange_rules=cast.exchange_rules[seat.address],
        )


def build_listed_row(spec: TenantSpec, number: int) -> Row:
    """What a listing prints of a mailbox."""
    alias = spec.build_alias(number)
    address = build_address(alias)
    row: Row = dict.fromkeys(LISTED_PROPERTIES)
    row |= {
        "ExternalDirectoryObjectId": derive_id("user", alias),
        "Guid": derive_id("mailbox", alias),
        "PrimarySmtpAddress": address,
        "UserPrincipalName": address,
        "DisplayName": alias.replace("-", " ").title(),
        "Name": alias,
        "RecipientTypeDetails": spec.get_mailbox_kind(number),
        "IsDirSynced": False,
        "DeliverToMailboxAndForward": False,
    }
    return row


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.large_tenant", description=__doc__)
    parser.add_argument("mailboxes", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds a request takes")
    asked = parser.parse_args()
    tenant = LargeTenant(TenantSpec(asked.mailboxes, asked.seed))
    return asyncio.run(serve_sandbox(Sandbox(tenant, latency=asked.latency / 1000)))


if __name__ == "__main__":
    sys.exit(main())
