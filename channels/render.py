"""Render: from a decided message and its templates to the text that goes out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from liquid import BoundTemplate
from liquid.exceptions import LiquidError
from msgspec import Struct

from channels.message import Message, one_line
from channels.request import RequestError, message_of
from channels.template import (
    CheckingEnvironment,
    Problem,
    TemplateEnvironment,
    is_template_name,
    normal_language,
    pick_language,
    read_source,
)
from engine.decision import Delivery
from engine.errors import Mistake
from engine.fold.webhook import WEBHOOK
from engine.language.author import nearest
from engine.language.mention import HISTORY, mentions_in
from engine.nodes.need import VISIT_FIELDS

CONTEXT_NAMES: Final = (
    "contact",
    "trigger",
    "products",
    "cart",
    "journey",
    "history",
    "session",
    "visit",
)
"""What a template can ask for."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode
PARTS: Final = {
    "session": ("started_at_ms", "duration_ms", "counts", "products", "cart", "cart_filled"),
    "visit": VISIT_FIELDS,
}
"""What these have, and nothing else."""

# Liquid's filters meet whatever senders sent, and not all they raise is a LiquidError.
_FAULTS: Final = (
    LiquidError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
)


class RenderError(Exception):
    """A message cannot be rendered: its journey's author must mend the template, or add it."""

    def __init__(self, key: str, template: str, problem: str) -> None:
        super().__init__(f"message {key}: {problem} - in template `{template}`")
        self.key = key
        self.template = template
        self.problem = problem


class _Compiled(Struct, frozen=True):
    name: str
    language: str
    subject: BoundTemplate
    body: BoundTemplate


class Renderer:
    """Renders messages. Templates compile on first use and stay compiled until replaced."""

    def __init__(self, templates: Mapping[str, str], language: str) -> None:
        """Take `name.language` -> text, and the language for contacts who have none of these."""
        self._environment = TemplateEnvironment()
        self.language = language
        self._texts: dict[str, str] = {}
        self._names: dict[str, dict[str, str]] = {}  # base name -> language -> full name
        self._compiled: dict[str, _Compiled] = {}
        self.add(templates)

    def add(self, templates: Mapping[str, str]) -> None:
        """Add templates; one of a name already there takes its place."""
        for name, text in templates.items():
            base, _, language = name.rpartition(".")
            self._names.setdefault(base, {})[normal_language(language)] = name
            self._texts[name] = text
            self._compiled.pop(name, None)

    def render(self, delivery: Delivery) -> Message:
        """Return the message; equal deliveries and templates give equal messages.

        A webhook has no template: its message is the request.

        Raises:
            RenderError: There is no such template, it is broken, or passes a bound.

        What is asked of a server is no text for people: it is the body, as JSON.
        """
        if delivery.channel == WEBHOOK:
            return _asking(delivery)
        if delivery.request is not None:
            return _message(delivery, "", "", _encode(delivery.request).decode())
        compiled = self._find(delivery)
        context = _context_of(delivery)
        try:
            subject = compiled.subject.render(context)
            body = compiled.body.render(context)
        except _FAULTS as error:
            raise RenderError(delivery.key, compiled.name, _text_of(error)) from error
        return _message(delivery, compiled.language, one_line(subject), body.strip("\n"))

    def _find(self, delivery: Delivery) -> _Compiled:
        languages = self._names.get(delivery.template)
        if languages is None:
            raise RenderError(delivery.key, delivery.template, "there is no such template")
        name = pick_language(languages, delivery.language, self.language)
        compiled = self._compiled.get(name)
        if compiled is None:
            try:
                compiled = self._compiled[name] = self._compile(name)
            except _FAULTS as error:
                raise RenderError(delivery.key, name, _text_of(error)) from error
        return compiled

    def _compile(self, name: str) -> _Compiled:
        source, problems = read_source(self._texts[name])
        if problems:
            raise ValueError(problems[0].problem)
        return _Compiled(
            name,
            name.rpartition(".")[2],
            self._environment.from_string(source.subject),
            self._environment.from_string(source.body),
        )


