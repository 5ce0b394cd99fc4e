"""Sends as written -> places that know every rule of theirs; and what templates ask for."""

from collections.abc import Mapping
from typing import Final

from engine.calendar.window import Window
from engine.compile.known import Known
from engine.language.author import Reader, nearest
from engine.language.mention import NO_MENTIONS, Mentions, mentions_in
from engine.language.node import SendNode
from engine.language.rules import MARKETING, TRANSACTIONAL, WEAKEST_CONSENT, Rules
from engine.limits import MENTIONED_FIELDS_MAX, MENTIONED_NAMES_MAX, NEEDS_MAX
from engine.nodes.need import PARTS, VISIT, VISIT_FIELDS, WHOLE, Need
from engine.nodes.send import Send

DROP: Final = "drop"
WAIT: Final = "wait"


def compile_send(
    node: SendNode, then: str, rules: Rules, known: Known, path: str, reader: Reader
) -> Send:
    """Return the place of a node that sends; mistakes are noted."""
    if node.template not in known.templates:
        fix = nearest(node.template, sorted(known.templates))
        reader.add(f"{path}.template", f"there is no template {node.template!r}", fix)
    needed = _consent_for(node.send, node.purpose, rules, f"{path}.purpose", reader)
    send = Send(node.id, then, node.send, node.template, node.purpose, needed)
    send.waits_for_cap = node.on_cap == WAIT
    if node.on_cap not in (DROP, WAIT):
        send.instead = _instead(node, known, f"{path}.on_cap", reader)
    _compile_quiet(send, node, rules, f"{path}.in_quiet_hours", reader)
    send.needs = _compile_needs(node.needs, f"{path}.needs", reader)
    return send


def _instead(node: SendNode, known: Known, path: str, reader: Reader) -> str:
    if node.on_cap not in known.nodes:
        fix = nearest(node.on_cap, [DROP, WAIT, *known.nodes])
        reader.add(path, f"there is no node {node.on_cap!r}", fix)
        return ""
    return node.on_cap


def _compile_quiet(send: Send, node: SendNode, rules: Rules, path: str, reader: Reader) -> None:
    """Let a message keep the quiet hours of its channel.

    Unless its node says so, one that needs no consent does not: what a contact waits for, such as
    a code to log in with, is of no use in the morning.
    """
    hours = rules.quiet_hours.get(node.send)
    if hours is None:
        if node.in_quiet_hours is not None:
            fix = f"say when: `quiet_hours: {{{node.send}: {{from: '21:00', to: '08:00'}}}}`"
            reader.add(path, f"the settings name no quiet hours for {node.send}", fix)
        return
    if node.in_quiet_hours is None and not send.consent:
        return
    send.quiet = Window(hours.from_ms, hours.to_ms)
    send.drops_when_quiet = hours.drops
    if node.in_quiet_hours is not None:
        send.drops_when_quiet = node.in_quiet_hours == DROP


def _compile_needs(needs: list[str], path: str, reader: Reader) -> list[Need]:
    if len(needs) > NEEDS_MAX:
        reader.add(path, f"{len(needs)} needs", f"{NEEDS_MAX} at most")
    for i, text in enumerate(needs):
        problem, fix = _fault_in(text)
        if problem:
            reader.add(f"{path}[{i}]", problem, fix)
    return [Need(text) for text in needs]


def _fault_in(text: str) -> tuple[str, str]:
    """Return what is wrong with what is needed and how to mend it; empty where nothing is."""
    root, dot, rest = text.partition(".")
    if root in WHOLE:
        return (f"{text!r} is needed as a whole", f"write `{root}`") if dot else ("", "")
    if root not in PARTS:
        known = [*WHOLE, *(f"{part}.NAME" for part in PARTS)]
        fix = nearest(root, [*WHOLE, *PARTS])
        return f"there is nothing called {root!r}", fix if "mean" in fix else nearest("", known)
    if not rest or not all(rest.split(".")):
        return f"{text!r} is no path", f"write `{root}.NAME`"
    first = rest.partition(".")[0]
    if root == VISIT and first not in VISIT_FIELDS:
        return f"a visit has no {first!r}", nearest(first, list(VISIT_FIELDS))
    return "", ""


def _consent_for(channel: str, purpose: str, rules: Rules, path: str, reader: Reader) -> str:
    """Return the level of consent that a message needs, empty for none."""
    if purpose == MARKETING:
        return rules.consent.get(channel, WEAKEST_CONSENT)
    if purpose == TRANSACTIONAL:
        return ""
    if purpose not in rules.purposes:
        fix = nearest(purpose, [MARKETING, TRANSACTIONAL, *rules.purposes])
        reader.add(path, f"there is no purpose {purpose!r}", fix)
        return WEAKEST_CONSENT
    return rules.purposes[purpose]


def compile_mentions(templates: Mapping[str, str], reader: Reader) -> Mentions:
    """Return what the templates ask for together; mistakes are noted by the settings' reader."""
    mentions = mentions_in(templates.values())
    for what, found, most in (
        ("names of past events", mentions.history, MENTIONED_NAMES_MAX),
        ("fields beside past events", mentions.fields, MENTIONED_FIELDS_MAX),
    ):
        if len(found) > most:
            shown = ", ".join(found[: most + 1])
            problem = f"templates ask for {len(found)} {what}: {shown} ..."
            reader.add("$", problem, f"ask for {most} at most")
            return NO_MENTIONS
    return mentions
