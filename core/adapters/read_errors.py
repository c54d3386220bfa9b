"""Turns errors into the `ReadFailure`s of a reading. Pure."""

from collections.abc import Iterable, Mapping

from core.adapters.parsing import parse_text
from core.errors import Forbidden, TenantError
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading

REASON_LIMIT = 300
SUBJECT_LIMIT = 200


def build_read_failure(
    source: str,
    error: TenantError | str,
    object_id: str = "",
    subject: str = "",
    *,
    optional: bool = False,
) -> ReadFailure:
    """Build the failure of a source, or of one object of it.

    Only the failure of a whole source names a permission: if other objects could be read, no
    permission is missing.
    """
    permission = error.permission if isinstance(error, Forbidden) and not object_id else ""
    return ReadFailure(
        source=source,
        reason=str(error)[:REASON_LIMIT],
        object_id=object_id,
        subject=subject,
        permission=permission,
        optional=optional,
    )


def build_unavailable_reading[T](
    source: str, error: TenantError, *, optional: bool = False
) -> Reading[T]:
    """Build the reading of a source of which nothing could be read."""
    return Reading(
        failures=(build_read_failure(source, error, optional=optional),),
        sources=frozenset({source}),
    )


def build_object_failures(
    source: str,
    failures: Mapping[str, TenantError | str],
    requested_count: int,
    subjects: Mapping[str, str],
    *,
    optional: bool = False,
) -> tuple[ReadFailure, ...]:
    """Build the failures of a source that is read object by object.

    If access was denied for every object, the source as a whole failed: the permission is missing.
    """
    forbidden = [error for error in failures.values() if isinstance(error, Forbidden)]
    if requested_count and len(forbidden) == requested_count:
        return (build_read_failure(source, forbidden[0], optional=optional),)
    return tuple(
        build_read_failure(source, error, object_id, subjects.get(object_id, ""), optional=optional)
        for object_id, error in failures.items()
    )


def find_row_name(row: Mapping[str, object]) -> str:
    """Return a name of a row that could not be parsed, or an empty string."""
    names = (
        parse_text(row.get(key), SUBJECT_LIMIT)
        for key in ("PrimarySmtpAddress", "DisplayName", "Name")
    )
    return next((name for name in names if name.strip()), "")


def build_row_failures(
    source: str,
    rows: Iterable[tuple[Mapping[str, object], str]],
    ids: Iterable[str],
    previous_count: int = 0,
) -> tuple[ReadFailure, ...]:
    """Build the failures of rows that could not be parsed, by their id or else their position.

    `previous_count` is how many such rows earlier pages had.
    """
    return tuple(
        build_read_failure(
            source, reason, object_id or f"{UNIDENTIFIED_PREFIX}{number}", find_row_name(row)
        )
        for number, ((row, reason), object_id) in enumerate(
            zip(rows, ids, strict=True), previous_count + 1
        )
    )
