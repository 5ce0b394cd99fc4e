"""Trace: what it costs the fold that one can be asked for: with none, with one, and where none can.

The last is the engine with each question whether there is a trace taken out as it is imported. What
differs is counted in bytecode instructions, which are the same in each run, and timed.
"""

import ast
import gc
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from bench.board import Board

Kind = Literal["gone", "off", "on"]
KINDS: Final[tuple[Kind, ...]] = ("gone", "off", "on")
EVENTS: Final = 20_000
COUNTED: Final = 2_000
"""Events whose instructions are counted, behind as many that make the contacts."""

ROUNDS: Final = 3
MOST: Final = 1.01


class Cost(Struct, frozen=True):
    """What an event cost, each the mean; time of the processor."""

    instructions: float
    us: float
    asked: int
    """Questions for a trace that were taken out of the code."""


class _Untraced(ast.NodeTransformer):
    """Takes out of code each question whether there is a trace: there is none."""

    def __init__(self) -> None:
        self.asked = 0

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """`... is Trace` is false."""
        right = node.comparators[0]
        if isinstance(node.ops[0], ast.Is) and isinstance(right, ast.Name) and right.id == "Trace":
            self.asked += 1
            return ast.copy_location(ast.Constant(value=False), node)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """So is what was kept of it."""
        if node.id == "traced" and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Constant(value=False), node)
        return node


class _Loader(SourceFileLoader):
    taken_out = 0

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source without those questions, whatever was compiled before."""
        untraced = _Untraced()
        tree = untraced.visit(ast.parse(self.get_data(self.path), self.path))
        _Loader.taken_out += untraced.asked
        return compile(tree, self.path, "exec", dont_inherit=True)


class _Finder:
    """Finds the engine's modules, to be imported so."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        if fullname.partition(".")[0] != "engine":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def bench_trace(board: Board, _: object) -> None:
    """Compare the three, in turns, each in a process of its own."""
    best: dict[Kind, Cost] = {}
    for _ in range(ROUNDS):
        for kind in KINDS:
            cost = cost_of(kind, EVENTS, COUNTED)
            if kind not in best or cost.us < best[kind].us:
                best[kind] = cost
    gone, off, on = (best[kind] for kind in KINDS)
    board.add(
        f"fold without a trace, against the same without its {gone.asked} questions for one",
        f"{off.instructions / gone.instructions:.4f} of the instructions "
        f"({off.instructions:,.0f} an event), {off.us / gone.us:.2f} of the time ({off.us:.1f} µs)",
        f"≤ {MOST} of the instructions",
    )
    board.add(
        "  with a trace, against without",
        f"{on.instructions / off.instructions:.2f} of the instructions, {on.us / off.us:.2f} of "
        "the time",
        "",
    )


def cost_of(kind: Kind, events: int, counted: int) -> Cost:
    """Fold so many events in another process, and count the instructions of some; 0: time none."""
    command = ["env", "PYTHONHASHSEED=0", sys.executable, "-m", "bench.trace"]
    command += [kind, str(events), str(counted)]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    return msgspec.json.decode(said, type=Cost)


def measured(kind: Kind, events: int, counted: int) -> Cost:
    """Do that in this process, which has imported nothing of the engine so far."""
    if kind == "gone":
        sys.meta_path.insert(0, _Finder())
    from bench.decision import shop_of  # noqa: PLC0415 - now it is imported as asked for
    from engine.trace import Trace  # noqa: PLC0415

    decisions: list[Any] = Trace() if kind == "on" else []
    shop = shop_of(decisions, 2 * counted)
    _fold(shop[:counted], decisions)
    instructions = _instructions(shop[counted:], decisions) / counted
    took_s = 0.0
    if events:
        shop = shop_of(decisions, events)
        gc.disable()
        began = time.process_time()
        _fold(shop, decisions)
        took_s = time.process_time() - began
    return Cost(instructions, took_s / max(events, 1) * 1e6, _Loader.taken_out)


def _fold(shop: list[tuple[Any, Any, int]], decisions: list[Any]) -> None:
    for partition, event, at_ms in shop:
        partition.fold(event, at_ms)
        decisions.clear()


def _instructions(shop: list[tuple[Any, Any, int]], decisions: list[Any]) -> int:
    """Count the bytecode instructions of folding these."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        _fold(shop, decisions)
    finally:
        sys.settrace(None)
    return count


if __name__ == "__main__":
    asked: Any = sys.argv[1]
    sys.stdout.buffer.write(msgspec.json.encode(measured(asked, *map(int, sys.argv[2:]))))
