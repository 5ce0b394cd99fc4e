"""`anlass keys`: the certificates by which the hosts of a cluster know each other."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from actors.clock import WallClock
from actors.errors import OperatorError
from actors.links.authority import CERTIFICATE_DAYS, CLUSTER_NAME, Authority
from actors.links.certificate import (
    CERTIFICATE_FILE,
    ROLES,
    CertificateLine,
    issued_folders,
    line_of,
    lines_of,
    read_certificates,
)
from console.options import AsJson, print_json
from console.screen import console, errors
from engine.limits import DAY_MS

Folder = Annotated[Path, typer.Argument(help="Folder of the authority.")]
AuthorityKey = Annotated[
    Path | None,
    typer.Option("--ca-key", help="File of the authority's key, if it is kept elsewhere."),
]
Days = Annotated[int, typer.Option(min=1, help="For how long a certificate holds.")]
All = Annotated[bool, typer.Option("--all", help="Also those with time left.")]
ChangeAuthority = Annotated[
    bool, typer.Option("--authority", help="First a new authority, beside the one that is.")
]
ForgetAuthority = Annotated[
    bool, typer.Option("--forget-authority", help="Last: trust only the new authority.")
]

keys_app = typer.Typer(
    help="Certificates of the links between the hosts of a cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@keys_app.command()
def make(folder: Folder, days: Days = CERTIFICATE_DAYS, ca_key: AuthorityKey = None) -> None:
    """Make an authority of the cluster's own, and a certificate that any of its hosts may show."""
    authority = Authority.make(folder, ca_key, WallClock().read())
    issued = authority.issue(CLUSTER_NAME, ROLES, (), days)
    console.print(f"The authority is in {folder}; its key signs: keep it off the hosts.")
    _tell_issued(issued)


@keys_app.command()
def host(
    folder: Folder,
    name: Annotated[str, typer.Option("--host", help="Name of the host, as others reach it.")],
    address: Annotated[
        list[str] | None, typer.Option(help="Another name or address that it is reached by.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="What it may be: all roles, unless some are named.")
    ] = None,
    days: Days = CERTIFICATE_DAYS,
    ca_key: AuthorityKey = None,
) -> None:
    """Make a certificate that only one host may show."""
    if name == CLUSTER_NAME:
        raise OperatorError(f"{CLUSTER_NAME!r} is for any host; name this one otherwise")
    for unknown in set(role or ()) - set(ROLES):
        raise OperatorError(f"--role {unknown!r} is no role; there are {', '.join(ROLES)}")
    authority = Authority(folder, ca_key, WallClock().read())
    _tell_issued(authority.issue(name, role or ROLES, [name, *(address or [])], days))


@keys_app.command()
def renew(
    folder: Folder,
    every: All = False,  # noqa: FBT002
    authority: ChangeAuthority = False,  # noqa: FBT002
    forget: ForgetAuthority = False,  # noqa: FBT002
    days: Days = CERTIFICATE_DAYS,
    ca_key: AuthorityKey = None,
) -> None:
    """Make certificates anew that end within 30 days, or are of the authority before."""
    now_ms = WallClock().read()
    here = Authority(folder, ca_key, now_ms)
    if authority:
        here.change()
        console.print("There are two authorities now, and both are trusted.")
        console.print(f"Copy the folders of {folder} to their hosts, then `keys renew` again.")
        return
    if forget:
        here.forget()
        console.print("Only one authority is trusted now.")
        console.print(f"Copy the folders of {folder} to their hosts.")
        return
    renewed = [each for each in issued_folders(folder) if every or _is_due(here, each, now_ms)]
    for each in renewed:
        here.renew(each, days)
        _tell_issued(each)
    if not renewed:
        console.print("Every certificate has time left; --all renews them nevertheless.")


@keys_app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of the authority, or of a host.")],
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """List certificates: whose, for what, until when."""
    now_ms = WallClock().read()
    lines = lines_of(folder)
    if json:
        for line in lines:
            print_json(line)
    else:
        _show_table(lines, now_ms)
    for line in lines:
        if notice := line.notice(now_ms):
            errors.print(Text(notice), soft_wrap=True)


def _is_due(authority: Authority, folder: Path, now_ms: int) -> bool:
    path = folder / CERTIFICATE_FILE
    (certificate, *_) = read_certificates(path)
    return bool(line_of(certificate, path).notice(now_ms)) or not authority.has_issued(certificate)


def _tell_issued(folder: Path) -> None:
    text = f"{folder}: copy this folder to its host, and start there with --keys"
    console.print(Text(text), soft_wrap=True)


def _show_table(lines: list[CertificateLine], now_ms: int) -> None:
    table = Table()
    for column in ("name", "roles", "hosts", "until (UTC)", "days left"):
        table.add_column(column, justify="right" if column == "days left" else "left")
    for line in lines:
        day = datetime.fromtimestamp(line.until_ms / 1000, UTC).strftime("%Y-%m-%d")
        roles = "authority" if line.authority else ", ".join(line.roles)
        hosts = "" if line.authority else ", ".join(line.hosts) or "any"
        left = str((line.until_ms - now_ms) // DAY_MS)
        table.add_row(Text(line.name), roles, Text(hosts), day, left)
    console.print(table)