def _message(delivery: Delivery, language: str, subject: str, body: str) -> Message:
    return Message(
        key=delivery.key,
        contact=delivery.contact,
        journey=delivery.journey,
        node=delivery.node,
        channel=delivery.channel,
        at_ms=delivery.at_ms,
        purpose=delivery.purpose,
        to=_address_of(delivery),
        language=language,
        subject=subject,
        body=body + "\n",
    )


def check_templates(templates: Mapping[str, str]) -> list[Mistake]:
    """Return every mistake of every template: what would raise later, or render empty."""
    mistakes: list[Mistake] = []
    for name, text in templates.items():
        for found in _problems_of(name, text):
            path = f"line {found.line}" if found.line else "$"
            mistakes.append(
                Mistake(f"templates/{name}.liquid", path, found.problem, found.fix),
            )
    return mistakes


def _problems_of(name: str, text: str) -> Iterator[Problem]:
    if not is_template_name(name):
        fix = "name it `name.language`, such as `favourites.de`"
        yield Problem(0, f"{name!r} does not say its name and language", fix)
    source, problems = read_source(text)
    yield from problems
    yield from _liquid_problems(source.subject, source.subject_line)
    yield from _liquid_problems(source.body, source.body_line)


def _liquid_problems(text: str, first_line: int) -> Iterator[Problem]:
    """Name what is wrong with a Liquid text that begins at `first_line` of its file."""
    environment = CheckingEnvironment()
    parsed: BoundTemplate | None = None
    try:
        parsed = environment.from_string(text)
    except LiquidError as error:
        environment.found.append(error)
    for mistake in environment.found:
        at = mistake.token.start_index if mistake.token else -1
        yield Problem(_line_at(text, at, first_line), _text_of(mistake), "mend the Liquid there")
    if parsed is None or environment.found:
        return
    used = parsed.analyze()
    for name, variables in used.globals.items():
        if name not in CONTEXT_NAMES:
            line = _line_at(text, variables[0].span.index, first_line)
            yield Problem(line, f"unknown name {name!r}", nearest(name, list(CONTEXT_NAMES)))
        for variable in variables:
            problem, fix = _fault_in(name, variable.segments[1:], text)
            if problem:
                yield Problem(_line_at(text, variable.span.index, first_line), problem, fix)
    for name, spans in used.filters.items():
        if name not in environment.filters:
            line = _line_at(text, spans[0].index, first_line)
            yield Problem(
                line, f"unknown filter {name!r}", nearest(name, list(environment.filters))
            )


def _fault_in(root: str, below: Sequence[object], text: str) -> tuple[str, str]:
    """Return what is wrong with what a template asks of a name it may ask for; empty: nothing."""
    part = below[0] if below else None
    if root in PARTS:
        if below and part not in PARTS[root]:
            problem = f"{root} has no {part!r}"
            return problem, nearest(str(part), list(PARTS[root]))
    elif root == HISTORY and part not in mentions_in([text]).history:
        fix = "write `history.NAME`, or `history['NAME']`, with the name of an event"
        return "history does not say of which events", fix
    return "", ""


def _line_at(text: str, index: int, first_line: int) -> int:
    """Return the line of `index`; Liquid has none (-1) for a tag that ends too early."""
    if index < 0 and "\n" in text.strip("\n"):
        return 0
    at = index if index >= 0 else len(text) - len(text.lstrip("\n"))
    return first_line + text.count("\n", 0, at)


def _context_of(delivery: Delivery) -> dict[str, Any]:
    return {
        "contact": delivery.attributes | {"id": delivery.contact},
        "trigger": delivery.trigger,
        "products": delivery.trigger.get("products") or [],
        "cart": delivery.cart,
        "journey": delivery.journey,
        "history": delivery.history,
        "session": delivery.session,
        "visit": delivery.visit,
    }


def _asking(delivery: Delivery) -> Message:
    try:
        return message_of(delivery)
    except RequestError as error:
        raise RenderError(delivery.key, delivery.node, str(error)) from error


def _address_of(delivery: Delivery) -> str:
    if delivery.address:
        return delivery.address
    address = delivery.attributes.get("email") if delivery.channel == "email" else None
    return address.strip() if isinstance(address, str) and "@" in address else ""


def _text_of(error: Exception) -> str:
    text = error.message if isinstance(error, LiquidError) else f"{type(error).__name__}: {error}"
    return one_line(str(text))
