"""What is in force: journeys, their versions and states, and who published what when."""

from typing import Any

from msgspec import Struct

from actors.publications import PublicationNote
from console.control.draft import Draft, draft_of
from console.control.endpoint import Call, Endpoint, no_such
from engine.fold.succession import versions_of
from engine.language.author import nearest
from engine.language.journey import Publication
from engine.language.schema import DOCUMENTS, schema_of


class JourneyInForce(Struct, kw_only=True):
    """One journey that was published last."""

    journey: str
    title: str
    file: str
    version: int
    """0: it was published before journeys had numbers."""
    state: str
    """`live`, `paused` or `ended`."""


class Journeys(Struct, kw_only=True):
    """The journeys in force."""

    publication: int
    """The number of the last publication; 0: there is none."""
    journeys: list[JourneyInForce]


class JourneyDocument(JourneyInForce, kw_only=True):
    """One journey, with what its author wrote."""

    document: dict[str, Any]


def _journeys(call: Call) -> Journeys:
    publication = call.system.in_force()
    notes = call.system.notes()
    found = [_line(publication, file) for file in publication.journeys]
    found.sort(key=lambda each: each.journey)
    return Journeys(publication=notes[-1].number if notes else 0, journeys=found)


def _journey(call: Call) -> JourneyDocument:
    publication = call.system.in_force()
    wanted = call.path["journey"]
    for file, document in publication.journeys.items():
        if document["journey"] == wanted:
            line = _line(publication, file)
            return JourneyDocument(document=document, **_fields(line))
    known = [each["journey"] for each in publication.journeys.values()]
    raise no_such(f"no journey {wanted!r} is in force; {nearest(wanted, known)}")


def _line(publication: Publication, file: str) -> JourneyInForce:
    document = publication.journeys[file]
    version = versions_of(publication).get(document["journey"])
    return JourneyInForce(
        journey=document["journey"],
        title=document.get("title", ""),
        file=file,
        version=0 if version is None else version.number,
        state="live" if version is None else version.state,
    )


def _fields(line: JourneyInForce) -> dict[str, Any]:
    return {name: getattr(line, name) for name in line.__struct_fields__}


def _publication(call: Call) -> Draft:
    return draft_of(call.system.in_force())


def _history(call: Call) -> list[PublicationNote]:
    return call.system.notes()


def _schema(call: Call) -> dict[str, Any]:
    document = call.path["document"]
    if document not in DOCUMENTS:
        raise no_such(f"no file is a {document!r}; {nearest(document, [*DOCUMENTS])}")
    return schema_of(document)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/journeys",
        scope="read",
        summary="The journeys in force: versions and states.",
        handle=_journeys,
        answer=Journeys,
    ),
    Endpoint(
        method="GET",
        path="/v1/journeys/{journey}",
        scope="read",
        summary="One journey in force, as its author wrote it.",
        handle=_journey,
        answer=JourneyDocument,
    ),
    Endpoint(
        method="GET",
        path="/v1/publication",
        scope="read",
        summary="All that is in force, in the form of a draft.",
        handle=_publication,
        answer=Draft,
    ),
    Endpoint(
        method="GET",
        path="/v1/history",
        scope="read",
        summary="Who published what when, the latest last.",
        handle=_history,
        answer=list[PublicationNote],
    ),
    Endpoint(
        method="GET",
        path="/v1/schema/{document}",
        scope="read",
        summary="JSON Schema of a `journey`, a `segment` or `settings`.",
        handle=_schema,
        answer={"type": "object"},
    ),
)
