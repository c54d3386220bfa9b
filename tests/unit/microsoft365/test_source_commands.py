"""The command and the path by which an operator looks at one object of a source."""

from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.source_commands import build_read_command, format_value, split_read_path
from core.microsoft365.source_shapes import ConfigurationSource, NameList
from core.model.guards import Service

GROUP = ConfigurationSource(
    Service.EXCHANGE,
    "Get-RoleGroup",
    "Get-RoleGroup",
    "Guid",
    read_parameters={"ShowPartnerLinked": True, "Kind": "it's", "ResultSize": "Unlimited"},
)
USERS = ConfigurationSource(Service.GRAPH, "/users/all?$top=9", "User.Read.All", "id")


def test_an_object_of_exchange_is_shown_by_its_id_and_a_lone_one_without() -> None:
    fixed = "Get-RoleGroup -ShowPartnerLinked $true -Kind 'it''s'"
    assert build_read_command(GROUP, "g1") == f"{fixed} -Identity 'g1'"
    assert build_read_command(GROUP, "") == fixed
    assert build_read_command(GROUP, "a\nb") == ""
    lone = ConfigurationSource(Service.EXCHANGE, "Get-OrganizationConfig", "Get-OrganizationConfig")
    assert build_read_command(lone, "g1") == "Get-OrganizationConfig"
    assert build_read_command(USERS, "u1") == ""


def test_what_only_lists_is_shown_whole_and_filters_of_the_app_are_left_out() -> None:
    assert build_read_command(CONFIGURATION_SOURCES["blocked-sender"], "x@contoso.com") == (
        "Get-BlockedSenderAddress"
    )
    assert build_read_command(CONFIGURATION_SOURCES["held-mailbox"], "m1") == (
        "Get-Mailbox -Identity 'm1'"
    )


def test_a_value_is_written_as_powershell_reads_it() -> None:
    assert (format_value(True), format_value(False)) == ("$true", "$false")
    assert (format_value(5), format_value("a'b")) == ("'5'", "'a''b'")


def test_a_path_leads_to_an_object_where_it_has_one_of_its_own() -> None:
    assert split_read_path(USERS, "u1") == ("users", "all", "u1")
    assert split_read_path(USERS, "") == ("users", "all")
    alone = ConfigurationSource(Service.GRAPH, "/policies/authorizationPolicy", "Policy.Read.All")
    assert split_read_path(alone, "p1") == ("policies", "authorizationPolicy")
    names = ConfigurationSource(
        Service.GRAPH, "/x", "X.Read.All", "id", name_list=NameList("names", "isMarked")
    )
    assert split_read_path(names, "n1") == ("x",)
