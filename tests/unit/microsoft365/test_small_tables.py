"""What roles, rights, properties, devices and operations are, by the tables of what is known."""

import pytest

from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.containment_permissions import (
    CONTAINMENT_PERMISSIONS,
    list_containment_permissions,
)
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR, weigh_directory_role
from core.microsoft365.exchange_roles import is_whole_scope, weigh_exchange_role
from core.microsoft365.folder_rights import (
    CHANGES,
    DELETES,
    NOTHING,
    OWNS,
    READS,
    FolderAct,
    list_folder_acts,
    select_known_rights,
)
from core.microsoft365.kit_devices import find_kit
from core.microsoft365.mail_flow_rules import (
    PropertyRole,
    classify_property,
    is_internal_header,
    is_technical_condition,
)
from core.microsoft365.permission_rules import PermissionKind, PermissionRisk, define_rule
from core.microsoft365.recipient_kinds import normalize_recipient_kind
from core.model.guards import Mode


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Consent to application.", "consent to application"),
        (
            "Update application \u2013 Certificates  and secrets management ",
            "update application - certificates and secrets management",
        ),
        ("Set\u2212Mailbox", "set-mailbox"),
        ("Add\u00a0member . ", "add member"),
        ("v2.0 policy", "v2.0 policy"),
        ("Set Policy X.", "set policy x"),
    ],
)
def test_an_operation_is_the_same_however_a_log_spells_it(name: str, normal: str) -> None:
    assert normalize_operation(name) == normal


def test_containment_needs_nothing_while_it_is_off_and_writes_only_where_it_enforces() -> None:
    assert list(list_containment_permissions(Mode.OFF)) == []
    reads = list(list_containment_permissions(Mode.ALERT))
    assert reads
    assert not any(one.writes for one in reads)
    every = list(list_containment_permissions(Mode.ENFORCE))
    assert every == list(CONTAINMENT_PERMISSIONS)
    assert [one for one in every if not one.writes] == reads


@pytest.mark.parametrize(
    ("role", "risk"),
    [
        (GLOBAL_ADMINISTRATOR, PermissionRisk.TENANT_WIDE),
        ("88d8e3e3-8f55-4a1e-953a-9b9898b8876b", PermissionRisk.ORDINARY),
        ("f2ef992c-3afb-46b9-b7cf-a126ee74c451", PermissionRisk.BROAD),
        ("29232cdf-9323-42fd-ade2-1d097af3e4de", PermissionRisk.SENSITIVE),
        ("a role of tomorrow", PermissionRisk.SENSITIVE),
    ],
)
def test_a_role_of_the_directory_that_nobody_knows_may_change_much(
    role: str, risk: PermissionRisk
) -> None:
    assert weigh_directory_role(role) is risk


@pytest.mark.parametrize(
    ("role", "risk"),
    [
        (" View-Only Recipients ", PermissionRisk.BROAD),
        ("ROLE MANAGEMENT", PermissionRisk.TENANT_WIDE),
        ("Security Reader", PermissionRisk.BROAD),
        ("Distribution Groups", PermissionRisk.SENSITIVE),
        # What is called like one that views is whatever somebody made it from.
        ("View-Only Reports", PermissionRisk.SENSITIVE),
        ("Mail Reader", PermissionRisk.SENSITIVE),
        ("a role of tomorrow", PermissionRisk.SENSITIVE),
    ],
)
def test_a_role_of_exchange_that_nobody_knows_may_change_much(
    role: str, risk: PermissionRisk
) -> None:
    assert weigh_exchange_role(role) is risk


def test_a_scope_that_leaves_nobody_out_is_known_however_it_is_printed() -> None:
    assert is_whole_scope(" ORGANIZATION ")
    assert not is_whole_scope("CustomRecipientScope")


@pytest.mark.parametrize(
    ("rights", "acts"),
    [
        ([], NOTHING),
        (["None", "AvailabilityOnly"], NOTHING),
        (["Reviewer"], {READS}),
        (["ReadItems", "DELETEALLITEMS"], {READS, DELETES}),
        (["Editor"], {READS, CHANGES, DELETES}),
        (["FolderVisible", "owner"], {READS, CHANGES, DELETES, OWNS}),
    ],
)
def test_rights_over_a_folder_allow_what_each_of_them_does(
    rights: list[str], acts: frozenset[FolderAct]
) -> None:
    assert list_folder_acts(rights) == acts


