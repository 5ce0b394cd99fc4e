"""Replays: what went out, what drafts would have sent; verifications; the jobs that do these."""

from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.errors import OperatorError
from console.control.draft import Draft, checked
from console.control.endpoint import Call, Endpoint, Reply, no_such
from console.control.faults import refused
from console.control.jobs import failed_words
from console.control.work import (
    DIFFERENCES,
    OUTCOMES,
    PAGE,
    RESULT_BYTES_MAX,
    Comparing,
    Reading,
    Verifying,
)
from console.remote.job import Job
from console.remote.media import HTML, LINES
from console.replay.against.comparison import WITHIN_MS
from console.replay.against.reign import checked_states
from console.replay.against.sweep import VARIANTS_MAX, variants_of
from engine.fold.succession import State
from engine.limits import FAR_MS

Moment = Annotated[int, Meta(ge=0, le=FAR_MS)]
Text = Annotated[str, Meta(max_length=1_000)]


class ReplayBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A draft to compare with what went out."""

    draft: Draft | None = None
    """Left out: the draft that is kept."""
    vary: Annotated[list[Text], Meta(max_length=VARIANTS_MAX)] = []
    """`FILE:PATH=VALUE,VALUE`: each value makes a draft."""
    states: dict[str, State] = {}
    """Journeys of the draft that are in this state from the beginning; others as the log has it."""
    from_ms: Moment = 0
    """The draft is in force from then on, and what was before is not compared."""
    until_ms: Moment = FAR_MS
    within_ms: Moment = WITHIN_MS
    """So near in time two messages of a node may be one."""


class OutcomesBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """As of when."""

    until_ms: Moment = FAR_MS
    """What was recorded later does not count."""


def _begin(call: Call) -> Reply:
    body: ReplayBody = call.body
    system = call.system
    if body.from_ms > body.until_ms:
        text = f"from_ms {body.from_ms} is after until_ms {body.until_ms}; swap them"
        raise refused(HTTPStatus.BAD_REQUEST, text, "$.from_ms")
    draft = checked(system.draft(body.draft), system.operator)
    variants = variants_of(draft, body.vary)
    try:
        states = checked_states(body.states, draft.source, "states")
    except OperatorError as error:
        raise refused(HTTPStatus.BAD_REQUEST, str(error), "$.states") from None

    def start(out: str) -> Comparing:
        return Comparing(
            place=system.place(out),
            variants=variants,
            states=states,
            from_ms=body.from_ms,
            until_ms=body.until_ms,
            within_ms=body.within_ms,
            bytes_max=RESULT_BYTES_MAX,
        )

    return Reply(system.jobs.begin(call.caller.name, "replay", start), HTTPStatus.ACCEPTED)


def _outcomes(call: Call) -> Reply:
    system, until_ms = call.system, call.body.until_ms

    def start(out: str) -> Reading:
        return Reading(place=system.place(out), until_ms=until_ms, bytes_max=RESULT_BYTES_MAX)

    return Reply(system.jobs.begin(call.caller.name, "outcomes", start), HTTPStatus.ACCEPTED)


def _verify(call: Call) -> Reply:
    system = call.system

    def start(out: str) -> Verifying:
        return Verifying(place=system.place(out))

    return Reply(system.jobs.begin(call.caller.name, "verify", start), HTTPStatus.ACCEPTED)


def _jobs(call: Call) -> list[Job]:
    return call.system.jobs.all()


def _job(call: Call) -> Job:
    id = call.path["job"]
    job = call.system.jobs.get(id)
    if job is None:
        raise no_such(f"there is no job {id!r}; the last few are remembered, see /v1/jobs")
    return job


def _page(call: Call) -> Reply:
    return _file(call, PAGE, "page", HTML)


def _differences(call: Call) -> Reply:
    return _file(call, DIFFERENCES, "differences", LINES)


def _outcome_lines(call: Call) -> Reply:
    return _file(call, OUTCOMES, "outcomes", LINES)


def _file(call: Call, name: str, word: str, media: str) -> Reply:
    job = _job(call)
    data = call.system.jobs.file(job.id, name)
    if data is None:
        text = f"job {job.id} has no {word}; {failed_words(job)}"
        raise refused(HTTPStatus.CONFLICT, text)
    return Reply(data.decode(), media=media)


def _end(call: Call) -> Job:
    job = _job(call)
    call.system.jobs.end(job.id)
    return msgspec.structs.replace(job, summary=None)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/replays",
        scope="publish",
        summary="Begin to compare a draft with what went out; ask for the job how far it is.",
        handle=_begin,
        body=ReplayBody,
        answer=Job,
        status=HTTPStatus.ACCEPTED,
        what="replay",
    ),
    Endpoint(
        method="POST",
        path="/v1/outcomes",
        scope="contacts",
        summary="Begin to read what really went out, and what came of each visit, as of a moment.",
        handle=_outcomes,
        body=OutcomesBody,
        answer=Job,
        status=HTTPStatus.ACCEPTED,
        what="outcomes",
    ),
    Endpoint(
        method="POST",
        path="/v1/verifications",
        scope="operate",
        summary="Begin to read all of the store and fold it again; the job says what is wrong.",
        handle=_verify,
        answer=Job,
        status=HTTPStatus.ACCEPTED,
        what="verify",
    ),
    Endpoint(
        method="GET",
        path="/v1/jobs",
        scope="read",
        summary="The last jobs, the latest first.",
        handle=_jobs,
        answer=list[Job],
    ),
    Endpoint(
        method="GET",
        path="/v1/jobs/{job}",
        scope="contacts",
        summary="How far a job is, and what it came to.",
        handle=_job,
        answer=Job,
    ),
    Endpoint(
        method="GET",
        path="/v1/jobs/{job}/page",
        scope="contacts",
        summary="What a job came to, as a page with plots.",
        handle=_page,
        answer={"type": "string"},
        medias=(HTML,),
    ),
    Endpoint(
        method="GET",
        path="/v1/jobs/{job}/differences",
        scope="contacts",
        summary="The messages that differ, a line of JSON each, by time.",
        handle=_differences,
        answer={"type": "string"},
        medias=(LINES,),
    ),
    Endpoint(
        method="GET",
        path="/v1/jobs/{job}/outcomes",
        scope="contacts",
        summary="What came of each visit and message, a line of JSON each, by time.",
        handle=_outcome_lines,
        answer={"type": "string"},
        medias=(LINES,),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/jobs/{job}",
        scope="publish",
        summary="End a job that works.",
        handle=_end,
        answer=Job,
        what="end job",
        about=lambda call: call.path["job"],
    ),
)
