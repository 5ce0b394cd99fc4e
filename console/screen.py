"""Screen: how results look to a person: tables, bars, messages."""

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from ingest.readers import LineRejection

NAME: Final = "anlass"
"""Of the command."""

console = Console()
errors = Console(stderr=True)


def be_quiet() -> None:
    """Show no bars in this process: several threads would, and nobody looks."""
    errors.quiet = True


def progress_bar(unit: str = "events") -> Progress:
    """Return a bar for events, or another unit, with their rate.

    On standard error, so that results can be piped; it is quiet where that is no terminal.
    """
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>9,.0f} " + unit + "/s"),
        console=errors,
        transient=True,
        disable=errors.quiet or not errors.is_terminal,
    )


def size_words(size: float) -> str:
    """Return bytes for a person, three digits of them."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def pairs(*rows: tuple[str, str]) -> Table:
    """Return a table of names and what each comes to."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    return table


def show_rejections(file: str, rejections: Iterable[LineRejection]) -> None:
    """Print, a line each, what of a file is no event, and why."""
    for each in rejections:
        where = f"{file}, line {each.line}: {each.error}"
        errors.print(f"{where} - at `{each.path}`", soft_wrap=True, markup=False)
