"""`JobHandler`: put the results of a job run by hand into an assessor, verified as the daemon does it.

It writes no procstatus: a task's status is written by the daemon alone.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cci.errors import DigestMismatch, NotFound, UsageError
from cci.model import Assessor, File
from cci.xnat import uris
from cci.xnat.answers import Kind
from cci.xnat.archive import Archive
from cci.xnat.default import default_archive
from cci.xnat.disk import files_below
from cci.xnat.files import measured
from cci.xnat.tables import Row, csv_reader
from cci.xnat.upload import as_json, measure

ASSESSOR_TYPE = "proc:genProcData"
_PROVENANCE = "provenance.json"


class JobHandler:
    """Collects the files of one job and puts them into one assessor of a session.

    Nothing is sent before `finish`.

    Parameters
    ----------
    project, subject, experiment
        The session, by labels or accession ids.
    label
        Label of the assessor; made by `finish` if the session has none of that label.
    archive
        The archive; the one of ``cci.connect`` if left out.

    Examples
    --------
    >>> job = JobHandler("P1", "S1", "MR1", label="P1-x-S1-x-MR1-x-QA_v1")  # doctest: +SKIP
    >>> job.add_pdf("report.pdf")  # doctest: +SKIP
    >>> job.finish()  # doctest: +SKIP
    """

    def __init__(
        self, project: str, subject: str, experiment: str, *, label: str, archive: Archive | None = None
    ) -> None:
        self.label = label
        self._project = project
        self._archive = default_archive(archive)
        self._session_uri = uris.session_in(project, subject, experiment)
        self._assessor_uri = uris.assessor(self._session_uri, label)
        self._files: dict[str, dict[str, Path]] = {}
        self._own = Path(tempfile.mkdtemp(prefix="cci-job-"))
        self._remove_own = weakref.finalize(self, shutil.rmtree, self._own, ignore_errors=True)
        self._created = False
        self._put: dict[str, tuple[File, ...]] = {}

    # -- collecting --------------------------------------------------------------------------------

    def add_pdf(self, path: str | Path) -> None:
        """Add a report to the resource PDF."""
        self._add("PDF", Path(path))

    def add_snapshots(self, thumbnail: str | Path, large: str | Path) -> None:
        """Add two images to the resource SNAPSHOTS."""
        self._add("SNAPSHOTS", Path(thumbnail))
        self._add("SNAPSHOTS", Path(large))

    def add_directory(self, local_source: str | Path, resource: str) -> None:
        """Add all files below a folder to a resource.

        Raises
        ------
        UsageError
            If it is no folder, holds no file, or holds a link.
        """
        found = files_below(Path(local_source))
        if not found:
            raise UsageError(f"{local_source} holds no file for resource {resource}")
        for name, path in found.items():
            self._add(resource, path, name)

    def add_provenance(self, mapping: Mapping[str, Any]) -> None:
        """Add what made the results (programs, versions, inputs) to the resource PROV, as JSON."""
        path = self._own / _PROVENANCE
        path.write_bytes(as_json(dict(mapping)))
        self._add("PROV", path)

    def _add(self, resource: str, path: Path, name: str = "") -> None:
        name = name or path.name
        if not path.is_file():
            raise UsageError(f"{path} is not a file")
        known = self._files.setdefault(resource, {})
        if known.get(name, path) != path:
            raise UsageError(f"resource {resource} has a file {name} already; give one of them another name")
        known[name] = path

    # -- archive -----------------------------------------------------------------------------------

    def finish(self) -> Assessor:
        """Make the assessor if it is missing, upload everything, and verify it by size and MD5.

        Returns
        -------
        Assessor
            Without a procstatus of ours; *resources* are those that were put.

        Raises
        ------
        Conflict
            If the assessor has another file under one of the names.
        DigestMismatch
            If the archive does not hold what was uploaded.
        NotFound
            If there is no such session.
        UsageError
            If there is nothing to upload.
        """
        if not self._files:
            raise UsageError(f"there are no files for assessor {self.label} yet")
        found = self._find()
        accession_id = found["id"] if found else self._create()
        results = uris.results(self._assessor_uri)
        before = self._archive.list_files(results, self._files)
        expected = {resource: measure(files) for resource, files in self._files.items()}
        for resource, files in self._files.items():
            there = {file.path for file in before[resource]}
            ours = tuple(file for file in expected[resource] if file.path not in there)
            self._put.setdefault(resource, ours)
            self._archive.upload_files(results, resource, files)
        problems = self._archive.verify(results, expected)
        if problems:
            raise DigestMismatch(f"assessor {self.label} does not hold what was uploaded: {problems[0]}")
        return Assessor(
            id=accession_id,
            label=self.label,
            xsi_type=found["xsitype"] if found else ASSESSOR_TYPE,
            project=self._project,
            resources=MappingProxyType({name: measured(name, files) for name, files in expected.items()}),
        )

    def _find(self) -> Row | None:
        params = {"columns": "ID,label,xsiType", "format": "csv"}
        columns = ("id", "label", "xsitype")
        rows: list[Row] = self._archive.connection.get(
            f"{self._session_uri}/assessors", csv_reader(columns, list), kind=Kind.CSV, params=params
        )
        return next((row for row in rows if row["label"] == self.label), None)

    def _create(self) -> str:
        self._created = True
        return self._archive.put_assessor(self._assessor_uri, ASSESSOR_TYPE, {})

    def clean_up(self) -> None:
        """Take back what this handler put, and nothing else: its files, resources and assessor."""
        results = uris.results(self._assessor_uri)
        for resource, put in self._put.items():
            self._take_back(results, resource, put)
        if self._created and not self._left(results):
            self._archive.delete(self._assessor_uri)
        self._put.clear()
        self._created = False
        self._remove_own()

    def _take_back(self, results: str, resource: str, put: tuple[File, ...]) -> None:
        there = {file.path: file for file in self._archive.list_files(results, [resource])[resource]}
        ours = [file for file in put if file.path in there and there[file.path].digest in {"", file.digest}]
        if len(ours) == len(there):
            self._archive.delete_resource(uris.resource(results, resource))
        else:
            for file in ours:
                self._archive.delete_file(results, resource, file.path)

    def _left(self, results: str) -> bool:
        try:
            return any(self._archive.list_files(results).values())
        except NotFound:
            return False
