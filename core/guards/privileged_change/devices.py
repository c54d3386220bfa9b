"""Devices that people registered themselves: what one holds outlives a new password. Pure.

Microsoft Graph v1.0: device. Hybrid-joined computers, those of Windows Autopilot or an enrolment
account, shared ones and printers are left out where they are read (`directory_sources`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.microsoft365.kit_devices import KitDefault, find_kit
from core.microsoft365.remedies import build_command, lock_out, make_graph_step
from core.model.findings import Fact, Severity, Step
from core.property_values import get_objects, get_text, get_time, show_text
from core.tenant.configuration import Configuration
from core.tenant.known_traits import NEWS_PERIOD
from core.tenant.quoting import quote_text
from core.watched.items import (
    ANY,
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
)

DEVICE = "device"
MAX_NAME_LENGTH = 120
TOGETHER = timedelta(days=1)
SEVERAL = 3
"""So many devices of one owner within a day are more than a new computer and a new phone."""


def describe_device(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each device that was registered lately, as far as it tells something."""
    devices = [
        (one, made)
        for one in rows[DEVICE] or ()
        if (made := find_making(one)) is None or rows.now - made < NEWS_PERIOD
    ]
    administrators = {one.id for one in rows[ROLE_HOLDER] or ()}
    by_owner = dict[str, list[datetime]]()
    for one, made in devices:
        for owner, _ in list_owners(one):
            by_owner.setdefault(owner, []).extend([made] if made else [])
    for one, made in devices:
        kit = find_kit(one.name, get_text(one.values, "operatingSystemVersion"))
        traits = list(list_device_traits(one, made, administrators, by_owner))
        if not traits and not kit:
            continue
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=tuple(traits),
            on_sight=tuple(list_kit_traits(kit, one)),
            facts=tuple(list_device_facts(one, made)),
            advice="Ask its owner, by telephone. Unless somebody answers for it, switch it off and "
            "remove it before the password is reset and the sessions are ended, since what it "
            "holds outlives both.",
            stop=tuple(list_stop_steps(one)),
            held_account=next((owner for owner, _ in list_owners(one)), ""),
        )


def list_stop_steps(device: Configuration) -> Iterator[Step]:
    """Take a device away first, and then whatever its owner is signed in to."""
    unless = "Unless somebody answers for it"
    yield make_graph_step(
        f"{unless}: switch the device off.",
        build_command("Update-MgDevice", "-AccountEnabled:$false", DeviceId=device.id),
    )
    for owner, _ in list_owners(device):
        yield from lock_out(owner, unless.removeprefix("Unless "))
    yield make_graph_step(
        "When all is saved, remove the device: nothing brings it back but a new registration.",
        build_command("Remove-MgDevice", DeviceId=device.id),
    )


def find_making(device: Configuration) -> datetime | None:
    """When a device was registered, or made where Graph does not say that."""
    for name in ("registrationDateTime", "createdDateTime"):
        if found := get_time(device.values, name):
            return found
    return None


def list_owners(device: Configuration) -> Iterator[tuple[str, str]]:
    """The ids and names of whom a device belongs to: one at most, and added a little later. Raises
    ValueError for an owner without an id.
    """
    for one in get_objects(device.values, "registeredOwners"):
        owner = get_text(one, "id").lower()
        if not owner:
            raise ValueError("an owner of a device without an id")
        yield owner, get_text(one, "userPrincipalName") or owner


def list_device_traits(
    device: Configuration,
    made: datetime | None,
    administrators: set[str],
    by_owner: Mapping[str, Sequence[datetime]],
) -> Iterator[Trait]:
    """What is worth a word about a device that nobody at work enrolled."""
    for owner, name in list_owners(device):
        shown = quote_text(name, MAX_NAME_LENGTH)
        if owner in administrators:
            text = f"was registered for {shown}, who administers"
            yield Trait(build_token("administrator", owner), text, Severity.HIGH)
        # When a device without a time was registered, nobody knows.
        if made and sum(abs(one - made) < TOGETHER for one in by_owner[owner]) >= SEVERAL:
            text = f"is one of several that were registered for {shown} within a day"
            yield Trait(build_token("several", owner), text, Severity.HIGH)


def list_kit_traits(kit: KitDefault | None, device: Configuration) -> Iterator[Trait]:
    """What a device that looks made up is told for, at the first look too."""
    if kit:
        owners = [quote_text(name, MAX_NAME_LENGTH) for _, name in list_owners(device)]
        whose = f", and belongs to {', '.join(owners)}" if owners else ""
        text = f"has a name and a system as {kit.tool} make them up{whose}"
        yield Trait("kit", text, Severity.HIGH)


def list_device_facts(device: Configuration, made: datetime | None) -> Iterator[Fact]:
    """What a person would look at."""
    values = device.values
    system = " ".join(show_text(values, f"operatingSystem{part}") for part in ("", "Version"))
    owners = [name for _, name in list_owners(device)]
    yield Fact("owner", ", ".join(quote_text(one, MAX_NAME_LENGTH) for one in owners) or "none yet")
    yield Fact("system", quote_text(system.strip() or "not told", MAX_NAME_LENGTH))
    yield Fact("registered", f"{made:%Y-%m-%d %H:%M} UTC" if made else "not told when")
    yield Fact("joined as", quote_text(show_text(values, "trustType") or "not told"))


DEVICES = WatchedCollection(
    name="device",
    may_be_old=True,
    noun="device",
    plural="devices of administrators, and those that look made up",
    needs=(DEVICE, ROLE_HOLDER),
    describe=describe_device,
    # Others of its owner may be several only with it.
    may_lack={DEVICE: (ANY,)},
    advice="Ask its owner.",
    techniques=("T1098.005",),
    reference="Microsoft Graph v1.0: /devices",
    harmless="hybrid-joined computers, those of Windows Autopilot and enrolment accounts, shared "
    "ones, the first ones of a colleague who administers nothing, and what is older than a month",
)
