"""`ResourceSyncer`: a session's or scan's resources beside a local folder, moving only what differs.

It adds and replaces; it deletes nothing on either side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cci.errors import UsageError
from cci.model import File
from cci.xnat import uris
from cci.xnat.archive import Archive
from cci.xnat.default import default_archive
from cci.xnat.disk import ARRIVING_PREFIX, files_below, inside, md5_of
from cci.xnat.download import fetch_file
from cci.xnat.upload import measure


class ResourceSyncer:
    """Keeps ``top/<RESOURCE>/<files>`` and the archive's resources in step.

    Parameters
    ----------
    project, subject, experiment
        The session, by labels or accession ids.
    archive
        The archive; the one of ``cci.connect`` if left out.
    scan
        A scan of the session, whose resources are meant then.

    Attributes
    ----------
    moved
        How many files the last call moved.
    """

    def __init__(
        self,
        project: str,
        subject: str,
        experiment: str,
        *,
        archive: Archive | None = None,
        scan: str | None = None,
    ) -> None:
        session = uris.session_in(project, subject, experiment)
        self._parent_uri = session if scan is None else uris.scan(session, scan)
        self._archive = default_archive(archive)
        self.moved = 0

    def sync_to_local(self, top: str | Path) -> bool:
        """Bring every file of the archive that is missing or different below *top*.

        Returns
        -------
        bool
            Whether everything that the archive lists is here now, by size and MD5 as far as it tells them.

        Raises
        ------
        Refused
            If a file's name is not safe to store.
        """
        top = Path(top)
        listing = self._archive.list_files(self._parent_uri)
        wanted = {
            label: [file for file in files if not _is_here(file, inside(top, label, file.path))]
            for label, files in listing.items()
        }
        self.moved = sum(map(len, wanted.values()))
        for label, files in wanted.items():
            self._bring(top, label, files, whole=len(files) == len(listing[label]))
        # what was brought was checked on its way, as far as the archive tells
        return all(inside(top, label, file.path).is_file() for label in wanted for file in listing[label])

    def _bring(self, top: Path, label: str, files: list[File], *, whole: bool) -> None:
        if whole:
            self._archive.download(self._parent_uri, [label], top, {label: files})
            return
        for file in files:
            path = inside(top, label, file.path)
            fetch_file(self._archive.connection, self._parent_uri, label, file, path)

    def sync_to_xnat(self, top: str | Path) -> bool:
        """Bring every file below *top* that is missing or different into the archive.

        Returns
        -------
        bool
            Whether everything below *top* is in the archive now, by size and MD5.

        Raises
        ------
        UsageError
            If *top* is no folder, holds files outside of a resource's folder, or links.
        """
        local = local_resources(Path(top))
        listing = self._archive.list_files(self._parent_uri, local)
        expected = {label: measure(files) for label, files in local.items()}
        wanted = {label: _different(files, listing[label]) for label, files in expected.items() if files}
        self.moved = sum(map(len, wanted.values()))
        for label, names in wanted.items():
            files = {name: local[label][name] for name in names}
            self._archive.upload_files(self._parent_uri, label, files, overwrite=True)
        return not self.moved or not self._archive.verify(self._parent_uri, expected)


def _is_here(file: File, path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != file.size or not file.digest:
        return False
    return md5_of(path) == file.digest


def _different(local: tuple[File, ...], there: tuple[File, ...]) -> list[str]:
    digests = {file.path: file.digest for file in there}
    return [file.path for file in local if digests.get(file.path) != file.digest]


def local_resources(top: Path) -> Mapping[str, dict[str, Path]]:
    """Return the local files by resource label and by path inside the resource.

    Raises
    ------
    UsageError
        If a file lies beside the resources' folders.
    """
    found: dict[str, dict[str, Path]] = {}
    for name, path in files_below(top).items():
        label, _, inner = name.partition("/")
        if not inner:
            raise UsageError(f"{path} is in no resource; put it into {top}/<RESOURCE>/")
        if not path.name.startswith(ARRIVING_PREFIX):
            found.setdefault(label, {})[inner] = path
    return found
