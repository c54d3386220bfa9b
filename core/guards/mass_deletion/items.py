"""The nouns of mass deletion: acts that count together, and what one actor did of them. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.tenant.directory import Deletion

UNKNOWN_ACTOR, SEVERAL_ACTORS = "unknown", "several"


@dataclass(frozen=True, slots=True)
class ActClass:
    """Acts that count together: of one intent, and as ordinary as each other."""

    kind: str
    """The kind of the findings about it."""
    objects: Mapping[str, tuple[str, str]]
    """The kinds of objects or acts, each with its name for one and for several of them."""
    deed: str
    """What was done, after the names of what it was done to."""
    scales: bool = False
    """Whether more of it is ordinary in a larger tenant."""
    max_count: int | None = None
    """How many are ordinary in any tenant; None: as many as the setting says."""
    is_deletion: bool = True
    """Whether something may have to be restored."""


DIRECTORY_OBJECTS = ActClass(
    "mass-deletion",
    {
        "user": ("user", "users"),
        "group": ("group", "groups"),
        "device": ("device", "devices"),
        "contact": ("contact", "contacts"),
    },
    " were deleted",
    scales=True,
)
APPS = ActClass(
    "mass-deletion-of-apps",
    {
        "application": ("app registration", "app registrations"),
        "service-principal": ("enterprise app", "enterprise apps"),
    },
    " were deleted",
)
POLICIES = ActClass(
    "mass-deletion-of-policies",
    {"policy": ("Conditional Access policy", "Conditional Access policies")},
    " were deleted",
    max_count=2,
)
LOCKOUTS = ActClass(
    "mass-lockout",
    {
        "disabled": ("account was disabled", "accounts were disabled"),
        "reset": ("password was reset", "passwords were reset"),
        "method": ("sign-in method was removed", "sign-in methods were removed"),
    },
    "",
    scales=True,
    is_deletion=False,
)
ACT_CLASSES = (DIRECTORY_OBJECTS, APPS, POLICIES, LOCKOUTS)
# What Entra keeps for 30 days, in places that this guard does not read.
UNREAD_BIN_KINDS = frozenset({*APPS.objects, *POLICIES.objects})


def find_act_class(kind: str) -> ActClass:
    """The class a kind of object or act belongs to."""
    return next(one for one in ACT_CLASSES if kind in one.objects)


def format_act_counts(acts: Iterable[Deletion]) -> str:
    """How many of each kind: "12 users, 1 group"."""
    counts = Counter(one.kind for one in acts)
    names = {kind: words for group in ACT_CLASSES for kind, words in group.objects.items()}
    return ", ".join(
        f"{counts[kind]:,} {words[counts[kind] != 1]}"
        for kind, words in names.items()
        if counts[kind]
    )


@dataclass(frozen=True, slots=True)
class DeletionBurst:
    """More was done within the window than the limit: by one actor, or by several together."""

    actor_id: str
    deletions: tuple[Deletion, ...]
    """Those since the last pause of a whole window, one for each object, oldest first."""
    limit: int
    act_class: ActClass = DIRECTORY_OBJECTS
    reported_count: int = 0
    """How many there were when it was last told: it is told again at twice as many."""
    is_attributed: bool = True
    """False: it is known from the recycle bin alone."""
    is_transient: bool = False
    """Whether the audit log may be readable again in a moment."""
    is_partial: bool = False
    """Whether the audit log was not read to its end: there may have been more."""
    user_count: int | None = None
    """How many users there were; None: not known."""
    restorable_ids: frozenset[str] = frozenset()
    """The objects in the recycle bin."""
    restored_ids: frozenset[str] = frozenset()
    """The objects that are there again."""
    name_taken_ids: frozenset[str] = frozenset()
    """The objects whose name another one has by now."""
    unverified_ids: frozenset[str] = frozenset()
    """The objects of which none of this is known."""

    @property
    def purged_deletions(self) -> tuple[Deletion, ...]:
        """The users and groups that somebody deleted for good."""
        return tuple(
            one for one in self.deletions if one.permanent and one.kind in ("user", "group")
        )

    @property
    def lost_users(self) -> tuple[Deletion, ...]:
        """The users who are neither in the recycle bin nor there again, as far as was looked."""
        known = self.restorable_ids | self.restored_ids | self.unverified_ids
        return tuple(one for one in self.deletions if one.kind == "user" and one.id not in known)
