"""Names of domains: in which form they compare, and which remote domain fits one closest."""

import pytest

from core.tenant.domain_names import rank_domain_pattern, to_a_label


@pytest.mark.parametrize(
    ("domain", "label"),
    [
        (" Contoso.COM. ", "contoso.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example.", "xn--bcher-kva.example"),
        ("\uff43ontoso.com", "contoso.com"),
        ("", ""),
        # What the tables refuse equals itself, in any case, and nothing else.
        ("ß\u2f00.-", "ss\u4e00.-"),
        ("SS\u2f00.-", "ss\u4e00.-"),
    ],
)
def test_a_domain_compares_in_one_form(domain: str, label: str) -> None:
    assert to_a_label(domain) == label


@pytest.mark.parametrize(
    ("pattern", "domain", "rank"),
    [
        (" * ", "a.example", (0, 0)),
        ("*.a.example", "a.example", (1, 1)),
        ("*.A.example", "b.a.example", (1, 1)),
        ("*.b.a.example", "c.b.a.example", (1, 2)),
        ("*.a.example", "evila.example", None),
        ("a.example", "a.example", (2, 0)),
        ("A.example.", "a.example", (2, 0)),
        ("a.example", "b.a.example", None),
    ],
)
def test_a_remote_domain_fits_itself_and_with_a_star_what_is_below(
    pattern: str, domain: str, rank: tuple[int, int] | None
) -> None:
    assert rank_domain_pattern(pattern, domain) == rank