def test_a_right_that_nobody_knows_is_named_and_hides_none_that_are_known() -> None:
    rights = ["Reviewer", "Zebra" * 40, "Apex"]
    assert select_known_rights(rights) == ("Reviewer",)
    with pytest.raises(ValueError, match=r"^a right over a folder that nobody knows: apex$"):
        list_folder_acts(rights)
    with pytest.raises(ValueError, match=rf": {('zebra' * 40)[:60]}$"):
        list_folder_acts(rights[:2])


@pytest.mark.parametrize(
    ("name", "build", "tool"),
    [
        (" DESKTOP-1A2B3C4D ", " 10.0.19041.928 ", "ROADtools"),
        ("desktop-1a2b3c4d", "10.0.19045.2006", "ROADtools"),
        ("desktop-1a2b3c", "10.0.19045.2006", "Tycoon2FA"),
        # Windows itself makes up seven characters.
        ("desktop-1a2b3c4", "10.0.19041.928", ""),
        ("my-desktop-1a2b3c4d", "10.0.19041.928", ""),
        ("desktop-1a2b3c4d", "10.0.22631.4", ""),
        ("desktop-1a2b3c4d", "", ""),
    ],
)
def test_a_made_up_device_is_known_by_its_name_and_its_build(
    name: str, build: str, tool: str
) -> None:
    kit = find_kit(name, build)
    assert tool in (kit.tool if kit else "")
    assert bool(kit) is bool(tool)


def test_a_kind_of_recipient_is_spelled_as_exchange_does_or_stays_as_it_is() -> None:
    assert normalize_recipient_kind(" sharedMAILBOX ") == "SharedMailbox"
    assert normalize_recipient_kind(" HoverMailbox ") == "HoverMailbox"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("SubjectContainsWords", PropertyRole.CONDITION),
        ("ExceptIfSubjectContainsWords", PropertyRole.EXCEPTION),
        ("ExceptIfOfTomorrow", PropertyRole.EXCEPTION),
        ("PrependSubject", PropertyRole.ACTION),
        ("BlindCopyTo", PropertyRole.ACTION),
        ("RejectMessageReasonText", PropertyRole.ACTION),
        ("SmtpRejectMessageRejectText", PropertyRole.ACTION),
        ("Comments", PropertyRole.OTHER),
        ("SendToTheMoon", PropertyRole.UNKNOWN),
    ],
)
def test_a_property_of_a_rule_that_nobody_documents_is_unknown(
    name: str, role: PropertyRole
) -> None:
    assert classify_property(name) is role


def test_conditions_on_the_form_of_a_message_are_those_of_filters() -> None:
    for name in ("SCLOver", "AttachmentSizeOver", "HeaderContainsWords", "MessageContainsX"):
        assert is_technical_condition(name)
    for name in ("SubjectContainsWords", "From", "SentTo"):
        assert not is_technical_condition(name)


def test_headers_by_which_exchange_decides_are_not_those_that_sort_the_inbox() -> None:
    for name in ("arc-seal", "authentication-results", "x-ms-exchange-organization-scl"):
        assert is_internal_header(name)
    for name in ("x-own", "x-ms-exchange-organization-bypassclutter", "subject-arc-"):
        assert not is_internal_header(name)


def test_a_rule_is_of_any_of_its_patterns_as_a_whole_and_of_one_kind_if_it_says_so() -> None:
    rule = define_rule(PermissionRisk.BROAD, "mail", r"mail\.\w+", "post", kind=PermissionKind.ROLE)
    assert [bool(rule.pattern.fullmatch(name)) for name in ("mail.read", "post", "posts")] == [
        True,
        True,
        False,
    ]
    assert (rule.risk, rule.concerns, rule.kind) == (
        PermissionRisk.BROAD,
        "mail",
        PermissionKind.ROLE,
    )
