"""What every decision of a run depends on, besides what the run has read. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.engine.open_folds import FoldedPlace
from core.engine.self_findings import UNAUTHORIZED_EXEMPTION, UNREADABLE
from core.keys import PREFIX_LENGTH, build_object_key, hash_parts
from core.model.cases import Exemption
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding
from core.model.guards import GuardConfig, Mode
from core.model.requests import RunOptions
from core.model.state import GuardSnapshot
from core.tenant.readers import GrantedPermissions

CONTEST_WINDOW = timedelta(days=7)
RELEASE_WINDOW = timedelta(hours=1)
IN_EFFECT_STATES = (ChangeState.APPLIED, ChangeState.INFERRED)


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What a run decides by. `snapshot` includes everything that the run has saved so far."""

    config: GuardConfig
    mode: Mode
    run: str
    snapshot: GuardSnapshot
    now: datetime
    grants: GrantedPermissions = field(default_factory=GrantedPermissions)
    run_options: RunOptions = field(default_factory=RunOptions)
    folded: Mapping[str, FoldedPlace] = field(default_factory=dict)
    """The cases without a row of their own, by key, as the run found them."""
    batch_read_at: datetime | None = None
    """By when the batch at hand had been read."""

    @property
    def read_at(self) -> datetime:
        """By when the batch at hand had been read, as far as that is known."""
        return self.batch_read_at or self.now

    @property
    def guard_changes(self) -> Iterator[ChangeRecord]:
        """The changes that guards planned, without those that undo them."""
        return (record for record in self.snapshot.changes if not record.undo_of)

    def get_applied_changes(self, case_key: str) -> list[ChangeRecord]:
        """The changes made for a case within the contest window, without those an operator
        undid.
        """
        return [
            record
            for record in self.guard_changes
            if record.case_key == case_key
            and record.state in IN_EFFECT_STATES
            and not record.undone_at
            and abs(self.now - record.at) < CONTEST_WINDOW
        ]

    def get_intended_changes(self, case_key: str) -> list[ChangeRecord]:
        """The changes intended for a case whose outcome was never recorded."""
        return [
            record
            for record in self.guard_changes
            if record.case_key == case_key and record.state is ChangeState.INTENDED
        ]

    def get_case_key(self, finding: Finding) -> str:
        """The key of a finding's case.

        If the row under that key cannot be decoded, it is left alone and the finding gets a second
        key: without a row it would be notified in every run, or never.
        """
        return self.replace_unreadable(finding.compute_key(self.config.guard.name))

    def get_unread_key(self, source: str, object_id: str) -> str:
        """The key of the case about an object that a source did not tell: see
        `core.engine.self_findings.build_object_finding`.
        """
        guard = self.config.guard.name
        return self.replace_unreadable(build_object_key(object_id, guard, UNREADABLE, source))

    def replace_unreadable(self, key: str) -> str:
        """A key, or the second one for a row that cannot be decoded."""
        if key not in self.snapshot.unreadable_keys:
            return key
        return key[:PREFIX_LENGTH] + hash_parts("beside", key)[PREFIX_LENGTH:]

    def has_elapsed(self, since: datetime, span: timedelta) -> bool:
        """Whether so much time has passed, in either direction.

        A time that lies as far in the future came from a wrong clock; waiting for it would stop the
        guard.
        """
        return abs(self.now - since) >= span

    @property
    def scan_started_at(self) -> datetime:
        """When the scan began that this run is part of."""
        scan_pass = self.snapshot.state.scan_pass
        return scan_pass.started_at if scan_pass else self.now

    @property
    def is_mode_lowered(self) -> bool:
        """Whether an operator restricted an enforcing guard to reporting for this run."""
        return self.mode is not Mode.ENFORCE and self.config.mode is Mode.ENFORCE

    def get_exempt_until(self, key: str, finding: Finding, is_self_check: bool) -> datetime | None:
        """The end of the exemption that covers a finding; None without one.

        Self-check findings are about no object, so only their case can be exempt; so it is with
        what its guard says no exemption of an object covers. An unauthorized exemption cannot be
        silenced by another exemption.
        """
        found = self.find_exemption(key, finding, is_self_check)
        return found.until if found and found.until > self.now else None

    def find_exemption(self, key: str, finding: Finding, is_self_check: bool) -> Exemption | None:
        """The exemption that covers a finding, or did until it ended; one in force comes first."""
        if finding.kind == UNAUTHORIZED_EXEMPTION:
            return None
        is_about_case = is_self_check or finding.needs_own_exemption
        subjects = [key] if is_about_case else [key, finding.object_id]
        if place := self.folded.get(key):
            subjects.append(place.fold_key)
        found = filter(None, map(self.snapshot.exemptions.get, subjects))
        return max(found, key=lambda one: one.until, default=None)

    def is_initial_reading(self, sources: Collection[str]) -> bool:
        """Whether one of the sources is read for the first time."""
        return not self.snapshot.state.baselined_sources.issuperset(sources)
