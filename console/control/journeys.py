"""What is in force: journeys, their versions and states, and who published what when."""

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from actors.publications import PublicationNote
from console.control.draft import Draft, draft_of
from console.control.endpoint import Call, Endpoint, no_such
from console.control.system import System
from console.reports.standing import Standing, standings_of
from engine.language.author import nearest
from engine.language.journey import Publication
from engine.language.schema import DOCUMENTS, schema_of


class JourneyInForce(Standing, kw_only=True):
    """One journey that was published last, and how it is."""

    title: str
    file: str


class Journeys(Struct, kw_only=True):
    """The journeys in force."""

    publication: int
    """The number of the last publication; 0: there is none."""
    journeys: list[JourneyInForce]


class JourneyDocument(JourneyInForce, kw_only=True):
    """One journey, with what its author wrote."""

    document: dict[str, Any]


def _journeys(call: Call) -> Journeys:
    notes = call.system.notes()
    lines = _lines(call.system, call.system.in_force())
    return Journeys(publication=notes[-1].number if notes else 0, journeys=lines)


def _journey(call: Call) -> JourneyDocument:
    publication = call.system.in_force()
    wanted = call.path["journey"]
    lines = _lines(call.system, publication)
    for line in lines:
        if line.journey == wanted:
            return JourneyDocument(document=publication.journeys[line.file], **asdict(line))
    known = [each.journey for each in lines]
    raise no_such(f"no journey {wanted!r} is in force; {nearest(wanted, known)}")


def _lines(system: System, publication: Publication) -> list[JourneyInForce]:
    files = {document["journey"]: file for file, document in publication.journeys.items()}
    return [
        JourneyInForce(
            file=files[each.journey],
            title=publication.journeys[files[each.journey]].get("title", ""),
            **asdict(each),
        )
        for each in standings_of(publication, system.queued())
    ]


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
