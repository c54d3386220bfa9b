"""The contested facts of Exchange's listings. The first side is the default."""

from sandbox.reality.fact import ContestedFact

LISTING_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="exchange-paging",
        about="what the next link of a listing leads to",
        sides={
            "followed": "The next page, for the same body sent to the path of the link.",
            "refused": 'An error: "Expired or Invalid pagination request". The first `after` (0) '
            "continuations of a listing still work; `cmdlet` names the only cmdlet it holds for.",
            "back-end": "The next page, on the host of the link or with the cookies of the page "
            "before; otherwise the error.",
            "anchored": "The next page, for a listing whose pages are all anchored to OAuthUser at "
            "the initial domain; otherwise the error.",
            "get": "The next page, for a GET of the link; the error for a POST.",
            "no-link": "A page that is cut has a warning of more results and no link.",
            "no-rows": "A page without rows, with a further link, again and again.",
            "skipped": "The next page, but for page `after` (1), which is left out without a word; "
            "a last one has no rows then.",
            "ended": "Nothing after page `after` (1), which has neither a link nor a warning.",
            "twice": "The same page once more, and then the next one.",
            "last-again": "The next page; after the last one that page, again and again.",
        },
        worst="refused",
        options={
            "after": "how many continuations of a listing still work, or which page it is",
            "cmdlet": "the only cmdlet for which it is so",
        },
    ),
    ContestedFact(
        id="exchange-one-answer",
        about="how much an answer holds when the client asks for no page size",
        sides={
            "whole": "Everything.",
            "cut": "A page of `size` (1,000) rows, as with a page size.",
            "warned": "The same, without a link; the warning is in the language of the caller.",
            "silent": "The same, without a link and without a warning.",
        },
        # Where this is cut too, a listing without a filter takes one command per object.
        options={"size": "how many rows the answer then has"},
    ),
    ContestedFact(
        id="exchange-entity-endpoints",
        about="whether an app may use the entity endpoints of the Get-EXO* cmdlets",
        sides={
            "served": "The endpoints Mailbox and CasMailbox list any number of objects by pages.",
            "refused": "An error: the user is not allowed to call the cmdlet.",
            "bare": "They print only the properties of the minimum set.",
        },
        worst="refused",
    ),
)
