"""One cmdlet with its parameters, as Exchange's admin API runs it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from core.adapters.parsing import ResponseRow
from core.errors import Rejected

RELIES_ON = ("exchange-empty-identity",)

IDENTITY_PARAMETERS = ("Identity", "Mailbox")
ORGANIZATION_WIDE = frozenset(
    {"Set-OrganizationConfig", "Set-AdminAuditLogConfig", "Set-TransportConfig"}
)


@dataclass(frozen=True, slots=True)
class Command:
    """A cmdlet with its parameters. `select` are the properties wanted, `anchor` the mailbox whose
    server should run it, by address: a hint, without which it only takes longer."""

    cmdlet: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    select: Collection[str] = ()
    anchor: str = ""

    @property
    def is_read(self) -> bool:
        return self.cmdlet.startswith("Get-")

    @property
    def row_limit(self) -> int:
        """How many rows are wanted at most; 0 for all there are."""
        size = self.parameters.get("ResultSize")
        return size if isinstance(size, int) else 0

    @property
    def body(self) -> ResponseRow:
        return {
            "CmdletInput": {"CmdletName": self.cmdlet, "Parameters": dict(self.parameters)},
        }

    def check_target(self) -> None:
        """Raise Rejected for a command that could apply to every object instead of one.

        Without an identity, or with an empty one, a cmdlet applies to all it finds (Microsoft
        Learn: Get-Mailbox, -Identity).
        """
        for name in IDENTITY_PARAMETERS:
            if name in self.parameters and not str(self.parameters[name] or "").strip(" *"):
                raise Rejected(f"{self.cmdlet} was not sent: its {name} is empty")
        named = any(name in self.parameters for name in IDENTITY_PARAMETERS)
        if not named and not self.is_read and self.cmdlet not in ORGANIZATION_WIDE:
            raise Rejected(f"{self.cmdlet} was not sent: it names no object")
