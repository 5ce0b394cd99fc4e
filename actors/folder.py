"""Folder: journeys, segments, templates and settings as an author keeps them in files."""

from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.document import read_document
from channels import KNOWN_CHANNELS
from channels.delivery import ChannelSettings
from channels.render import check_templates
from channels.request import RequestError, allowed_origin, origin_of
from channels.template import is_template_name
from engine.compile.publication import compile_publication
from engine.errors import AuthorError, Mistake
from engine.fold.webhook import WEBHOOK
from engine.language.author import Reader, nearest
from engine.language.journey import Publication, Settings

SETTINGS_STEM: Final = "anlass"
SUFFIXES: Final = (".yaml", ".yml", ".json")
TEMPLATES: Final = "templates"
SEGMENTS: Final = "segments"
AUTHOR_KEYS: Final = tuple(field.encode_name for field in msgspec.structs.fields(Settings))
OPERATOR_KEYS: Final = ("keys", "channels", "gateway", "control")


class Folder(Struct, frozen=True):
    """What a folder says. Only without mistakes may `source` go live."""

    publication: Publication
    source: bytes
    """The publication as canonical JSON: what a Publish carries. Empty where there are mistakes."""
    operator: dict[str, Any]
    """The operator's part of `anlass.yaml`: `keys` (a list), `channels`, `gateway` and `control`
    (settings by name; those of the last two are not checked here)."""
    mistakes: list[Mistake]
    notes: list[str]
    """What is no mistake, yet may not be meant."""


def read_folder(path: Path | str) -> Folder:
    """Read and check a folder. Never raises for what is in it: see `mistakes`."""
    folder = Path(path)
    mistakes: list[Mistake] = []
    files = _files_in(folder, mistakes)
    settings_file, settings = _read_settings(files, mistakes)
    operator = _split_off_operator(settings, settings_file, mistakes)
    publication = Publication(
        journeys=_read_journeys(folder, files, mistakes),
        settings_file=settings_file,
        settings=settings,
        templates=_read_templates(folder / TEMPLATES, mistakes),
        segments=_read_segments(folder, mistakes),
    )
    return _checked(publication, operator, mistakes)


def checked_folder(path: Path) -> Folder:
    """Read a folder of journeys. Raises AuthorError with every mistake in it."""
    folder = read_folder(path)
    if folder.mistakes:
        raise AuthorError(folder.mistakes)
    return folder


def operator_of(file: Path | None) -> dict[str, Any]:
    """Return the operator's part of a settings file; without one, all is at its default.

    Raises AuthorError with every mistake in that part.
    """
    mistakes: list[Mistake] = []
    settings: dict[str, Any] = {}
    name = SETTINGS_STEM if file is None else file.name
    if file is not None and not file.is_file():
        mistakes.append(Mistake(str(file), "$", "there is no such file", "name an anlass.yaml"))
    elif file is not None:
        settings = _settings_of(file, mistakes)
    operator = _split_off_operator(settings, name, mistakes)
    if mistakes:
        raise AuthorError(sorted(set(mistakes)))
    return operator


def checked_anew(publication: Publication, operator: dict[str, Any]) -> Folder:
    """Check what a folder says after a change. Never raises, as `read_folder`."""
    return _checked(publication, operator, [])


def _checked(publication: Publication, operator: dict[str, Any], mistakes: list[Mistake]) -> Folder:
    _, found = compile_publication(publication)
    mistakes += found
    mistakes += check_templates(publication.templates)
    mistakes += _check_languages(publication)
    mistakes += _check_channels(publication)
    mistakes += _check_hosts(publication, operator["channels"])
    source = b"" if mistakes else _encode(publication, mistakes)
    notes = _unused_templates(publication)
    return Folder(publication, source, operator, sorted(set(mistakes)), notes)


def _encode(publication: Publication, mistakes: list[Mistake]) -> bytes:
    try:
        return msgspec.json.encode(publication, order="sorted")
    except (TypeError, ValueError, OverflowError) as error:
        # What compiles and is no JSON all the same: half a surrogate pair, a giant number.
        mistakes.append(Mistake(".", "$", f"{error}", "write plain texts and numbers"))
        return b""


