"""What this guard concludes, besides what it concludes about watched collections."""

from collections.abc import Mapping
from enum import StrEnum


class PrivilegedVerdict(StrEnum):
    """What is concluded about people and acts."""

    NEW_ADMINISTRATOR = "new-administrator"


VERDICT_TEXTS: Mapping[str, str] = {
    PrivilegedVerdict.NEW_ADMINISTRATOR: "somebody newly holds a role that opens the tenant",
}
