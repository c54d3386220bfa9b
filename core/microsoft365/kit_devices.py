"""What public attack tools leave as the name and system of a device they register. Pure.

A tool that joins a device to keep a token invents it, and few change what it invents by itself. An
image that nobody patched for years can look alike: the name and the build together tell, and never
more than that somebody has to look.
"""

import re
from dataclasses import dataclass
from datetime import date

RELIES_ON = ("graph-kit-devices",)


@dataclass(frozen=True, slots=True)
class KitDefault:
    """The device that a tool makes up."""

    tool: str
    build: str
    """Its `operatingSystemVersion`."""
    name: re.Pattern[str]
    """Its `displayName`, in lower case. Windows itself makes up DESKTOP- and seven characters."""
    seen: date
    """When its source was read."""
    source: str


KIT_DEFAULTS = (
    KitDefault(
        "tools such as ROADtools",
        "10.0.19041.928",
        re.compile(r"desktop-[a-z0-9]{8}"),
        date(2026, 1, 15),
        "github.com/dirkjanm/ROADtools, roadtx device registration",
    ),
    KitDefault(
        "phishing kits such as Tycoon2FA",
        "10.0.19045.2006",
        re.compile(r"desktop-[a-z0-9]{6}"),
        date(2026, 6, 15),
        "github.com/elastic/detection-rules, persistence_entra_id_*",
    ),
)


def find_kit(name: str, build: str) -> KitDefault | None:
    """The tool whose made-up device has such a name and such a build; the build may be any of them,
    since tools copy from each other.
    """
    if build.strip() not in {one.build for one in KIT_DEFAULTS}:
        return None
    return next((one for one in KIT_DEFAULTS if one.name.fullmatch(name.strip().lower())), None)