def _files_in(folder: Path, mistakes: list[Mistake]) -> list[Path]:
    if not folder.is_dir():
        problem = "there is no such folder" if not folder.exists() else "this is no folder"
        mistakes.append(Mistake(str(folder), "$", problem, "name the folder of your journeys"))
        return []
    files = _documents_in(folder)
    if all(path.stem == SETTINGS_STEM for path in files):
        fix = "write one into a file such as `welcome.yaml`"
        mistakes.append(Mistake(str(folder), "$", "there is no journey in this folder", fix))
    return files


def _documents_in(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]


def _read_journeys(folder: Path, files: list[Path], mistakes: list[Mistake]) -> dict[str, Any]:
    journeys = {}
    for path in files:
        if path.stem != SETTINGS_STEM:
            document = read_document(path, folder, mistakes)
            if document is not None:
                journeys[path.name] = document
    return journeys


def _read_segments(folder: Path, mistakes: list[Mistake]) -> dict[str, Any]:
    segments: dict[str, Any] = {}
    if not (folder / SEGMENTS).is_dir():
        return segments
    for path in _documents_in(folder / SEGMENTS):
        document = read_document(path, folder, mistakes)
        if document is not None:
            segments[f"{SEGMENTS}/{path.name}"] = document
    return segments


def _read_settings(files: list[Path], mistakes: list[Mistake]) -> tuple[str, dict[str, Any]]:
    """Return the settings file's name and what it says; without one, all is at its default."""
    found = [path for path in files if path.stem == SETTINGS_STEM]
    if not found:
        return f"{SETTINGS_STEM}.yaml", {}
    file = found[0].name
    if len(found) > 1:
        problem = f"the settings are in {found[1].name} as well"
        mistakes.append(Mistake(file, "$", problem, "keep one of the two files"))
    return file, _settings_of(found[0], mistakes)


def _settings_of(path: Path, mistakes: list[Mistake]) -> dict[str, Any]:
    if not path.read_bytes().strip():
        return {}
    document = read_document(path, path.parent, mistakes)
    if document is not None and not isinstance(document, dict):
        problem = f"expected fields, got {document!r:.60}"
        mistakes.append(Mistake(path.name, "$", problem, "write it as `key: value` lines"))
    return document if isinstance(document, dict) else {}


def _split_off_operator(
    settings: dict[str, Any], file: str, mistakes: list[Mistake]
) -> dict[str, Any]:
    """Take the operator's part out of the settings, and what nobody knows; the rest stays."""
    known = [*AUTHOR_KEYS, *OPERATOR_KEYS]
    for key in [key for key in settings if isinstance(key, str) and key not in known]:
        del settings[key]
        mistakes.append(Mistake(file, f"$.{key}", f"unknown field {key!r}", nearest(key, known)))
    keys = settings.pop("keys", [])
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        problem = "these are no write keys"
        mistakes.append(Mistake(file, "$.keys", problem, "write a list of texts: keys: [secret]"))
        keys = []
    named = {name: _named_of(settings, file, mistakes, name) for name in EXAMPLES}
    channels = _channels_of(settings, file, mistakes)
    return {"keys": keys, "channels": channels} | named


EXAMPLES: Final = {
    "gateway": "gateway: {memory_max: 60%}",
    "control": "control: {keys: [{name: Anna, key: $ANNA_KEY, scopes: [read]}]}",
}
"""Settings that are read elsewhere, by name."""


def _named_of(
    settings: dict[str, Any], file: str, mistakes: list[Mistake], name: str
) -> dict[str, Any]:
    said = settings.pop(name, {})
    if isinstance(said, dict) and all(isinstance(each, str) for each in said):
        return said
    problem, fix = "these are no settings", f"write them by name: {EXAMPLES[name]}"
    mistakes.append(Mistake(file, f"$.{name}", problem, fix))
    return {}


def _channels_of(settings: dict[str, Any], file: str, mistakes: list[Mistake]) -> dict[str, Any]:
    channels = settings.pop("channels", {})
    reader = Reader(file)
    reader.read(ChannelSettings, channels, "$.channels")
    if not reader.mistakes:
        try:
            msgspec.convert(channels, ChannelSettings)
        except msgspec.ValidationError as error:  # Bounds of numbers, which a Reader passes over.
            reader.add("$.channels", str(error), "write a value within the bounds")
    mistakes += reader.mistakes
    return {} if reader.mistakes else channels


