"""The kinds of recipients (RecipientTypeDetails) in the spelling of Exchange.

The names are those of Microsoft's reference of Get-Recipient and of the filterable property
RecipientTypeDetails. Exchange compares them without regard to case.
"""

RECIPIENT_KINDS = frozenset(
    (
        *("ArbitrationMailbox", "AuditLogMailbox", "AuxAuditLogMailbox"),
        *("Computer", "Contact", "DisabledUser"),
        *("DiscoveryMailbox", "DynamicDistributionGroup", "EquipmentMailbox"),
        *("ExchangeSecurityGroup", "GroupMailbox", "GuestMailUser"),
        *("LegacyMailbox", "LinkedMailbox", "LinkedRoomMailbox"),
        *("LinkedUser", "MailContact", "MailForestContact"),
        *("MailNonUniversalGroup", "MailUniversalDistributionGroup", "MailUniversalSecurityGroup"),
        *("MailUser", "MailboxPlan", "MicrosoftExchange"),
        *("MonitoringMailbox", "NonUniversalGroup", "PublicFolder"),
        *("PublicFolderMailbox", "RemoteEquipmentMailbox", "RemoteGroupMailbox"),
        *("RemoteRoomMailbox", "RemoteSharedMailbox", "RemoteTeamMailbox"),
        *("RemoteUserMailbox", "RoleGroup", "RoomList"),
        *("RoomMailbox", "SchedulingMailbox", "SharedMailbox"),
        *("SharedWithMailUser", "SubstrateADGroup", "SubstrateGroup"),
        *("SupervisoryReviewPolicyMailbox", "SystemAttendantMailbox", "SystemMailbox"),
        *("TeamMailbox", "UniversalDistributionGroup", "UniversalSecurityGroup"),
        *("User", "UserMailbox", "WorkspaceMailbox"),
    )
)
SPELLING = {kind.casefold(): kind for kind in RECIPIENT_KINDS}


def normalize_recipient_kind(printed: str) -> str:
    """The kind in the spelling of Exchange; a kind that is not known stays as it was printed."""
    kind = printed.strip()
    return SPELLING.get(kind.casefold(), kind)
