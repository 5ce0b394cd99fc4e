"""Claims: what comparisons say of one value, and whether any value can be as they say.

Sound, not complete: what is refused never holds; some that never hold are not found.
"""

from typing import Any, Final, NamedTuple

from engine.conditions.compare import COMPARISONS, OF_TEXTS, folded, kinds_of
from engine.conditions.source import ANY, LIST, MOMENT, NUMBER, TEXT, TRUTH

DATE_COMPARISONS: Final = ("before", "after", "within_last", "within_next")

NOTHING: Final = "nothing"
OBJECT: Final = "object"
ANYTHING: Final = frozenset({NUMBER, TEXT, TRUTH, LIST, OBJECT, NOTHING})
FOUND: Final[dict[str, frozenset[str]]] = {
    ANY: ANYTHING,
    NUMBER: frozenset({NUMBER, NOTHING}),
    MOMENT: frozenset({NUMBER, NOTHING}),
    TEXT: frozenset({TEXT, NOTHING}),
    TRUTH: frozenset({TRUTH, NOTHING}),
    LIST: frozenset({LIST, NOTHING}),
}
"""What a source of a kind may find."""

LOWEST: Final = ("at_least", "more_than", "between")
HIGHEST: Final = ("at_most", "less_than", "between")
OPEN: Final = ("more_than", "less_than")
EQUAL: Final = ("equals", "one_of")


class Claim(NamedTuple):
    """One comparison, as written."""

    value: str
    """What is compared: `field: price`. The same text is the same value."""
    kind: str
    """What its source finds; see `engine.conditions.source`."""
    comparison: str
    operand: Any
    ignores_case: bool = False

    @property
    def text(self) -> str:
        """What it says, in words: `at_least 5`."""
        operand = "true" if self.operand is True else self.operand
        return f"{self.comparison} {'false' if operand is False else operand}"


def cannot_be(claims: list[Claim]) -> bool:
    """Say whether no value at all is as these claims about one value say."""
    kinds = ANYTHING
    for claim in claims:
        kinds &= FOUND[claim.kind] & _fitting(claim)
    if not kinds:
        return True
    lowest = [claim for claim in claims if claim.comparison in LOWEST]
    highest = [claim for claim in claims if claim.comparison in HIGHEST]
    if any(_leave_nothing(low, high) for low in lowest for high in highest):
        return True
    return any(_leave_none(claim, claims) for claim in claims if claim.comparison in EQUAL)


def _fitting(claim: Claim) -> frozenset[str]:
    """Return what kinds of values a comparison can hold for."""
    operand, comparison = claim.operand, claim.comparison
    if comparison in DATE_COMPARISONS:
        return frozenset({NUMBER, TEXT})
    if comparison in OF_TEXTS:
        return frozenset({TEXT})
    if comparison == "exists":
        return ANYTHING - {NOTHING} if operand else frozenset({NOTHING})
    if comparison == "one_of":
        return frozenset(_kind_of(each) for each in operand)
    if comparison in ("not_equals", "none_of"):
        return ANYTHING
    if comparison == "contains":
        return _holding(operand)
    if comparison == "contains_any":
        return frozenset().union(*(_holding(each) for each in operand))
    if comparison == "contains_all":
        return frozenset({TEXT, LIST}).intersection(*(_holding(each) for each in operand))
    return frozenset({_kind_of(operand[0] if comparison == "between" else operand)})


def _kind_of(operand: Any) -> str:
    if isinstance(operand, bool):
        return TRUTH
    return TEXT if isinstance(operand, str) else NUMBER


def _holding(part: Any) -> frozenset[str]:
    return frozenset({TEXT, LIST}) if isinstance(part, str) else frozenset({LIST})


def _leave_nothing(lowest: Claim, highest: Claim) -> bool:
    """Say whether nothing is between the bounds that two comparisons set."""
    low = lowest.operand[0] if lowest.comparison == "between" else lowest.operand
    high = highest.operand[1] if highest.comparison == "between" else highest.operand
    if _kind_of(low) != _kind_of(high) or lowest.ignores_case != highest.ignores_case:
        return False
    if lowest.ignores_case:
        low, high = folded(low), folded(high)
    is_open = lowest.comparison in OPEN or highest.comparison in OPEN
    return bool(low > high or (low == high and is_open))


def _leave_none(equal: Claim, claims: list[Claim]) -> bool:
    """Say whether the claims leave none of the values that the equal one lists."""
    listed = equal.operand if equal.comparison == "one_of" else [equal.operand]
    if equal.ignores_case:
        listed = folded(listed)
    return not any(all(_may_be(value, equal, claim) for claim in claims) for value in listed)


def _may_be(value: Any, equal: Claim, claim: Claim) -> bool:
    """Say whether a value, known but for its case if the equal claim ignores that, may be so."""
    if claim.comparison in DATE_COMPARISONS or (equal.ignores_case and not claim.ignores_case):
        return True
    operand = claim.operand
    if claim.ignores_case:
        value, operand = (value if equal.ignores_case else folded(value)), folded(operand)
    kinds = kinds_of(claim.comparison, claim.operand)
    return (not kinds or type(value) in kinds) and COMPARISONS[claim.comparison](value, operand)
