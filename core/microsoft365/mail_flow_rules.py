"""The properties of mail-flow rules: which are conditions, which are actions, which are neither.

The names are those of New-TransportRule (MicrosoftDocs/office-docs-powershell, 2026-08) and of what
Get-TransportRule prints besides (a public survey of 365 cmdlets in a production tenant, 2026-08).
The classes in the printed list of actions are those of Exchange's library of rules.
"""

from enum import StrEnum


def split_names(text: str) -> frozenset[str]:
    """Names that are written one after another."""
    return frozenset(text.split())


CONDITIONS = split_names(
    """
    ADComparisonAttribute ADComparisonOperator AnyOfCcHeader AnyOfCcHeaderMemberOf
    AnyOfRecipientAddressContainsWords AnyOfRecipientAddressMatchesPatterns AnyOfToCcHeader
    AnyOfToCcHeaderMemberOf AnyOfToHeader AnyOfToHeaderMemberOf AttachmentContainsWords
    AttachmentExtensionMatchesWords AttachmentHasExecutableContent AttachmentIsPasswordProtected
    AttachmentIsUnsupported AttachmentMatchesPatterns AttachmentNameMatchesPatterns
    AttachmentProcessingLimitExceeded AttachmentPropertyContainsWords AttachmentSizeOver
    BetweenMemberOf1 BetweenMemberOf2 ContentCharacterSetContainsWords From
    FromAddressContainsWords FromAddressMatchesPatterns FromMemberOf FromScope HasClassification
    HasNoClassification HasSenderOverride HeaderContainsMessageHeader HeaderContainsWords
    HeaderMatchesMessageHeader HeaderMatchesPatterns ManagerAddresses ManagerForEvaluatedUser
    MessageContainsAllDataClassifications MessageContainsDataClassifications MessageSizeOver
    MessageTypeMatches RecipientADAttributeContainsWords RecipientADAttributeMatchesPatterns
    RecipientAddressContainsWords RecipientAddressMatchesPatterns RecipientDomainIs
    RecipientInSenderList SCLOver SenderADAttributeContainsWords SenderADAttributeMatchesPatterns
    SenderDomainIs SenderInRecipientList SenderIpRanges SenderManagementRelationship SentTo
    SentToMemberOf SentToScope SubjectContainsWords SubjectMatchesPatterns
    SubjectOrBodyContainsWords SubjectOrBodyMatchesPatterns WithImportance
    """
)
EXCEPTION_PREFIX = "ExceptIf"
TECHNICAL_CONDITION_PREFIXES = ("Attachment", "Header", "MessageContains")
TECHNICAL_CONDITIONS = split_names(
    "SCLOver SenderIpRanges MessageSizeOver MessageTypeMatches ContentCharacterSetContainsWords"
)
"""Conditions on the form of a message, by which filters of malware and spam are built."""
TEXT_CONDITIONS = split_names(
    """
    SubjectContainsWords SubjectMatchesPatterns SubjectOrBodyContainsWords
    SubjectOrBodyMatchesPatterns FromAddressContainsWords FromAddressMatchesPatterns
    """
)
"""Conditions whose values are words that the message is searched for."""

HARMLESS_ACTIONS = split_names(
    """
    ApplyClassification ApplyHtmlDisclaimerFallbackAction ApplyHtmlDisclaimerLocation
    ApplyHtmlDisclaimerText ApplyOME ApplyRightsProtectionCustomizationTemplate
    ApplyRightsProtectionTemplate GenerateNotification IncidentReportContent
    IncidentReportOriginalMail LogEventText NotifySender PrependSubject RemoveHeader RemoveOME
    RemoveOMEv2 RemoveRMSAttachmentEncryption RouteMessageOutboundRequireTls SetAuditSeverity
    SetHeaderName SetHeaderValue SetSCL StopRuleProcessing
    """
)
"""Actions that change how mail looks or is counted, and not who gets it.

SetSCL and SetHeaderName may take mail past the filter: their values are judged.
"""
REJECT_PREFIXES = ("RejectMessage", "SmtpRejectMessage")
JUDGED_ACTIONS = split_names(
    """
    AddManagerAsRecipientType AddToRecipients BlindCopyTo CopyTo DeleteMessage Disconnect
    GenerateIncidentReport ModerateMessageByManager ModerateMessageByUser Quarantine
    RedirectMessageTo RouteMessageOutboundConnector
    """
)
"""Actions that send mail to others, keep it from its reader or lead it elsewhere."""

