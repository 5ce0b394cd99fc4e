"""Template: Liquid text under front matter, its name and language, and the bounds it renders in."""

import re
from typing import Final

from liquid import Environment, Mode
from liquid.exceptions import FilterArgumentError, LiquidError
from liquid.token import Token
from msgspec import Struct

from engine.language.author import NAME_FORM
from engine.limits import LATEST_MAX

LOOPS_MAX: Final = 10_000
"""Turns of a template's loops, nested ones multiplied."""

OUTPUT_BYTES_MAX: Final = 1_000_000
LOCALS_BYTES_MAX: Final = 1_000_000
"""What a template may assign to names of its own."""

LANGUAGE_FORM: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_FENCE: Final = "---"
_OPENING: Final = "begin with three lines: `---`, `subject: ...`, `---`"


class Problem(Struct, frozen=True):
    """What is wrong with a template, and at which line of it, from 1; 0 for the whole of it."""

    line: int
    problem: str
    fix: str


class Source(Struct, frozen=True):
    """A template's two texts, and the lines they begin at. Either may be empty."""

    subject: str
    subject_line: int
    body: str
    body_line: int


class TemplateEnvironment(Environment):
    """Liquid within bounds. There are no files to include, and missing values render empty."""

    loop_iteration_limit = LOOPS_MAX
    output_stream_limit = OUTPUT_BYTES_MAX
    local_namespace_limit = LOCALS_BYTES_MAX

    def __init__(self, tolerance: Mode = Mode.STRICT) -> None:
        super().__init__(tolerance=tolerance)
        for tag in ("include", "render"):
            del self.tags[tag]
        self.add_filter("latest", latest)


def latest(events: object, count: object, field: object = None) -> list[object]:
    """Return the last so many of a list whose latest is last, the latest first: a Liquid filter.

    With a field, each of its values once: `history.product_view | latest: 3, "product_id"`.
    """
    if not isinstance(count, int) or not 0 <= count <= LATEST_MAX:
        error = f"latest: write how many, 0 to {LATEST_MAX}, not {count!r:.60}"
        raise FilterArgumentError(error, token=None)
    found: list[object] = []
    seen: list[object] = []
    for each in reversed(events) if isinstance(events, list) else ():
        if len(found) == count:
            break
        if isinstance(field, str):
            value = each.get(field) if isinstance(each, dict) else None
            if value is None or value in seen:
                continue
            seen.append(value)
        found.append(each)
    return found


class CheckingEnvironment(TemplateEnvironment):
    """Parses on after a mistake, and collects all of them in `found`."""

    def __init__(self) -> None:
        super().__init__(Mode.LAX)
        self.found: list[LiquidError] = []

    def error(
        self,
        exc: type[LiquidError] | LiquidError,
        msg: str | None = None,
        token: Token | None = None,
    ) -> None:
        """Note the error instead of raising it."""
        error = exc if isinstance(exc, LiquidError) else exc(msg, token=token)
        error.token = error.token or token
        self.found.append(error)


def is_template_name(name: str) -> bool:
    """Say whether `name` has the form `name.language`."""
    base, _, language = name.rpartition(".")
    return bool(NAME_FORM.fullmatch(base) and LANGUAGE_FORM.fullmatch(language))


def pick_language(languages: dict[str, str], wanted: str, default: str) -> str:
    """Return the value of the language that fits best: `de-AT` as it is, `de`, the default, any.

    The keys are as `normal_language` returns them, and there is at least one.
    """
    for language in (normal_language(wanted), normal_language(default)):
        for candidate in (language, language.partition("-")[0]):
            if candidate in languages:
                return languages[candidate]
    return languages[min(languages)]


def normal_language(language: str) -> str:
    """Return the form in which languages compare: `de_AT` and `de-at` are the same."""
    return language.strip().replace("_", "-").lower()


def read_source(text: str) -> tuple[Source, list[Problem]]:
    """Split a template at its front matter, and name all that is wrong with that."""
    text = text.removeprefix("\ufeff")
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        return Source("", 1, text, 1), [Problem(1, "no front matter", _OPENING)]
    fences = (at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE)
    end = next(fences, None)
    if end is None:
        fix = "end the front matter with a line `---`"
        return Source("", 1, "", 1), [Problem(1, "unfinished front matter", fix)]
    subject, subject_line = "", 1
    problems: list[Problem] = []
    for number, line in enumerate(lines[1:end], 2):
        name, _, value = line.partition(":")
        if name.strip() == "subject":
            subject, subject_line = value.strip(), number
        elif line.strip():
            fix = "front matter has only `subject: ...`; the text goes below the second `---`"
            problems.append(Problem(number, f"cannot read {line.strip()!r:.60}", fix))
    if not subject:
        problems.append(Problem(subject_line, "no subject", "add `subject: ...`"))
    return Source(subject, subject_line, "\n".join(lines[end + 1 :]), end + 2), problems
