"""The command `anlass import`: contacts, consents and static lists, from files to a gateway."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
import typer
import uvloop
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from actors.errors import OperatorError
from console.options import AsJson, print_json
from console.screen import console, errors, progress_bar
from engine.language.author import NAME_FORM
from ingest.contact_file import Choice, ContactFile, ContactFileError, Refusal
from ingest.header import CONTACT
from ingest.limits import LISTS_PER_EVENT_MAX
from ingest.readers import Chunk, LineRejection
from ingest.sender import Sender, SendReport

REFUSALS_SHOWN_MAX: Final = 20

_encode = msgspec.json.Encoder().encode


class ImportReport(Struct, kw_only=True):
    """What an import came to; every row read is in one of the counts below `rows`."""

    dry_run: bool = False
    rows: int = 0
    checked: int = 0
    """In order, and not sent: it was a dry run."""
    accepted: int = 0
    repeated: int = 0
    """Accepted before, within the last day."""
    refused: int = 0
    erased: int = 0
    """Refused as their contact was erased; which ones, the gateway does not tell."""
    unanswered: int = 0
    """They may or may not have been taken: import again."""
    failed: int = 0
    """Of those accepted: the engine could not apply them, see `anlass failed`."""
    rows_per_s: float = 0.0
    refusals: list[Refusal] = []
    """The first few; all are in the file named by --report."""
    error: str = ""
    """Why it stopped before the end; empty where it did not."""


Lists = list[str]


def import_contacts(  # noqa: PLR0913, PLR0917 - the options of a command
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV or JSON lines; .gz or .zst too.")
    ],
    url: Annotated[str, typer.Option(help="Of the gateway.")] = "http://127.0.0.1:8080",
    key: Annotated[str, typer.Option(envvar="ANLASS_KEY", help="Write key.")] = "",
    contact_column: Annotated[
        str, typer.Option(help="Says whose a row is; if not `contact`, it is an attribute too.")
    ] = CONTACT,
    delimiter: Annotated[
        str, typer.Option(help="Of CSV: a sign, or `tab`; told by the header if not named.")
    ] = "",
    put_on: Annotated[
        Lists, typer.Option("--list", help="Put each contact on this list; may be repeated.")
    ] = [],  # noqa: B006 - typer makes a new one
    remove_from: Annotated[
        Lists, typer.Option(help="Take each contact off this list; may be repeated.")
    ] = [],  # noqa: B006
    empty_removes: Annotated[  # noqa: FBT002
        bool, typer.Option("--empty-removes", help="An empty cell removes the attribute.")
    ] = False,
    mark: Annotated[
        str, typer.Option(help="Any word: with another one, the same file counts once more.")
    ] = "",
    report: Annotated[
        Path | None, typer.Option(help="Write every refused row to this file, as JSON lines.")
    ] = None,
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Check only; send nothing.")
    ] = False,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Import contacts, consents and static lists; exit 1 where a row was refused.

    Each row becomes an `identify` event: durable, in order, and once, however often it is run.
    """
    choice = Choice(
        contact_column=contact_column,
        delimiter=_delimiter(delimiter),
        empty_removes=empty_removes,
        lists=_lists(put_on, remove_from),
        mark=mark,
    )
    with ExitStack() as stack:
        book = RefusalBook(None if report is None else stack.enter_context(_written(report)))
        importing = Import(files, choice, book)
        done = importing.run(None if dry_run else Sender(url, key, rejected=importing.rejected))
    if json:
        print_json(done)
    else:
        show_import(done, report)
    if done.error:
        raise OperatorError(f"{done.error}; import again: what was taken counts once")
    if done.refused or done.erased:
        raise typer.Exit(1)


