"""Until when an answer to a search is waited for."""

import pytest

from core.model.audit_queries import AuditSearch, SearchState
from core.tenant.audit_queries import AuditQuestion
from tests.support.fakes.clock import START


@pytest.mark.parametrize("state", SearchState)
def test_a_search_is_open_until_its_answer_its_failure_or_its_time(state: SearchState) -> None:
    search = AuditSearch("k", "toy", AuditQuestion(START, START), START, state=state)
    assert search.is_open is (state in {SearchState.ASKING, SearchState.RUNNING})