OTHER_PROPERTIES = split_names(
    """
    ActivationDate Actions AdminDisplayName Comments Conditions CreatedBy Description
    DistinguishedName DlpPolicy DlpPolicyId Enabled Exceptions ExchangeObjectId ExchangeVersion
    ExpiryDate Guid Id Identity ImmutableId IsRuleConfigurationSupported IsValid LastModifiedBy
    ManuallyModified Mode Name ObjectCategory ObjectClass ObjectState OrganizationId
    OrganizationalUnitRoot OriginatingServer PSComputerName PSShowComputerName Priority
    RecipientAddressType RegexSize RuleConfigurationUnsupportedReason RuleErrorAction RuleSubType
    RuleVersion RunspaceId SenderAddressLocation Size State UseLegacyRegex WhenChanged
    WhenChangedUTC WhenCreated WhenCreatedUTC Xml
    """
)
"""What describes the rule itself."""

ACTION_CLASSES = split_names(
    """
    AddManagerAsRecipientTypeAction AddToRecipientAction ApplyClassificationAction
    ApplyHtmlDisclaimerAction ApplyOMEAction BlindCopyToAction CopyToAction DeleteMessageAction
    DisconnectAction GenerateIncidentReportAction GenerateNotificationAction LogEventAction
    ModerateMessageByManagerAction ModerateMessageByUserAction NotifySenderAction
    PrependSubjectAction QuarantineAction RedirectMessageAction RejectMessageAction
    RemoveHeaderAction RemoveOMEAction RemoveOMEv2Action RemoveRMSAttachmentEncryptionAction
    RightsProtectMessageAction RouteMessageOutboundConnectorAction
    RouteMessageOutboundRequireTlsAction SetAuditSeverityAction SetHeaderAction SetSclAction
    SmtpRejectMessageAction StopRuleProcessingAction
    """
)
"""The printed names of the classes of all these actions."""

FILTER_BYPASS_HEADERS = frozenset(
    {
        "x-ms-exchange-organization-skipsafeattachmentprocessing",
        "x-ms-exchange-organization-skipsafelinksprocessing",
    }
)
"""Headers by which mail is not looked into (Microsoft Learn, Safe Links and Safe Attachments)."""

REPLY_HEADERS = split_names(
    "reply-to mail-reply-to from sender return-path errors-to disposition-notification-to"
)
"""Headers by which answers find their way (RFC 5322, RFC 8098)."""

INTERNAL_HEADER_PREFIXES = (
    "arc-",
    "authentication-results",
    "x-forefront-antispam-",
    "x-microsoft-antispam",
    "x-ms-exchange-crosstenant-",
    "x-ms-exchange-organization-",
)
"""Headers by which Exchange itself decides; what it says there it takes from nobody outside."""
HARMLESS_INTERNAL_HEADERS = frozenset(
    {
        "x-ms-exchange-organization-bypassclutter",
        "x-ms-exchange-organization-bypassfocusedinbox",
    }
)
"""Those that only sort mail within the inbox (Microsoft Learn: Focused Inbox, Clutter)."""


class PropertyRole(StrEnum):
    """What a property of a mail-flow rule says."""

    CONDITION = "condition"
    EXCEPTION = "exception"
    ACTION = "action"
    OTHER = "other"
    UNKNOWN = "unknown"


def classify_property(name: str) -> PropertyRole:
    """What a property of a rule says; UNKNOWN for a name that nobody documents."""
    if name.startswith(EXCEPTION_PREFIX):
        return PropertyRole.EXCEPTION
    if name in CONDITIONS:
        return PropertyRole.CONDITION
    if name in HARMLESS_ACTIONS or name in JUDGED_ACTIONS or name.startswith(REJECT_PREFIXES):
        return PropertyRole.ACTION
    return PropertyRole.OTHER if name in OTHER_PROPERTIES else PropertyRole.UNKNOWN


def is_technical_condition(name: str) -> bool:
    """True for a condition on the form of a message, as filters have."""
    return name in TECHNICAL_CONDITIONS or name.startswith(TECHNICAL_CONDITION_PREFIXES)


def is_internal_header(name: str) -> bool:
    """True for a header, in lower case, by which Exchange itself decides what becomes of mail."""
    return name.startswith(INTERNAL_HEADER_PREFIXES) and name not in HARMLESS_INTERNAL_HEADERS