def _read_templates(folder: Path, mistakes: list[Mistake]) -> dict[str, str]:
    templates: dict[str, str] = {}
    if not folder.is_dir():
        return templates
    for path in sorted(folder.glob("*.liquid")):
        if path.name.startswith("."):
            continue
        file = f"{TEMPLATES}/{path.name}"
        if not is_template_name(path.stem):
            fix = "call it <name>.<language>.liquid, such as `welcome.de.liquid`"
            mistakes.append(Mistake(file, "$", "the file's name says no name and language", fix))
            continue
        try:
            templates[path.stem] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            problem = f"byte {error.start} is no UTF-8"
            mistakes.append(Mistake(file, "$", problem, "save the file as UTF-8"))
    return templates


def _sends(publication: Publication) -> list[tuple[str, str, dict[str, Any]]]:
    """Return file, path and fields of each node that sends, as far as they can be told."""
    return _nodes(publication, "send")


def _nodes(publication: Publication, kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return file, path and fields of each node of a kind, as far as they can be told."""
    found = []
    for file, journey in publication.journeys.items():
        nodes = journey.get("nodes") if isinstance(journey, dict) else None
        for i, node in enumerate(nodes if isinstance(nodes, list) else []):
            if isinstance(node, dict) and isinstance(node.get(kind), str):
                found.append((file, f"$.nodes[{i}]", node))
    return found


def _caps(publication: Publication) -> list[tuple[str, str, dict[str, Any]]]:
    """Return file, path and fields of each cap, as far as they can be told."""
    files = {**publication.journeys, publication.settings_file: publication.settings}
    found = []
    for file, document in files.items():
        caps = document.get("caps") if isinstance(document, dict) else None
        for i, cap in enumerate(caps if isinstance(caps, list) else []):
            if isinstance(cap, dict):
                found.append((file, f"$.caps[{i}]", cap))
    return found


def _check_languages(publication: Publication) -> list[Mistake]:
    """Find templates that lack the language of the settings: what others fall back to."""
    language = publication.settings.get("language", Settings().language)
    names = {name.rpartition(".")[0] for name in publication.templates}
    mistakes = []
    for file, path, node in _sends(publication):
        template = node.get("template")
        if template in names and f"{template}.{language}" not in publication.templates:
            problem = f"the template {template!r} is not there in {language!r}, the language of all"
            fix = f"add {TEMPLATES}/{template}.{language}.liquid"
            mistakes.append(Mistake(file, f"{path}.template", problem, fix))
    return mistakes


def _check_channels(publication: Publication) -> list[Mistake]:
    """Find channels that nobody knows: a slip there would send into nowhere."""
    named = [(file, f"{path}.send", node["send"]) for file, path, node in _sends(publication)]
    for field in ("consent", "addresses", "quiet_hours"):
        said = publication.settings.get(field)
        named += [
            (publication.settings_file, f"$.{field}.{channel}", channel)
            for channel in (said if isinstance(said, dict) else [])
        ]
    for file, path, cap in _caps(publication):
        named += [(file, f"{path}.channel", cap["channel"])] if cap.get("channel") else []
    return [
        Mistake(file, path, f"there is no channel {name!r}", nearest(str(name), [*KNOWN_CHANNELS]))
        for file, path, name in named
        if name not in KNOWN_CHANNELS
    ]


def _check_hosts(publication: Publication, channels: dict[str, Any]) -> list[Mistake]:
    """Find webhooks whose server the settings do not allow, where they allow any."""
    said = channels.get(WEBHOOK)
    if said is None:
        return []  # All go to the file.
    try:
        allowed = set(map(allowed_origin, said["hosts"]))
    except RequestError as error:
        path, fix = f"$.channels.{WEBHOOK}.hosts", "write each like api.example.com"
        return [Mistake(publication.settings_file, path, str(error), fix)]
    mistakes = []
    for file, path, node in _nodes(publication, WEBHOOK):
        try:
            origin = origin_of(node[WEBHOOK])
        except RequestError:
            continue  # What compiles the journey says it.
        if origin not in allowed:
            problem = "this server is not allowed"
            fix = f"name it in `channels.{WEBHOOK}.hosts` of {publication.settings_file}"
            mistakes.append(Mistake(file, f"{path}.{WEBHOOK}", problem, fix))
    return mistakes


def _unused_templates(publication: Publication) -> list[str]:
    used = {node.get("template") for _, _, node in _sends(publication)}
    return [
        f"{TEMPLATES}/{name}.liquid: no journey uses this template"
        for name in sorted(publication.templates)
        if name.rpartition(".")[0] not in used
    ]
