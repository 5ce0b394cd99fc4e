"""Draft: a whole folder of journeys as one JSON document, checked as `anlass validate` does."""

import threading
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.errors import LogCorruptError, UnknownError
from actors.folder import (
    OPERATOR_KEYS,
    SEGMENTS,
    SETTINGS_STEM,
    SUFFIXES,
    TEMPLATES,
    Folder,
    checked_anew,
)
from actors.store.block import DRAFT, read_blocks
from actors.store.disk import REAL_DISK
from actors.store.newfile import NewFile, no_pause, remove_leftovers
from channels.template import is_template_name
from engine.errors import AuthorError, Mistake
from engine.language.journey import Publication

FILE: Final = "control-draft.bin"


class Draft(Struct, kw_only=True, forbid_unknown_fields=True):
    """What an author's folder says, by file."""

    journeys: dict[str, Any]
    """File name, such as `welcome.yaml` -> the journey, as it would stand in the file."""
    segments: dict[str, Any] = {}
    """`segments/NAME.yaml` -> the segment."""
    templates: dict[str, str] = {}
    """`NAME.LANGUAGE` -> the text of the template."""
    settings: dict[str, Any] = {}
    """As in `anlass.yaml`, but for `keys`, `channels`, `gateway` and `control`: those are the
    operator's, and stay as they are."""
    settings_file: str = f"{SETTINGS_STEM}.yaml"


def draft_of(publication: Publication) -> Draft:
    """Return what is in force as a draft."""
    return Draft(
        journeys=publication.journeys,
        segments=publication.segments,
        templates=publication.templates,
        settings=publication.settings,
        settings_file=publication.settings_file,
    )


def folder_of(draft: Draft, operator: dict[str, Any]) -> Folder:
    """Check a draft, as a folder is; `operator` is what `anlass.yaml` says beside it."""
    misnamed = [*_misnamed(draft)]
    if misnamed:
        publication = Publication(journeys={})
        return Folder(publication, b"", operator, sorted(misnamed), [])
    publication = Publication(
        journeys=draft.journeys,
        segments=draft.segments,
        templates=draft.templates,
        settings=draft.settings,
        settings_file=draft.settings_file,
    )
    return checked_anew(publication, operator)


def checked(draft: Draft, operator: dict[str, Any]) -> Folder:
    """Return a draft as a folder that is in order. Raises AuthorError with all its mistakes."""
    folder = folder_of(draft, operator)
    if folder.mistakes:
        raise AuthorError(folder.mistakes)
    return folder


class DraftFile:
    """The one draft that a store keeps; there as a whole or not at all, sealed as all of it."""

    def __init__(self, data: Path, key: bytes | None) -> None:
        self._path = data / FILE
        self._key = key
        self._turn = threading.Lock()
        remove_leftovers(data, REAL_DISK, FILE)

    def read(self) -> Draft:
        """Return it. Raises UnknownError where none is kept, LogCorruptError."""
        try:
            (said,) = read_blocks(self._path, DRAFT, self._key, disk=REAL_DISK)
            return msgspec.json.decode(said, type=Draft)
        except FileNotFoundError:
            raise UnknownError("no draft is kept; put one, or send it along") from None
        except (ValueError, msgspec.DecodeError) as error:
            raise LogCorruptError(f"{self._path} cannot be read: {error}; remove it") from None

    def write(self, draft: Draft) -> None:
        """Keep a draft in the place of the one before. Raises OSError."""
        with self._turn, NewFile(self._path, DRAFT, self._key, REAL_DISK, no_pause) as file:
            file.add(msgspec.json.encode(draft))
            file.finish()


def _misnamed(draft: Draft) -> list[Mistake]:
    """Find files that would not be read from a folder by such a name."""
    file = draft.settings_file
    fixes = {each: "call it <name>.yaml" for each in draft.journeys if not _is_journey(each)}
    fixes |= {
        each: f"call it {SEGMENTS}/<name>.yaml"
        for each in draft.segments
        if not is_document(each.removeprefix(f"{SEGMENTS}/")) or "/" not in each
    }
    fixes |= {
        f"{TEMPLATES}/{each}": "call it <name>.<language>, such as `welcome.de`"
        for each in draft.templates
        if not is_template_name(each)
    }
    if not is_document(file) or PurePosixPath(file).stem != SETTINGS_STEM:
        fixes[file] = f"call it {SETTINGS_STEM}.yaml"
    problem = "no file of a folder is called that"
    found = [Mistake(each, "$", problem, fix) for each, fix in fixes.items()]
    if not draft.journeys:
        fix = "write one into a file such as `welcome.yaml`"
        found.append(Mistake("journeys", "$", "there is no journey in this draft", fix))
    fix = f"leave it to {SETTINGS_STEM}.yaml of the machine that runs the system"
    return found + [
        Mistake(file, f"$.{key}", f"`{key}` is the operator's", fix)
        for key in OPERATOR_KEYS
        if key in draft.settings
    ]


def _is_journey(name: str) -> bool:
    return is_document(name) and PurePosixPath(name).stem != SETTINGS_STEM


def is_document(name: str) -> bool:
    """Say whether a file of such a name would be read from a folder."""
    path = PurePosixPath(name)
    plain = "/" not in name and name.isprintable() and not name.startswith(".")
    return plain and path.suffix in SUFFIXES
