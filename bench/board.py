"""The table that `make bench` prints: what was measured, and what is wanted."""

from rich.console import Console
from rich.table import Table

screen = Console()


class Board:
    """The table that grows line by line, so that a long run shows how far it is."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, what: str, figure: str, wanted: str) -> None:
        """Add a line and print it."""
        self.rows.append((what, figure, wanted))
        screen.print(f"  {what}: [bold]{figure}[/bold]", highlight=False)

    def show(self) -> None:
        """Print the whole table."""
        table = Table(title="Anlass, what it costs", title_justify="left")
        for name in ("what", "measured", "wanted"):
            table.add_column(name)
        for row in self.rows:
            table.add_row(*row)
        screen.print(table)
