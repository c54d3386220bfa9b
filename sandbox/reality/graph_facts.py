"""The contested facts of Microsoft Graph and Entra. The first side is the default."""

from sandbox.reality.fact import ContestedFact

GRAPH_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="write-graph-read-back",
        about="when a read of Graph shows what a write changed",
        sides={
            "at-once": "The next read shows the new value.",
            "late": "The first `reads` (1) reads of the object still show the old value, or all "
            "reads for some `seconds`.",
        },
        worst="late",
        options={"reads": "how many reads show the old value", "seconds": "for how long"},
    ),
    ContestedFact(
        id="graph-grants-count",
        about="whether /oauth2PermissionGrants lists every grant",
        sides={
            "counted": "An advanced query lists all; any other loses the last row of each page "
            "that has a next one.",
            "lossy": "An advanced query loses such rows too, and its number is right.",
            "uncounted": "An advanced query is refused, and pages lose rows.",
        },
        worst="lossy",
    ),
    ContestedFact(
        id="graph-collection-count",
        about="whether users and apps are counted, and listed to their end",
        sides={
            "counted": "They are.",
            "high": "The count is one higher than there are.",
            "refused": "A query with a count is refused with 400.",
            "ended": "A listing ends with its first page, full and without a link; the count is "
            "right.",
            "skipped": "A listing leaves out its second page; the count is right.",
        },
    ),
    ContestedFact(
        id="graph-sign-in-log",
        about="under which kind of sign-in SMTP AUTH, POP and IMAP are logged",
        sides={
            "non-interactive": "As non-interactive sign-ins, which v1.0 does not list.",
            "interactive": "As interactive ones.",
        },
        worst="interactive",
    ),
    ContestedFact(
        id="graph-premium-refusal",
        about="whether a tenant with Entra ID P1 is ever refused for want of it",
        sides={
            "lasting": "Only tenants without the licence are refused.",
            "passing": "The first `times` (1) requests for reports are refused, then none.",
        },
        worst="passing",
        options={"times": "how many requests are refused"},
    ),
    ContestedFact(
        id="graph-registration-page",
        about="whether the registration report takes $top",
        sides={"taken": "It does.", "refused": "It is refused with 400."},
        worst="refused",
    ),
    ContestedFact(
        id="graph-users-id-filter",
        about="whether signInActivity can be listed for users filtered by id",
        sides={"answered": "It can.", "refused": "Such a filter is refused with 400."},
        worst="refused",
    ),
    ContestedFact(
        id="graph-error-code",
        about="where PIM puts the reason of a refusal",
        sides={
            "message": "In an errorCode within the JSON that error.message is.",
            "code": "In error.code.",
            "bare": "In an errorCode of the body, which has no error.",
        },
        worst="bare",
    ),
    ContestedFact(
        id="graph-eligibility-role",
        about="whether RoleManagement.Read.All reads who is eligible for a role",
        sides={"excludes": "It reads active roles alone.", "includes": "It reads both."},
        worst="includes",
    ),
    ContestedFact(
        id="graph-audit-app-id",
        about="whether directoryAudits tell the appId of the app that acted",
        sides={"null": "It is null in every row.", "told": "As the scene has it."},
        worst="told",
    ),
    ContestedFact(
        id="graph-app-roles-page",
        about="whether appRoleAssignedTo loses rows at the ends of its pages",
        sides={
            "whole": "It does not.",
            "lossy": "Each page that has a next one lacks its last row.",
        },
    ),
    ContestedFact(
        id="graph-deleted-select",
        about="whether the recycle bin takes $top",
        sides={"taken": "It does.", "refused": "It is refused with 400."},
        worst="refused",
    ),
    ContestedFact(
        id="graph-sign-in-pages",
        about="whether a query of the sign-in log ends",
        sides={
            "ends": "It does.",
            "empty-token": "A next link has an empty token.",
            "times-out": "Every query is answered with a 504.",
        },
    ),
    ContestedFact(
        id="graph-sign-in-null",
        about="whether lastSuccessfulSignInDateTime is kept of every success",
        sides={"told": "As the scene has it.", "null": "It is null for every user."},
    ),
    ContestedFact(
        id="graph-password-date",
        about="whether lastPasswordChangeDateTime is told",
        sides={"told": "As the scene has it.", "null": "It is null for every user."},
    ),
    ContestedFact(
        id="graph-report-backoff",
        about="whether reports are throttled without a Retry-After",
        sides={
            "none": "They are not throttled.",
            "silent": "The first `times` (1) requests for reports and logs are refused with a 429 "
            "that does not say when to come back.",
        },
        # The findings are the same, ten seconds later for each run.
        options={"times": "how many requests are refused"},
    ),
    ContestedFact(
        id="graph-mail-folders",
        about="whether Mail.ReadBasic.All reads the folders of a mailbox",
        sides={"allowed": "It does.", "denied": "It is refused with ErrorAccessDenied."},
    ),
    ContestedFact(
        id="graph-outside-federation",
        about="whether IdentityProvider.Read.All reads the federations of outside domains",
        sides={"allowed": "It does.", "denied": "It is refused, as without any permission."},
    ),
    ContestedFact(
        id="write-policy-merge",
        about="what an update of a part of authorizationPolicy leaves of its siblings",
        sides={
            "merged": "They stay.",
            "replaced": "A nested object is replaced: what the update does not name is off.",
        },
        worst="replaced",
    ),
    ContestedFact(
        id="write-synced-block-taken",
        about="whether an app may block a synchronised account",
        sides={"taken": "It may.", "refused": "It is refused with 400, as for other properties."},
    ),
    ContestedFact(
        id="graph-method-dates",
        about="whether the list of a user's sign-in methods tells when they were registered",
        sides={"dated": "It does.", "undated": "It tells no date."},
    ),
    ContestedFact(
        id="write-narrow-roles",
        about="whether the narrow write roles are enough to block an account",
        sides={
            "enough": "They are.",
            "refused": "Both writes are refused, as for an app without a role.",
        },
    ),
)