class RefusalBook:
    """Refused rows: all are counted, and written where there is a file; the first few are kept."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self.count = 0
        self.first: list[Refusal] = []

    def add(self, refusal: Refusal) -> None:
        """Take a refused row in."""
        self.count += 1
        if len(self.first) < REFUSALS_SHOWN_MAX:
            self.first.append(refusal)
        if self._file is not None:
            self._file.write(_encode(refusal) + b"\n")


class Import:
    """Files on their way to a gateway. The heads of all are read before a row of one is sent."""

    def __init__(self, paths: Iterable[Path], choice: Choice, book: RefusalBook) -> None:
        self._book = book
        self._checked = 0
        try:
            with errors.status("Reading ..."):
                self._files = [ContactFile(_found(path), choice, book.add) for path in paths]
        except ContactFileError as error:
            raise OperatorError(str(error)) from None
        except OSError as error:
            raise OperatorError(f"cannot be read: {error}") from None
        self._now = self._files[0]

    def rejected(self, rejection: LineRejection) -> None:
        """Take in what the gateway says of a row of the file that is being sent."""
        self._now.refused_by_gateway(rejection)

    def run(self, sender: Sender | None) -> ImportReport:
        """Send all files in order, or without a sender check them only."""
        sent = SendReport()
        began = time.perf_counter()
        with progress_bar() as bar:
            total = sum(file.lines for file in self._files)
            task = bar.add_task("checking" if sender is None else "importing", total=total, rate=0)

            def advance(_: SendReport | None = None) -> None:
                rows = self._rows
                rate = rows / (time.perf_counter() - began)
                bar.update(task, completed=rows, rate=rate)

            if sender is None:
                for chunk in self._chunks():
                    self._checked += len(chunk.events)
                    advance()
            else:
                sent = uvloop.run(sender.send(self._chunks(), advance))
        return self._report(sent, time.perf_counter() - began, dry_run=sender is None)

    @property
    def _rows(self) -> int:
        return sum(file.rows for file in self._files)

    def _chunks(self) -> Iterator[Chunk]:
        for file in self._files:
            self._now = file
            try:
                yield from file.chunks()
            except OSError as error:
                raise OperatorError(f"{file.path} cannot be read: {error}") from None

    def _report(self, sent: SendReport, took_s: float, *, dry_run: bool) -> ImportReport:
        return ImportReport(
            dry_run=dry_run,
            rows=self._rows,
            checked=self._checked,
            accepted=sent.accepted,
            repeated=sent.repeated,
            refused=self._book.count,
            erased=sent.erased,
            unanswered=sent.failed,
            failed=sent.poisoned,
            rows_per_s=round(self._rows / took_s) if took_s else 0.0,
            refusals=sorted(self._book.first, key=lambda each: (each.file, each.line)),
            error=sent.error,
        )


def show_import(done: ImportReport, report: Path | None) -> None:
    """Print what an import came to: the first refused rows, then the counts."""
    if done.refusals:
        table = Table(title="Refused rows", title_justify="left")
        for name in ("where", "column", "value", "reason", "what to do"):
            table.add_column(name, overflow="fold")
        for each in done.refusals:
            where = f"{Path(each.file).name}:{each.line}"
            cells = (where, each.column, each.value, each.reason, each.fix)
            table.add_row(*map(Text, cells))
        console.print(table)
        more = done.refused - len(done.refusals)
        if report is not None:
            console.print(f"all {done.refused:,} of them: {report}", markup=False, soft_wrap=True)
        elif more:
            console.print(f"and {more:,} more; name a file with --report to have them all")
    counts = Table(box=None, show_header=False)
    for name, count, note in (
        ("rows read", done.rows, f"{done.rows_per_s:,.0f}/s"),
        ("in order", done.checked, "a dry run: nothing was sent"),
        ("accepted", done.accepted, "on the disk"),
        ("repeated", done.repeated, "imported before, within a day; --mark WORD counts them anew"),
        ("refused", done.refused, "mend them and import them"),
        ("erased", done.erased, "refused as their contact was erased"),
        ("unanswered", done.unanswered, "import again"),
        ("failed", done.failed, "of the accepted; see `anlass failed`"),
    ):
        if count or name in {"rows read", "refused", "in order" if done.dry_run else "accepted"}:
            counts.add_row(name, Text(f"{count:,}", justify="right"), note if count else "")
    console.print(counts)


def _found(path: Path) -> Path:
    if not path.is_file():
        raise OperatorError(f"there is no file {path}")
    return path


def _written(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise OperatorError(f"--report {path} cannot be written: {error.strerror}") from None


def _delimiter(text: str) -> str:
    """Read the option. Raises OperatorError."""
    sign = "\t" if text in {"tab", "\\t"} else text
    if len(sign) > 1 or sign in {'"', "\r", "\n"}:
        raise OperatorError(f"--delimiter {text!r} is none; write one sign, such as ; or tab")
    return sign


def _lists(put_on: Lists, remove_from: Lists) -> dict[str, bool]:
    """Return what the options say of lists, name -> on. Raises OperatorError."""
    names = [*put_on, *remove_from]
    for name in names:
        if not NAME_FORM.fullmatch(name):
            raise OperatorError(
                f"{name!r} cannot be the name of a list; "
                "use a-z, 0-9, - and _, 64 characters at most, a letter or digit first"
            )
        if names.count(name) > 1:
            raise OperatorError(f"the list {name!r} is named twice; name it once")
    if len(names) > LISTS_PER_EVENT_MAX:
        raise OperatorError(f"at most {LISTS_PER_EVENT_MAX} lists at once, not {len(names)}")
    return {**dict.fromkeys(put_on, True), **dict.fromkeys(remove_from, False)}
