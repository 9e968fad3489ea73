"""The commands ``archive serve``, ``load``, ``check``, ``backup``, ``log``. They parse arguments and call."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from starlette.middleware import Middleware

from cci.errors import CciError, UsageError

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


def _no_password_in_sight(context: click.Context, parameter: click.Parameter, address: str) -> str:
    from cci.archive.store.whereabouts import has_password

    source = context.get_parameter_source(str(parameter.name))
    if source is ParameterSource.COMMANDLINE and address and has_password(address):
        raise UsageError(
            "a password in --database can be read by everybody on this host",
            hint="put it into ~/.pgpass, or the whole address into the variable CCI_ARCHIVE_DATABASE",
        )
    return address


_ROOT = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder that the archive keeps everything in; made if it does not exist.",
)
_OLD_ROOT = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of the archive.",
)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SITE = click.option("--site-id", default="XNAT", show_default=True, help="Beginning of new accession ids.")


_DATABASE = click.option(
    "--database",
    envvar="CCI_ARCHIVE_DATABASE",
    default="",
    metavar="URL",
    callback=_no_password_in_sight,
    help="postgresql://USER@HOST/DATABASE, where the tables are kept instead of in SQLite; also from the"
    " environment, as CCI_ARCHIVE_DATABASE. The folder remembers it.",
)


@click.group()
def archive() -> None:
    """Run the embedded archive: a server that is an XNAT to its clients."""


@archive.command()
@_ROOT
@_DATABASE
@_SITE
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8104, show_default=True, help="Port to listen at; 0 takes a free one.")
@click.option("--user", default="admin", show_default=True, help="Name of the administrator.")
@click.option(
    "--password-file",
    type=_FILE,
    help="Holds the administrator's password. Without it a new archive makes one up: ROOT/admin.password.",
)
@click.option("--tls-certificate", type=_FILE, help="PEM file with the certificate chain; serves HTTPS only.")
@click.option("--tls-key", type=_FILE, help="PEM file with the private key of the certificate.")
@click.option(
    "--max-upload-mb",
    default=65536,
    show_default=True,
    type=click.IntRange(min=1),
    help="Largest request with files that is taken, in MB.",
)
@click.option("--open", "open_site", is_flag=True, help="Let anyone see public projects without a login.")
@click.option("--strict", is_flag=True, help="Be as unkind as a real XNAT where this archive is kinder.")
@click.option("--faults", is_flag=True, hidden=True, help="Obey orders to fail, at /cci/faults. For tests.")
def serve(
    *,
    root: Path,
    database: str,
    site_id: str,
    host: str,
    port: int,
    user: str,
    password_file: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    max_upload_mb: int,
    open_site: bool,
    strict: bool,
    faults: bool,
) -> None:
    """Serve the archive until it is stopped."""
    from cci.archive.app import create_app
    from cci.archive.limits import Limits
    from cci.archive.serve import Tls, check_port, free_port
    from cci.archive.serve import serve as run

    if (tls_certificate is None) != (tls_key is None):
        raise UsageError("--tls-certificate and --tls-key go together")
    tls = Tls(certificate=tls_certificate, key=tls_key) if tls_certificate and tls_key else None
    port = port or free_port(host)
    check_port(host, port)
    password = password_file.read_text(encoding="utf-8").strip() if password_file else ""
    app = create_app(
        root,
        middleware=_layers(strict=strict, faults=faults),
        site_id=site_id,
        user=user,
        password=password,
        open_site=open_site,
        limits=Limits(upload=max_upload_mb << 20),
        database=database,
    )
    # forms are kept there while they come in: elsewhere it may be memory, and not as large
    tempfile.tempdir = str(root / "incoming")
    run(app, host, port, tls)


@archive.command()
@_ROOT
@_DATABASE
@_SITE
@click.option("--project", required=True, help="Project to load into; made if it does not exist.")
@click.option("--session-type", default="xnat:mrSessionData", show_default=True, help="Type of new sessions.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def load(*, root: Path, database: str, site_id: str, project: str, session_type: str, folder: Path) -> None:
    """Load FOLDER into an archive that is not being served.

    FOLDER is subject/session/scan id[-type]/RESOURCE/files or subject/session/RESOURCE/files. What is in the
    archive already stays as it is.
    """
    from cci.archive.loading import Loaded, Loader, read_tree
    from cci.archive.setup import ensure_administrator
    from cci.archive.store.store import Store

    sessions = read_tree(folder)
    store = Store(root, site_id, database=database)
    try:
        loader = Loader(store, ensure_administrator(store), project, session_type)
        with click.progressbar(
            sessions, label="loading", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as shown:
            loaded = sum((loader.load(session) for session in shown), Loaded())
    finally:
        store.close()
    click.echo(
        f"loaded {loaded.files} files of {len(sessions)} sessions into {project}; "
        f"{loaded.known} were there already"
    )


@archive.command()
@_OLD_ROOT
@_DATABASE
def check(root: Path, database: str) -> None:
    """Compare every file of an archive with its size and MD5, and the tables with each other.

    The archive may be served meanwhile. Exits with 1 if something is wrong; nothing is repaired.
    """
    from cci.archive.store.checking import check as find_problems
    from cci.archive.store.checking import count_files

    found = 0
    with _progress("checking", count_files(root, database)) as shown:
        for problem in find_problems(root, lambda _size: shown.update(1), address=database):
            found += 1
            click.echo(f"{problem.where}: {problem.what}")
    click.echo(f"checked {shown.pos} files: " + (f"{found} problems" if found else "all is well"))
    if found:
        sys.exit(1)


@archive.command()
@_OLD_ROOT
@_DATABASE
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
def backup(root: Path, database: str, target: Path) -> None:
    """Copy an archive into the folder TARGET, while it is served or not.

    The copy is an archive, with its tables in SQLite: to restore it, serve it. An earlier copy in TARGET is
    brought up to date.
    """
    from cci.archive.store.backup import back_up
    from cci.archive.store.checking import count_files

    with _progress("copying", count_files(root, database)) as shown:
        done = back_up(root, target, lambda _size: shown.update(1), address=database)
    click.echo(f"copied {done.copied} files of {done.size} bytes; {target} has {done.total}")


@archive.command()
@_OLD_ROOT
@_DATABASE
def move(root: Path, database: str) -> None:
    """Move the tables of an archive from SQLite into the empty PostgreSQL database URL.

    Nothing serves the archive meanwhile. Files stay where they are; so does the SQLite file, as
    archive.db.moved.
    """
    from cci.archive.store.moving import LEFT
    from cci.archive.store.moving import move as move_tables

    if not database:
        raise UsageError("say where to: --database, or the variable CCI_ARCHIVE_DATABASE")
    rows = move_tables(root, database)
    click.echo(f"moved {rows} rows; {root / LEFT} is not used any more")


@archive.command()
@_OLD_ROOT
@click.option("--user", default="", help="Only what this user wrote.")
@click.option("--item", default="", help="Only what was written of the item with this id, and its scans.")
@click.option(
    "--since", default="", metavar="TIME", help="Only from this time on: 2026-01-31 or 2026-01-31T09:00."
)
@click.option("--failed", is_flag=True, help="Only what was refused or failed.")
@click.option(
    "--json", "as_json", is_flag=True, help="The lines as they are in the log: one JSON object each."
)
def log(*, root: Path, user: str, item: str, since: str, failed: bool, as_json: bool) -> None:
    """Tell who wrote what into an archive, and when; oldest first.

    A line is time, user, status, method, item and address, with tabs between. Times are UTC. The archive may
    be served meanwhile.
    """
    from cci.archive.audit import Wanted, entries, line

    wanted = Wanted.of(user=user, item=item, since=since, failed=failed)
    for entry in filter(wanted.takes, entries(root)):
        click.echo(line(entry, as_json=as_json))


def _progress(label: str, length: int) -> ProgressBar[int]:
    return click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty(), item_show_func=None
    )


def _layers(*, strict: bool, faults: bool) -> list[Middleware]:
    from cci.archive.faults import Faults
    from cci.archive.strict import Strict

    fault = [Middleware(Faults, control_path="/cci/faults")] if faults else []
    return [*fault, *([Middleware(Strict)] if strict else [])]


def main() -> None:
    """Run the command line; errors end it with their exit code and one sentence."""
    os.umask(0o077)  # what it keeps is about people: nobody else may read it
    try:
        archive(prog_name="archive")
    except CciError as error:
        click.echo(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""), err=True)
        sys.exit(error.exit_code)
