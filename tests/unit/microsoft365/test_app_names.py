"""Names that claim to be somebody else's, and honest ones that only look so."""

import pytest

from core.microsoft365.app_names import NameClaim, find_name_claim


@pytest.mark.parametrize(
    "name",
    [
        "Micr\u043es\u043eft Outlook",
        "Zoom for Micros\u03bfft 365",
        "0utlook Sync",
        "0ut1ook",
        "Mic\u200brosoft",
        "rnicrosoft login",
        "rnicrosoft_office",
        "\uff2dicrosoft",
        "M\u0131crosoft",
        "T\u0435ams",
        "0neDrive",
        "Micr\u043e-soft",
        "VVindows helper",
        "Sharep0int files",
        "DocuS\u0456gn",
        "Ad0be",
        "GoogIe",
        "Contoso \U0001d40e\U0001d42e\U0001d42d\U0001d425\U0001d428\U0001d428\U0001d424",
    ],
)
def test_letters_that_only_look_alike_are_seen_through(name: str) -> None:
    assert find_name_claim(name) is NameClaim.LOOK_ALIKE


@pytest.mark.parametrize(
    "name",
    ["Mircosoft Support", "Microsofft 365", "Micosoft", "Outlok backup", "OneDirve", "My DocuSing"],
)
def test_a_slip_in_a_name_that_no_other_word_is_like_is_made_on_purpose(name: str) -> None:
    assert find_name_claim(name) is NameClaim.MISSPELT


@pytest.mark.parametrize(
    "name",
    [
        "Microsoft Teams",
        "MicrosoftTeams",
        "Teams",
        "Office 365 Security",
        "Oﬀice 365",
        "M365 Security Update",
        "O365 Access",
        "O-365 login",
        "Copilot Assistant",
        "MSFT Mail",
        "Authenticator",
        "Defender for Mail",
        "Outlook Backup",
        "One Drive",
        "Power BI export",
        "Intune helper",
        "MS-Teams bot",
        "Share Point",
        "Secure Microsoft Login",
        "My Outlook Web App",
        "Shared SharePoint Document",
        "LoginMicrosoft",
        "securesharepointfiles",
        "MyOutlookBackup",
        "MyOutlookForMicrosoft",
        "M i c r o s o f t Support",
        "Outlooks",
    ],
)
def test_a_name_that_begins_as_microsofts_claims_to_be_one(name: str) -> None:
    assert find_name_claim(name) is NameClaim.MICROSOFT


@pytest.mark.parametrize(
    "name",
    ["Adobe Drive X", "DocuSign", "Docu-Sign", "Zoom", "google-sync", "Drop Box 2", "-Drop Box"],
)
def test_a_name_that_begins_as_a_known_product_claims_to_be_one(name: str) -> None:
    assert find_name_claim(name) is NameClaim.BRAND


@pytest.mark.parametrize(
    "name", ["...", "-", "\u200b", "\u2800", "\u3164\u3164", "  ", "\u202e*", "\ufe0f"]
)
def test_a_name_without_a_letter_or_digit_cannot_be_read(name: str) -> None:
    assert find_name_claim(name) is NameClaim.UNREADABLE


@pytest.mark.parametrize(
    "name",
    [
        "Officevibe",
        "Contoso for Microsoft Teams",
        "Modern Mail",
        "",
        "1",
        "Layout-look-up",
        "Windowsill planner",
        "Mystery 365",
        "Payroll",
        "T-Mobile",
        "HR-Portal 4",
        "Exoguard",
        "日本語アプリ",
        "Бухгалт",
        "Müller Rechnungen",
        "Contoso Notes",
        "Backup job",
        "Steams",
        "Ki0sk",
        "Veeam Backup for Microsoft 365",
        "Signatures for Outlook and Microsoft 365",
        "Termine f\u00fcr Outlook",
        "AcmeForOutlook",
        "acmeforoutlook",
        "SyncViaOutlook",
        "B00kTable",
        "BackupForMicrosoft365",
        "Overlook",
        "Inlook",
    ],
)
def test_a_name_that_says_what_an_app_is_for_is_honest(name: str) -> None:
    assert find_name_claim(name) is None
