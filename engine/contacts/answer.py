"""Answer: what came to a visit at a node where it waited; it stays with the visit."""

from typing import Any, Final

from engine.contacts.contact import Visit
from engine.contacts.happening import pack
from engine.limits import ANSWER_BYTES_MAX, ANSWER_FIELD_BYTES_MAX, ANSWERS_MAX

BODY_BYTES_MAX: Final = ANSWER_BYTES_MAX - 48
"""Of a webhook's answer; the rest is for its other fields, which are always kept."""


def keep_answer(visit: Visit, node: str, answer: dict[str, Any]) -> None:
    """Keep with a visit what came to it at a node, in place of what came there before.

    A Guard keeps the answers, so new ones are put in their place.
    """
    kept = {each: of for each, of in visit.answers.items() if each != node}
    if len(kept) >= ANSWERS_MAX:
        del kept[next(iter(kept))]
    visit.answers = kept | {node: shortened(answer)}


def shortened(fields: dict[str, Any], bytes_max: int = ANSWER_BYTES_MAX) -> dict[str, Any]:
    """Return fields that are no longer than so many bytes together.

    Where they were, the long ones are left out, and those that make it too long together.
    """
    if len(pack(fields)) <= bytes_max:
        return fields
    left = bytes_max
    kept = {}
    for name, value in fields.items():
        size = len(pack((name, value)))
        if size <= min(ANSWER_FIELD_BYTES_MAX, left):
            left -= size
            kept[name] = value
    return kept


def web_answer(status: int, body: Any, *, whole: bool = True) -> dict[str, Any]:
    """Return the answer of a webhook: its `status`, its `body`, and `cut` where that is less."""
    kept = body
    if len(pack(body)) > BODY_BYTES_MAX:
        kept = shortened(body, BODY_BYTES_MAX) if isinstance(body, dict) else None
    answer = {"status": status, "body": kept}
    return answer if whole and kept is body else answer | {"cut": True}
