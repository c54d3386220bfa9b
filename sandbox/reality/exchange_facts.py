"""The contested facts of Exchange Online. The first side is what was measured in live tenants."""

from sandbox.reality.fact import ContestedFact

EXCHANGE_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="exchange-wire-forms",
        about="the JSON types and the casing of the values in the rows of a cmdlet",
        sides={
            "typed": "Booleans, numbers and lists are such, and names are in their usual case.",
            "text": 'Booleans and numbers are text: "True", "180".',
            "grouped": 'The same, and the digits of numbers are grouped: "12,345".',
            "bare": "A list of one value is that value, and an empty list is null.",
            "odd-case": "GUIDs and names of enumerations are upper case; so are the first letters "
            "of addresses, but for those by which an object is known.",
            "all": "Grouped, bare and odd case at once.",
            "small-names": "Names of properties begin with a small letter.",
        },
        worst="all",
    ),
    ContestedFact(
        id="exchange-anchor-form",
        about="which anchors bring a command to the server of its mailbox",
        sides={
            "each": "SMTP:address, UPN:principal name and MBX:guid@tenant do.",
            "principal-name": "Only UPN:principal name does.",
            "strict": "The same, and a command with another anchor of a mailbox is refused, a read "
            "too.",
        },
        worst="principal-name",
    ),
    ContestedFact(
        id="exchange-read-back",
        about="when a read of Exchange shows what a write changed",
        sides={
            "at-once": "The next read shows the new value.",
            "late": "The first `reads` (1) reads of the object still show the old value, or all "
            "reads for some `seconds`.",
        },
        worst="late",
        options={"reads": "how many reads show the old value", "seconds": "for how long"},
    ),
    ContestedFact(
        id="exchange-role-group",
        about="whether an Exchange role group without an Entra role is enough for an app",
        sides={
            "enough": "The app runs the cmdlets of its role groups.",
            "refused": "Every command is refused with `status` (403): the role assigned to the "
            "application isn't supported in this scenario.",
        },
        options={"status": "the status of the refusal"},
    ),
    ContestedFact(
        id="exchange-inbox-rule-role",
        about="whether an app may read the inbox rules of a mailbox through Exchange",
        sides={
            "any": "Get-InboxRule reads the rules of every mailbox.",
            "refused": "Get-InboxRule is refused for every mailbox.",
        },
    ),
    ContestedFact(
        id="exchange-synced-audit",
        about="whether audit settings of a synchronised mailbox can be written in the cloud",
        sides={
            "written": "Set-Mailbox writes them.",
            "refused": "Set-Mailbox refuses them: the object is mastered on premises.",
        },
    ),
    ContestedFact(
        id="exchange-transient-types",
        about="whether a command fails now and then with a type that passes",
        sides={
            "none": "No command fails in passing.",
            "passing": "Every tenth command (`every`) is refused with a 400 of a passing type.",
        },
        worst="passing",
        options={"every": "how many commands there are from one refusal to the next"},
    ),
    ContestedFact(
        id="exchange-errors-in-success",
        about="whether a 200 may carry errors",
        sides={
            "none": "A 200 is whole.",
            "some": "A 200 has half of the rows, and errors beside its warnings.",
        },
        options={"cmdlets": "the cmdlets whose answers have errors; all if left out"},
    ),
    ContestedFact(
        id="exchange-mislabelled-bodies",
        about="whether the headers of an error tell how its body is encoded",
        sides={
            "true": "The body is what its headers say.",
            "gzip": "The body of an error is labelled gzip and is plain JSON.",
        },
        worst="gzip",
    ),
    ContestedFact(
        id="exchange-permission-rights",
        about="how Get-MailboxPermission prints several rights",
        sides={
            "separate": "Each right is an element of AccessRights.",
            "joined": "All rights are one element, joined by commas.",
        },
        worst="joined",
    ),
    ContestedFact(
        id="exchange-folder-identity",
        about="what names a folder of a mailbox besides its path",
        sides={
            "by-id": "The folder's id behind the mailbox and a colon.",
            "by-path": "Nothing: an id is answered as a folder that does not exist.",
        },
        worst="by-path",
    ),
    ContestedFact(
        id="exchange-recipient-kinds",
        about="what an unknown RecipientTypeDetails in a filter brings",
        sides={
            "empty": "A 200 without rows.",
            "refused": "A 400: the value cannot be converted.",
        },
        worst="refused",
    ),
    ContestedFact(
        id="exchange-empty-403",
        about="how a cmdlet is refused that the app's roles lack",
        sides={
            "nul": "With a 403 of NUL bytes.",
            "message": "With a 400 that says that the term is not recognized.",
        },
    ),
    ContestedFact(
        id="exchange-batch-routing",
        about="whether a batch reaches mailboxes that its anchor does not name",
        sides={
            "reads": "Reads do, writes do not.",
            "refused": "Nothing does: each such command is refused as CmdletProxyNotAvailable.",
        },
        worst="refused",
    ),
    ContestedFact(
        id="exchange-write-anchor",
        about="whether a write to a mailbox runs on any server",
        sides={
            "required": "It is refused unless it is anchored to its mailbox.",
            "any": "It runs wherever it arrives.",
        },
    ),
    ContestedFact(
        id="exchange-audit-log-anchor",
        about="whether the unified log is switched on from any server",
        sides={
            "required": "Only from the server of the arbitration mailbox 8cc370d3.",
            "any": "From any server.",
        },
    ),
    ContestedFact(
        id="exchange-audit-log-lag",
        about="when the unified log reads True after it was switched on",
        sides={
            "at-once": "As soon as any other write shows.",
            "late": "The first `reads` (20) reads still show the old value, or all reads for some "
            "`seconds`.",
        },
        worst="late",
        options={"reads": "how many reads show the old value", "seconds": "for how long"},
    ),
    ContestedFact(
        id="exchange-empty-list",
        about="what an empty list does to a property of several values",
        sides={"kept": "Nothing: the old values stay.", "cleared": "It clears the property."},
    ),
    ContestedFact(
        id="exchange-add-present",
        about="what happens to an audited action that is added again",
        sides={
            "refused": "The command is refused: it is already being audited.",
            "harmless": "Nothing.",
        },
    ),
    ContestedFact(
        id="exchange-recipient-names",
        about="whether Get-Recipient prints LegacyExchangeDN",
        sides={
            "without-legacy-dn": "It does not, and finds recipients by it.",
            "with-legacy-dn": "It does, as far as the scene has it.",
        },
    ),
    ContestedFact(
        id="exchange-audit-enabled",
        about="whether AuditEnabled prints what a filter finds",
        sides={
            "printed": "It does.",
            "always-true": "It prints True for every mailbox; a filter finds those that are False.",
        },
    ),
    ContestedFact(
        id="exchange-statistics",
        about="what Get-MailboxStatistics answers for a mailbox that was never used",
        sides={
            "warning": "A warning and no row.",
            "refused": "That the object could not be found.",
            "zero": "A row without items, whose size is null.",
        },
    ),
    ContestedFact(
        id="exchange-match-subdomains",
        about="whether Get-AcceptedDomain prints MatchSubDomains",
        sides={"printed": "It does.", "unprinted": "It does not."},
    ),
    ContestedFact(
        id="exchange-powershell-filter",
        about="whether Get-User filters by RemotePowerShellEnabled",
        sides={
            "taken": "It does.",
            "refused": "It refuses such a filter.",
            "empty": "It takes it and finds nobody.",
        },
    ),
    ContestedFact(
        id="exchange-slice-filters",
        about="whether listings can be filtered by creation date and name",
        sides={"taken": "They can.", "refused": "Such a filter is refused."},
    ),
    ContestedFact(
        id="exchange-name-order",
        about="whether listings can be filtered by what comes after a name",
        sides={
            "compared": "They can.",
            "refused": "Such a filter is refused.",
            "ignored": "It is taken and meets everyone.",
        },
        worst="refused",
    ),
    ContestedFact(
        id="exchange-forward-filter",
        about="whether mailboxes can be filtered by their forwards",
        sides={"taken": "They can.", "refused": "Such a filter is refused."},
    ),
    ContestedFact(
        id="exchange-each-identity",
        about="whether send-as rights and the bypass list can be read for one object",
        sides={"own": "They can.", "ignored": "The identity is ignored: everybody's are listed."},
    ),
    ContestedFact(
        id="exchange-single-objects",
        about="by which ids a mailbox or a user is found",
        sides={
            "both": "By the object id of Entra and by the Guid.",
            "guid": "By the Guid alone: one that is asked for by its object id is not found.",
        },
    ),
    ContestedFact(
        id="exchange-single-settings",
        about="by what the objects of the organization, such as mail-flow rules, are found",
        sides={
            "any": "By their Guid, their Identity or their name.",
            "name": "By their name alone: one that is asked for by its Guid is not found.",
        },
    ),
    ContestedFact(
        id="exchange-legacy-control",
        about="what Get-Recipient answers to a LegacyExchangeDN that nobody has",
        sides={"not-found": "That it was not found.", "everyone": "Everyone."},
    ),
    ContestedFact(
        id="exchange-regional-hosts",
        about="which host the link to a next page names",
        sides={
            "own": "The host that was asked.",
            "regional": "A host of a DoD region with port 446, where the sandbox serves nothing: "
            "what the host that was asked is asked for instead, it answers.",
            "foreign": "A host that is none of Exchange's.",
        },
    ),
    ContestedFact(
        id="exchange-concurrency",
        about="how many commands Exchange runs at once",
        sides={
            "free": "Any number.",
            "limited": "As many as `most` (2); others are refused with a 429.",
        },
        # The findings are the same, and later: tests/resilience measures how much.
        options={"most": "how many commands run at once"},
    ),
    ContestedFact(
        id="exchange-retry-after",
        about="whether a 429 of Exchange says when to come back",
        sides={"told": "It does.", "silent": "It does not."},
        worst="silent",
    ),
    ContestedFact(
        id="exchange-message-trace",
        about="whether Get-MessageTraceV2 answers an app",
        sides={"answers": "It does.", "unauthorized": "It is refused with 401."},
    ),
    ContestedFact(
        id="exchange-write-answer",
        about="whether Set-OrganizationConfig, carried out, answers that it was",
        sides={
            "answers": "It answers like any other cmdlet.",
            "fails": "Its answer fails unless $select names Identity.",
        },
        worst="fails",
    ),
)
