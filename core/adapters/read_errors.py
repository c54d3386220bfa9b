"""Failures into `Unread`: what a reading has to say about what it could not read. Pure."""

from collections.abc import Iterable, Mapping

from core.adapters.m365.parsing import text
from core.errors import Forbidden, TenantError
from core.tenant.readings import UNIDENTIFIED, Reading, Unread

REASON = 300
SUBJECT = 200


def unread(
    surface: str,
    error: TenantError | str,
    object_id: str = "",
    subject: str = "",
    *,
    optional: bool = False,
) -> Unread:
    """Why a surface, or one object of it, was not read.

    The permission is named for a whole surface only: where other objects could be read, nothing is
    missing that somebody could grant.
    """
    permission = error.permission if isinstance(error, Forbidden) and not object_id else ""
    return Unread(
        surface=surface,
        reason=str(error)[:REASON],
        object_id=object_id,
        subject=subject,
        permission=permission,
        optional=optional,
    )


def blind[T](surface: str, error: TenantError, *, optional: bool = False) -> Reading[T]:
    """The reading of a surface of which nothing could be read."""
    return Reading(
        unread=(unread(surface, error, optional=optional),),
        surfaces=frozenset({surface}),
    )


def by_object(
    surface: str,
    failures: Mapping[str, TenantError | str],
    asked: int,
    subjects: Mapping[str, str],
    *,
    optional: bool = False,
) -> tuple[Unread, ...]:
    """What was not read of a surface that is asked object by object.

    Refused for every object there is, the surface as a whole counts as refused: what is missing is
    the permission, not the objects.
    """
    forbidden = [error for error in failures.values() if isinstance(error, Forbidden)]
    if asked and len(forbidden) == asked:
        return (unread(surface, forbidden[0], optional=optional),)
    return tuple(
        unread(surface, error, object_id, subjects.get(object_id, ""), optional=optional)
        for object_id, error in failures.items()
    )


def name_of(row: Mapping[str, object]) -> str:
    """What people may know a row by that could not be understood; "" for nothing."""
    names = (text(row.get(key), SUBJECT) for key in ("PrimarySmtpAddress", "DisplayName", "Name"))
    return next((name for name in names if name.strip()), "")


def broken_rows(
    surface: str,
    rows: Iterable[tuple[Mapping[str, object], str]],
    ids: Iterable[str],
    before: int = 0,
) -> tuple[Unread, ...]:
    """Rows that could not be understood: by their id, or by their place where they have none.

    People know them by name all the same, where the row tells one. `before` is how many such rows
    earlier pages had.
    """
    return tuple(
        unread(surface, reason, object_id or f"{UNIDENTIFIED}{number}", name_of(row))
        for number, ((row, reason), object_id) in enumerate(zip(rows, ids, strict=True), before + 1)
    )
