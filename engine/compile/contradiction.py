"""Contradictions: conditions of which all must hold, and never all can."""

from typing import Final

import msgspec

from engine.compile.claim import Claim, cannot_be
from engine.compile.comparison import claim_of
from engine.language.author import Reader
from engine.language.clause import (
    AllCondition,
    AnyCondition,
    Comparison,
    Condition,
    HappenedCondition,
    NotCondition,
    NotHappenedCondition,
)

FIX: Final = "take one of them out, or put them under `any:`"
OPPOSITE: Final = {
    "equals": "not_equals",
    "not_equals": "equals",
    "one_of": "none_of",
    "none_of": "one_of",
}

Part = tuple[str, Condition]
"""The path of a condition, and this."""


def check_contradictions(condition: Condition, path: str, reader: Reader) -> None:
    """Note what cannot hold as its parts exclude each other; each part is looked into as well."""
    if isinstance(condition, AllCondition):
        parts = _parts(condition, path)
        _check_parts(parts, reader)
    else:
        parts = [(path, condition)]
    for below, part in parts:
        match part:
            case AnyCondition(any=choices):
                for i, choice in enumerate(choices):
                    check_contradictions(choice, f"{below}.any[{i}]", reader)
            case NotCondition(not_=inner):
                check_contradictions(inner, f"{below}.not", reader)
            case HappenedCondition(where=where) | NotHappenedCondition(where=where):
                if where is not None:
                    check_contradictions(where, f"{below}.where", reader)
            case _:
                pass


def _parts(condition: AllCondition, path: str) -> list[Part]:
    parts: list[Part] = []
    for i, part in enumerate(condition.all):
        below = f"{path}.all[{i}]"
        parts += _parts(part, below) if isinstance(part, AllCondition) else [(below, part)]
    return parts


def _check_parts(parts: list[Part], reader: Reader) -> None:
    written: dict[bytes, str] = {}
    claims: dict[str, list[Claim]] = {}
    for path, part in parts:
        # As bytes: to Python the conditions `equals: 1` and `equals: true` are equal.
        negated = isinstance(part, NotCondition)
        inner = part.not_ if isinstance(part, NotCondition) else part
        text = msgspec.json.encode([type(inner).__name__, inner])
        written.setdefault(text + bytes([negated]), path)
        other = written.get(text + bytes([not negated]), "")
        claim = _claim_of(part)
        if other:
            reader.add(path, f"this can never hold together with its opposite at {other}", FIX)
        elif claim is not None and not cannot_be([claim]):
            earlier = claims.setdefault(claim.value, [])
            if cannot_be([*earlier, claim]):
                said = _said(earlier, claim)
                reader.add(path, f"`{claim.value}`: {said} can never hold together", FIX)
            else:
                earlier.append(claim)


def _said(earlier: list[Claim], claim: Claim) -> str:
    for each in earlier:
        if cannot_be([each, claim]):
            return f"{each.text} and {claim.text}"
    return " and ".join(each.text for each in [*earlier, claim])


def _claim_of(part: Condition) -> Claim | None:
    """Return what a condition says of a value, also `not:` a comparison with an opposite."""
    if isinstance(part, Comparison):
        return claim_of(part)
    if not isinstance(part, NotCondition) or not isinstance(part.not_, Comparison):
        return None
    claim = claim_of(part.not_)
    if claim is None:
        return None
    if claim.comparison == "exists":
        return claim._replace(operand=not claim.operand)
    opposite = OPPOSITE.get(claim.comparison)
    return None if opposite is None else claim._replace(comparison=opposite)
