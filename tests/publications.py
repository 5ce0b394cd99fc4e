"""Small publications for tests: journeys as an author's folder would say them."""

from typing import Any

import msgspec
from msgspec import UNSET

from engine.language.journey import Passage, Publication, Version

MAIL = {"id": "mail", "send": "email", "template": "hello", "purpose": "transactional"}


def journey(name: str = "hello", **fields: Any) -> dict[str, Any]:
    """Return a journey that sends one message at once on `hi`, unless fields say otherwise."""
    return {"journey": name, "entry": {"event": "hi"}, "nodes": [MAIL]} | fields


def source_of(
    *journeys: dict[str, Any], segments: Any = (), versions: Any = UNSET, **settings: Any
) -> bytes:
    """Return the source of a Publish of these journeys and segments."""
    publication = Publication(
        journeys={f"{each['journey']}.yaml": each for each in journeys},
        settings=settings,
        segments={f"segments/{each['segment']}.yaml": each for each in segments},
        templates={"hello.en": "---\nsubject: Hello\n---\nHello {{ contact.id }}\n"},
        versions=versions,
    )
    return msgspec.json.encode(publication, order="sorted")


def version(number: int, in_flight: str = "follow", **said: Any) -> Version:
    """Return a journey's version to which visits of those before come over in this way."""
    passage = Passage(number=number, in_flight=in_flight, map=said.pop("map", {}))  # type: ignore[arg-type]
    return Version(number=number, passages=[*said.pop("before", []), passage], **said)
