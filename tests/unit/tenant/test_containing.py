"""What of an account counts before it is contained."""

from core.tenant.containing import AccountDetail, TargetAccount


def test_an_account_sends_by_each_of_its_addresses_once_in_any_case() -> None:
    account = TargetAccount(
        "a1", upn="Ann@Contoso.com", mail="ann@contoso.com", aliases=("sales@contoso.com", "")
    )
    assert account.sender_addresses == ("Ann@Contoso.com", "sales@contoso.com")
    assert TargetAccount("a1").sender_addresses == ()


def test_a_letter_that_looks_alike_in_capitals_makes_another_address() -> None:
    account = TargetAccount("a1", upn="adm\u0131n@contoso.com", mail="admin@contoso.com")
    assert len(account.sender_addresses) == 2


def test_a_further_property_is_found_by_its_name_and_empty_where_there_is_none() -> None:
    detail = AccountDetail("d1", "a sign-in", values=(("app", "Outlook"), ("risk", "none")))
    assert detail.get_value("risk") == "none"
    assert detail.get_value("other") == ""
