"""Who may register and join devices, and what is asked of them first. Pure.

Microsoft Graph v1.0: deviceRegistrationPolicy. A kit that joins a device of its own needs nothing
more than a policy that asks for no second factor.
"""

from collections.abc import Iterator, Mapping

from core.microsoft365.source_shapes import TYPE_NAME
from core.model.findings import Severity
from core.property_values import find_property, get_flag, get_text, parse_printed_int
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

POLICY = "device-registration-policy"
MAX_NAME_LENGTH = 120
SECOND_FACTOR, PASSWORDS, QUOTA = "second factor", "local passwords", "quota"
UNLIMITED = 2**31 - 1
"""What Graph prints for a quota without a limit."""
# What may be done, by the property that says for whom, and what it means.
RIGHTS: Mapping[str, tuple[str, Severity]] = {
    "azureADRegistration.allowedToRegister": ("register devices", Severity.MEDIUM),
    "azureADJoin.allowedToJoin": ("join devices", Severity.MEDIUM),
    "azureADJoin.localAdmins.registeringUsers": (
        "administer the devices that they join",
        Severity.MEDIUM,
    ),
}
EVERYBODY, NOBODY = "alldeviceregistrationmembership", "nodeviceregistrationmembership"


def describe_policy(rows: SourceRows) -> Iterator[WatchedItem]:
    """The one policy of the tenant."""
    for one in rows[POLICY] or ():
        yield WatchedItem(
            id="device-registration",
            name="of the tenant",
            is_object=False,
            opens=tuple(trait for path in RIGHTS for trait in list_right_traits(one, path)),
            keeps=frozenset(list_kept(one)),
        )


def list_right_traits(policy: Configuration, path: str) -> Iterator[Trait]:
    """Who may do one thing. A kind that nobody knows lets in whom it names, if anybody."""
    text, severity = RIGHTS[path]
    found = find_property(policy.values, path)[1]
    if not isinstance(found, Mapping):
        return
    kind = get_text(found, TYPE_NAME).rpartition(".")[2].casefold()
    if kind == EVERYBODY:
        yield Trait(f"{path} all", f"lets everybody {text}", severity)
        return
    whole = (f"{path} all",)
    for name in ("users", "groups"):
        listed = found.get(name)
        for entry in listed if isinstance(listed, list) else ():
            named = f"lets {quote_text(str(entry), MAX_NAME_LENGTH)} {text}"
            yield Trait(build_token(f"{path[-20:]} {name}", str(entry)), named, severity, whole)
    if kind not in (NOBODY, "enumerateddeviceregistrationmembership", ""):
        shown = quote_text(kind, MAX_NAME_LENGTH)
        yield Trait(build_value_token(path[-20:], kind), f"lets {shown} {text}", severity)


def list_kept(policy: Configuration) -> Iterator[str]:
    """What is asked first, and what stays limited."""
    if get_text(policy.values, "multiFactorAuthConfiguration").casefold() == "required":
        yield SECOND_FACTOR
    if get_flag(policy.values, "localAdminPassword.isEnabled", default=False):
        yield PASSWORDS
    quota = parse_printed_int(find_property(policy.values, "userDeviceQuota")[1])
    if quota is not None and quota < UNLIMITED:
        yield QUOTA


LOSSES: Mapping[str, tuple[str, Severity]] = {
    SECOND_FACTOR: ("no longer asks for a second factor before a device is joined", Severity.HIGH),
    PASSWORDS: ("no longer keeps the local administrators' passwords in Entra", Severity.LOW),
    QUOTA: ("no longer limits how many devices one person may have", Severity.LOW),
}


def explain_policy_loss(token: str) -> Trait:
    """What it means that less is asked."""
    text, severity = LOSSES.get(token, ("asks for less than it did", Severity.MEDIUM))
    return Trait(token, text, severity)


DEVICE_REGISTRATION = WatchedCollection(
    name="device-registration",
    noun="device registration policy",
    plural="device registration policies",
    needs=(POLICY,),
    items_of=(),
    describe=describe_policy,
    explain_loss=explain_policy_loss,
    advice="Ask whoever changed it, by telephone. Unless somebody answers for it, set it back: "
    "Entra admin center > Devices > Device settings, and look at the devices joined since.",
    techniques=("T1484", "T1098.005"),
    reference="Microsoft Graph v1.0: /policies/deviceRegistrationPolicy",
    harmless="settings of the first look, fewer people who may, and a second factor that is asked",
)
