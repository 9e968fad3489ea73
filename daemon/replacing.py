"""Replace the results of an earlier run, so that at every moment a verified copy of old or new is there.

First the new results go, as one upload, to the resource ``CCI_NEW`` and are verified there. Then the old
files, known by path and MD5 from the attempt that made them, are kept in ``OLD`` if that was wished, and
removed; files that a person put or changed are never touched. Then the new take their place, are verified
there, and ``CCI_NEW`` goes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from cci.daemon import plain_files
from cci.errors import Conflict, Refused
from cci.model import File
from cci.xnat import Archive, uris
from cci.xnat.files import remote_md5

NEW = "CCI_NEW"
OLD = "OLD"
#: Says in ``CCI_NEW`` which attempt made it; one without it is not ours and stays.
MARK = "attempt.txt"

Files = Mapping[str, tuple[File, ...]]


class Results(Protocol):
    """What is brought: see `cci.daemon.collection.Bundle`."""

    @property
    def uri(self) -> str:
        """Address below which the resources are."""

    @property
    def files(self) -> Files:
        """Expected files by resource."""

    @property
    def folders(self) -> Mapping[str, Path]:
        """Where each resource lies here."""

    @property
    def prefix(self) -> str:
        """How the labels of all resources begin that are the task's own."""

    @property
    def nonces(self) -> Sequence[str]:
        """What marks the attempts of this task, the present one last; see `MARK`."""


@dataclass(frozen=True)
class _There:
    """What lies below an address. Where the archive gives no digest, a file is read back, at most once."""

    archive: Archive
    uri: str
    files: Files
    _read: dict[tuple[str, str], File] = field(default_factory=dict)

    def digested(self, label: str, file: File) -> File:
        """Return a file of the listing with its digest."""
        if file.digest:
            return file
        if (label, file.path) not in self._read:
            digest = remote_md5(self.archive.connection, self.uri, label, file)
            self._read[label, file.path] = replace(file, digest=digest)
        return self._read[label, file.path]

    def present(self, label: str, known: Iterable[File]) -> dict[str, File]:
        """Return, by path, those of the known files that are there with the same content."""
        listed = {file.path: file for file in self.files.get(label, ())}
        return {file.path: file for file in known if self._same(label, listed.get(file.path), file)}

    def lacking(self, label: str, wanted: Iterable[File]) -> list[File]:
        """Return the wanted files that are not there, or have another content there."""
        wanted = tuple(wanted)
        present = self.present(label, wanted)
        return [file for file in wanted if file.path not in present]

    def _same(self, label: str, there: File | None, file: File) -> bool:
        if there is None or there.size != file.size:
            return False
        return self.digested(label, there).digest == file.digest


def replace_results(
    archive: Archive, new: Results, earlier: Sequence[Files], room: Path, *, keep_old: str
) -> None:
    """Bring *new* in place of what *earlier* attempts left; each step looks first, so it can be repeated.

    Parameters
    ----------
    earlier
        What each attempt brought, by label without the prefix.
    room
        Folder to be made here for a moment, for copying old results.
    keep_old
        Folder in the resource ``OLD`` for the old files; '' if they are not to be kept.

    Raises
    ------
    Refused
        If the archive does not hold what was sent to it; nothing old was removed then.
    Conflict
        If a person has changed a file that the new results would replace, or has made a resource
        ``CCI_NEW``; it was left as it is.
    """
    there = _There(archive, new.uri, archive.list_files(new.uri))
    _demand_ours(there, new)
    wanted = {label: there.lacking(label, files) for label, files in new.files.items()}
    stale = {label: _stale(there, new, earlier, label) for label in there.files}
    if any(wanted.values()):
        _park(there, new)
    if keep_old:
        _keep(there, new.prefix, stale, keep_old, room)
    for label, files in stale.items():
        for file in files:
            archive.delete_file(new.uri, label, file.path)
    for label, files in wanted.items():
        if files:
            paths = {file.path: new.folders[label] / file.path for file in files}
            archive.upload_files(new.uri, label, paths)
    _demand(archive, new.uri, new.files)
    parked = new.prefix + NEW
    if parked in there.files or any(wanted.values()):
        archive.delete_resource(uris.resource(new.uri, parked))


def _stale(there: _There, new: Results, earlier: Sequence[Files], label: str) -> list[File]:
    """Return our old files that nobody has changed and that are not part of the new results."""
    bare = label.removeprefix(new.prefix)
    if not label.startswith(new.prefix) or bare in {NEW, OLD}:
        return []
    ours = there.present(label, (file for files in earlier for file in files.get(bare, ())))
    kept = there.present(label, new.files.get(label, ()))
    return [file for path, file in ours.items() if path not in kept and uris.is_literal(path)]


def _demand_ours(there: _There, new: Results) -> None:
    """Refuse a resource ``CCI_NEW`` that no attempt of this task has made."""
    label = new.prefix + NEW
    if there.files.get(label) and not any(there.present(label, [_mark(nonce)]) for nonce in new.nonces):
        raise Conflict(
            f"resource {label} holds files that cci did not put there",
            hint="it is where new results are laid for a moment; rename it or move its files away",
        )


def _mark(nonce: str) -> File:
    content = _mark_content(nonce)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return File(path=MARK, size=len(content), digest=digest)


def _mark_content(nonce: str) -> bytes:
    return f"{nonce}\n".encode()


def _park(there: _There, new: Results) -> None:
    """Lay the new results beside the old ones, and prove that they are there."""
    parked = {
        f"{label}/{file.path}": (file, new.folders[label] / file.path)
        for label, files in new.files.items()
        for file in files
    }
    label = new.prefix + NEW
    wanted = tuple(_moved(file, path) for path, (file, _) in parked.items())
    lacking = {file.path: parked[file.path][1] for file in there.lacking(label, wanted)}
    if not there.files.get(label):
        there.archive.put_bytes(new.uri, label, MARK, _mark_content(new.nonces[-1]))
    if lacking:
        there.archive.upload_files(new.uri, label, lacking, overwrite=True)
    _demand(there.archive, new.uri, {label: wanted})


def _moved(file: File, path: str) -> File:
    return File(path=path, size=file.size, digest=file.digest)


def _keep(there: _There, prefix: str, stale: Mapping[str, Sequence[File]], folder: str, room: Path) -> None:
    """Copy files into ``OLD`` under new paths and prove it, before any of them is removed."""
    moves = {
        f"{folder}/{label.removeprefix(prefix)}/{file.path}": (label, file)
        for label, files in stale.items()
        for file in files
    }
    old = prefix + OLD
    wanted = tuple(_moved(file, path) for path, (_, file) in moves.items())
    lacking = there.lacking(old, wanted)
    if lacking:
        plain_files.make_anew(room)
        there.archive.download(there.uri, {moves[file.path][0] for file in lacking}, room)
        paths = {file.path: room / moves[file.path][0] / moves[file.path][1].path for file in lacking}
        there.archive.upload_files(there.uri, old, paths)
        shutil.rmtree(room)
    _demand(there.archive, there.uri, {old: wanted} if wanted else {})


def _demand(archive: Archive, uri: str, expected: Files) -> None:
    problems = archive.verify(uri, expected)
    if problems:
        raise Refused(f"the archive does not hold the results: {'; '.join(problems[:5])}")
