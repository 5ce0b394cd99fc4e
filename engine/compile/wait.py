"""Nodes that stay -> places: spans, moments, and events that are waited for."""

from engine.compile.condition import compile_condition
from engine.compile.known import Known
from engine.compile.until import compile_until
from engine.compile.ways import leads_to
from engine.input import SEGMENT_ENTER, SEGMENT_LEAVE
from engine.language.author import Reader, nearest
from engine.language.node import Awaited, AwaitNode, Until, WaitNode
from engine.limits import BRANCHES_MAX, SAME_FIELDS_MAX, WAIT_MS_MAX
from engine.nodes.await_ import Await, Coming
from engine.nodes.wait import Wait
from engine.program import Place


def compile_wait(node: WaitNode, then: str, path: str, reader: Reader, known: Known) -> Place:
    """Return the place of a `wait`; mistakes are noted."""
    if isinstance(node.wait, Until):
        return compile_until(node, node.wait, then, path, reader, known)
    if node.else_ is not None:
        fix = "remove `else`: a span is always over, and leads to `then`"
        reader.add(f"{path}.else", "never taken", fix)
    return Wait(node.id, then, reader.read_span(node.wait, f"{path}.wait", WAIT_MS_MAX))


def compile_await(node: AwaitNode, then: str, path: str, reader: Reader, known: Known) -> Await:
    """Return the place of a `wait_for`; mistakes are noted."""
    timeout_ms = reader.read_span(node.timeout, f"{path}.timeout", WAIT_MS_MAX)
    branches = [
        _compile_branch(branch, then, f"{path}.wait_for[{i}]", reader, known)
        for i, branch in enumerate(node.wait_for)
    ]
    _check_branches(node, path, reader)
    only_again = all(branch.again for branch in branches)
    otherwise = leads_to(node.else_, f"{path}.else", reader, known, then if only_again else "")
    return Await(node.id, branches, timeout_ms, otherwise)


def _compile_branch(branch: Awaited, then: str, path: str, reader: Reader, known: Known) -> Coming:
    check_event_name(branch.event, f"{path}.event", reader, known)
    test = None
    if branch.when is not None:
        test = compile_condition(branch.when, f"{path}.when", reader, known)
    if len(branch.same) > SAME_FIELDS_MAX:
        problem = f"{len(branch.same)} fields"
        reader.add(f"{path}.same", problem, f"{SAME_FIELDS_MAX} at most")
    for i, field in enumerate(branch.same):
        if not all(field.split(".")):
            fix = "write names with single dots in between"
            reader.add(f"{path}.same[{i}]", f"{field!r} is no path", fix)
    if branch.again and branch.then is not None:
        problem = "an event that starts the wait again leads nowhere"
        reader.add(f"{path}.then", problem, "remove `then`, or `again`")
    target = leads_to(branch.then, f"{path}.then", reader, known, then)
    same = [field.split(".") for field in branch.same]
    return Coming(branch.event, target, test, same, again=branch.again)


def _check_branches(node: AwaitNode, path: str, reader: Reader) -> None:
    """Note what of a `wait_for` can never come about."""
    branches = node.wait_for
    if not branches:
        fix = "list at least one event, or use `wait:`"
        reader.add(f"{path}.wait_for", "this waits for nothing", fix)
        return
    if len(branches) > BRANCHES_MAX:
        reader.add(f"{path}.wait_for", f"{len(branches)} events", f"{BRANCHES_MAX} at most")
    takes_all: dict[str, int] = {}
    for i, branch in enumerate(branches):
        before = takes_all.get(branch.event)
        if before is not None:
            problem = f"never reached: [{before}] takes every {branch.event!r}"
            fix = f"give [{before}] a `when` or `same`, or remove this one"
            reader.add(f"{path}.wait_for[{i}]", problem, fix)
        elif branch.when is None and not branch.same:
            takes_all[branch.event] = i
    leads = any(not branch.again and branch.then is None for branch in branches)
    quiet = all(branch.again for branch in branches) and node.else_ is None
    if node.then is not None and not leads and not quiet:
        problem = "nothing leads there: each event and the timeout go elsewhere"
        reader.add(f"{path}.then", problem, "remove `then`")


def check_event_name(name: str, path: str, reader: Reader, known: Known) -> None:
    """Note a mistake where no event of this name can come."""
    if not name.strip():
        reader.add(path, "an event without a name", "write the name that senders give it")
    for prefix in (SEGMENT_ENTER, SEGMENT_LEAVE):
        segment = name.removeprefix(prefix)
        if segment != name and segment not in known.segments:
            fix = nearest(segment, known.segments)
            reader.add(path, f"there is no segment {segment!r}", fix)
