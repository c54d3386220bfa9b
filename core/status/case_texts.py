"""How a case ended, in a sentence: the same on pages, cards and in the timeline. Pure."""

from core.model.cases import Case
from core.status.change_texts import describe_changes, list_planned_kinds


def describe_case_end(case: Case) -> str:
    """How a closed case ended. The sentence contains no text from the tenant."""
    if case.is_one_off:
        return "The event is over; its effects remain."
    match case.resolution:
        case "done":
            changes = describe_changes(list_planned_kinds(case))
            made = f": {changes}" if changes else ""
            return f"Exoguard remediated it and verified the result{made}."
        case "undone":
            changes = describe_changes(list_planned_kinds(case))
            made = f" ({changes})" if changes else ""
            return f"Exoguard remediated it{made}, and an operator took that back: it is as it was."
        case "noted":
            return "It is still there; as it is now, it is only noted in the report."
        case "exempt":
            return "An operator exempted it."
        case _:
            return "It is no longer present."
