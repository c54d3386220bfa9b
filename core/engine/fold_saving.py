"""Saves open cases that were folded into one: each step is one transaction.

A run that dies between two steps leaves cases that are folded and others that are not yet; one that
dies in a step leaves both as they were.
"""

from collections.abc import Mapping, MutableMapping
from datetime import datetime
from itertools import islice

from core.engine.open_folds import fold_open_cases, list_stale_folds
from core.model.cases import Case
from core.model.findings import Finding
from core.ports import Claim

MAX_STEPS = 60
"""So many one run takes; the next one goes on."""


async def save_open_folds(
    claim: Claim,
    cases: MutableMapping[str, Case],
    findings: Mapping[str, Finding],
    recalled: set[str],
    now: datetime,
) -> None:
    """Fold what is too much of one object; `cases` has the result.

    `findings` are those of this scan, `recalled` the keys of cases without a row of their own.
    """
    for fold in list(list_stale_folds(cases, recalled, now)):
        await claim.save(fold)
        cases[fold.key] = fold
    for step in islice(list(fold_open_cases(cases, findings, recalled, now)), MAX_STEPS):
        await claim.save(step.case, forget=step.members)
        for case in step.members:
            del cases[case.key]
        cases[step.case.key] = step.case
