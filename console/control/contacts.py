"""One contact: what is known of it, why it got what it got, all that is kept, and its erasure."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from actors.errors import OperatorError
from console.contacts.command import ErasureReport, erase_contact
from console.contacts.explain import explanation_of, narrowed, show_explanation
from console.contacts.held import Held, held_of
from console.contacts.show import Known, known_of, show_contact, unknown_contact
from console.control.endpoint import LONG_S, Call, Endpoint, Reply
from console.control.faults import refused
from console.remote.media import JSON, TEXT
from console.replay.logbook import FAILED_MAX, FAILED_USUAL, FailedInputs, failed_inputs
from console.replay.recorded import moment_ms
from console.screen import console
from engine.calendar.span import SPAN_FORM, span_ms, span_text
from engine.contacts.erasure import digest_of
from engine.limits import FAR_MS, KEEP_OUT_MS, KEEP_OUT_MS_MAX

KEY_CHARS_MAX: Final = 256
AT_MS_MAX: Final = 253_402_300_799_999
"""The last moment of the year 9999: later ones cannot be written."""

Moment = Annotated[str, Meta(max_length=64)]
"""ISO 8601, or epoch milliseconds; empty: not said."""


class ShowQuery(Struct, forbid_unknown_fields=True):
    """As of when."""

    at: Moment = ""
    """As it was then; else now."""


class ExplainQuery(Struct, forbid_unknown_fields=True):
    """Which part of the story."""

    journey: Annotated[str, Meta(max_length=128)] = ""
    """Only what concerns this journey, and what led to it."""
    since: Moment = ""


class EraseQuery(Struct, forbid_unknown_fields=True):
    """How it is erased."""

    keep_out: Annotated[str, Meta(max_length=32)] = span_text(KEEP_OUT_MS)
    """How long events that come late are kept out; `0s`: not at all."""


class FailedQuery(Struct, forbid_unknown_fields=True):
    """Which of the inputs that failed."""

    limit: Annotated[int, Meta(ge=1, le=FAILED_MAX)] = FAILED_USUAL
    """The newest so many."""
    until: Moment = ""
    """Only those up to then: to see older ones."""


def _show(call: Call) -> Any:
    contact, at = _contact(call), call.query.at
    at_ms = _moment(at, "at") if at else None
    known, kept = known_of(call.system.store, contact, at_ms, call.system.key_file)
    if kept is None:
        raise unknown_contact(contact, at)
    if call.accept != TEXT:
        return known
    with console.capture() as said:
        show_contact(kept, known)
    return Reply(said.get(), media=TEXT)


def _explain(call: Call) -> Any:
    since_ms = _moment(call.query.since, "since") if call.query.since else 0
    system, journey = call.system, call.query.journey
    found = explanation_of(system.store, _contact(call), system.key_file, journey)
    found.entries = narrowed(found.entries, journey, since_ms)
    if call.accept != TEXT:
        return found
    with console.capture() as said:
        show_explanation(found)
    return Reply(said.get(), media=TEXT)


def _export(call: Call) -> Held:
    return held_of(call.system.store, _contact(call), call.system.key_file)


def _erase(call: Call) -> ErasureReport:
    said = call.query.keep_out
    keep_out_ms = span_ms(said)
    if keep_out_ms is None or keep_out_ms > KEEP_OUT_MS_MAX:
        text = f"keep_out {said!r}: write {SPAN_FORM}, {span_text(KEEP_OUT_MS_MAX)} at most"
        raise refused(HTTPStatus.BAD_REQUEST, text, "keep_out")
    system, contact = call.system, _contact(call)
    system.running()
    try:
        return system.wait(
            lambda: erase_contact(system.store, contact, keep_out_ms, system.key_file)
        )
    finally:
        system.jobs.forget()


def _failed(call: Call) -> FailedInputs:
    query: FailedQuery = call.query
    until_ms = _moment(query.until, "until") if query.until else FAR_MS
    return failed_inputs(call.system.store, call.system.key_file, query.limit, until_ms)


def _contact(call: Call) -> str:
    contact = call.path["contact"]
    if len(contact) > KEY_CHARS_MAX or not contact.isprintable():
        text = f"this is no contact's id; it has {KEY_CHARS_MAX} printable signs at most"
        raise refused(HTTPStatus.BAD_REQUEST, text, "contact")
    return contact


def _digest(call: Call) -> str:
    return digest_of(_contact(call))


def _moment(text: str, name: str) -> int:
    try:
        at_ms = moment_ms(text, name)
    except (OperatorError, OverflowError, ValueError) as error:
        raise refused(HTTPStatus.BAD_REQUEST, str(error), name) from None
    if not 0 <= at_ms <= AT_MS_MAX:
        text = f"{name} {text!r} is no moment; write one from 1970 to 9999"
        raise refused(HTTPStatus.BAD_REQUEST, text, name)
    return at_ms


STORY: Final = {
    "type": "object",
    "description": "The contact's story, oldest first; see docs/explain.md.",
    "required": ["contact", "zone", "begin", "entries"],
    "properties": {
        "contact": {"type": "string"},
        "zone": {"type": "string"},
        "begin": {"type": "object"},
        "entries": {"type": "array", "items": {"type": "object", "required": ["at_ms"]}},
    },
}

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/contacts/{contact}",
        scope="contacts",
        summary="What is known of a contact now, or was known at a moment.",
        handle=_show,
        query=ShowQuery,
        answer=Known,
        medias=(JSON, TEXT),
        limit_s=LONG_S,
    ),
    Endpoint(
        method="GET",
        path="/v1/contacts/{contact}/explain",
        scope="contacts",
        summary="Why a contact got its messages, and why it did not get others.",
        handle=_explain,
        query=ExplainQuery,
        answer=STORY,
        medias=(JSON, TEXT),
        limit_s=LONG_S,
    ),
    Endpoint(
        method="GET",
        path="/v1/contacts/{contact}/export",
        scope="contacts",
        summary="All that is kept of a contact.",
        handle=_export,
        answer=Held,
        what="export",
        about=_digest,
        limit_s=LONG_S,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/contacts/{contact}",
        scope="contacts",
        summary="Forget a contact, and take it out of log, archive and snapshots.",
        handle=_erase,
        query=EraseQuery,
        answer=ErasureReport,
        what="erase",
        about=_digest,
        limit_s=LONG_S,
    ),
    Endpoint(
        method="GET",
        path="/v1/failed",
        scope="contacts",
        summary="The last inputs that could not be applied, with the reason; the newest last.",
        handle=_failed,
        query=FailedQuery,
        answer=FailedInputs,
        limit_s=LONG_S,
    ),
)
