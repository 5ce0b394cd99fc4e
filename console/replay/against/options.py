"""The options of `anlass replay --against`."""

from pathlib import Path
from typing import Annotated

import typer

Against = Annotated[
    Path | None, typer.Option(help="With --from-log: a folder of journeys to compare with.")
]
Vary = Annotated[
    list[str] | None,
    typer.Option(help="With --against: FILE:PATH=VALUE,VALUE; each value makes a draft."),
]
StatesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        help="With --against: JOURNEY=live, paused or ended, from the beginning; else as it was.",
    ),
]
Since = Annotated[
    str, typer.Option("--from", help="With --against: the draft is in force from then on.")
]
Within = Annotated[
    str, typer.Option(help="With --against: so near in time two messages of a node may be one.")
]
Html = Annotated[Path | None, typer.Option(help="With --against: write a page with plots here.")]
Processes = Annotated[
    int, typer.Option(min=0, help="With --from-log: so many at once; 0 is one for each core.")
]
Same = Annotated[bool, typer.Option("--same", help="With --against: exit 1 if anything differs.")]
