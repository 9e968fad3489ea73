"""Results that replace older ones: at every moment new or old is there, and a person's files always."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.fill import Fill

from cci.daemon.collection import Bundle
from cci.daemon.replacing import replace_results
from cci.errors import Conflict, Refused
from cci.model import File
from cci.xnat import Archive, uris
from cci.xnat.upload import measure

Content = Mapping[str, Mapping[str, bytes]]

#: What the first run left, as our ledger knows it.
OLD_RUN: Content = {
    "PDF": {"report.pdf": b"old report", "gone.pdf": b"only in the old run"},
    "STATS": {"stats.csv": b"the same"},
    "DATA": {"sub folder/a b.txt": b"old data"},
}
#: What people put beside it, and what they changed of it.
PERSONS: Content = {"PDF": {"notes.txt": b"a person's"}, "EDITS": {"brain.mgz": b"edited"}}
NEW_RUN: Content = {
    "PDF": {"report.pdf": b"new report"},
    "STATS": {"stats.csv": b"the same"},
    "DATA": {"sub folder/a b.txt": b"new data", "empty": b""},
    "PROV": {"provenance.json": b"new provenance"},
}
ATTEMPT = "before-attempt-2"
OLD_PROVENANCE: Content = {"PROV": {"provenance.json": b"old provenance"}}
FIRST_RUN: Content = {**OLD_RUN, **OLD_PROVENANCE}

AFTER: Content = {**NEW_RUN, "PDF": {**NEW_RUN["PDF"], **PERSONS["PDF"]}, "EDITS": PERSONS["EDITS"]}
KEPT: Content = {
    "OLD": {
        "before-attempt-2/PDF/report.pdf": b"old report",
        "before-attempt-2/PDF/gone.pdf": b"only in the old run",
        "before-attempt-2/DATA/sub folder/a b.txt": b"old data",
        "before-attempt-2/PROV/provenance.json": b"old provenance",
    }
}


class Cut(Exception):
    """The process ended here."""


class Cutting:
    """An archive at which the process ends, before or after one of the requests that change something.

    Everything else goes to the real one, and so does a request after which it ends.
    """

    CHANGES = frozenset({"upload_files", "put_bytes", "delete_file", "delete_resource"})

    def __init__(self, archive: Archive, at: int, *, after: bool) -> None:
        self.archive = archive
        self.left = at
        self.after = after

    def __getattr__(self, name: str) -> Any:
        """Return the archive's own, or for a change one that counts."""
        found = getattr(self.archive, name)
        return self._counted(found) if name in self.CHANGES else found

    def _counted(self, change: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: Any, **options: Any) -> object:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Cut
            answer = change(*arguments, **options)
            if self.left == 0:
                raise Cut
            return answer

        return counted


@dataclass
class Desk:
    """An assessor with the results of a first run, and the new ones of a second in a folder."""

    archive: Archive
    uri: str
    folder: Path
    prefix: str = ""

    def put(self, content: Content) -> None:
        """Put files where they are in the archive, as they are."""
        for label, files in content.items():
            self.archive.upload_files(
                self.uri, self.prefix + label, self._local(label, files), overwrite=True
            )

    def _local(self, label: str, files: Mapping[str, bytes]) -> dict[str, Path]:
        paths = {name: self.folder / label / name for name in files}
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name])
        return paths

    def listed(self, content: Content) -> dict[str, tuple[File, ...]]:
        """Return files as the ledger lists them."""
        return {label: measure(self._local(label, files)) for label, files in content.items()}

    def bundle(self, content: Content = NEW_RUN) -> Bundle:
        """Return the new results, in their folders."""
        listed = self.listed(content)
        return Bundle(
            uri=self.uri,
            files={self.prefix + label: files for label, files in listed.items()},
            folders={self.prefix + label: self.folder / label for label in listed},
            prefix=self.prefix,
            nonces=["first", "second"],
        )

    def replace(self, archive: Any = None, *, keep_old: str = "", earlier: Content = FIRST_RUN) -> None:
        """Replace the results of the first run."""
        before = self.listed(earlier)
        replace_results(
            archive or self.archive, self.bundle(), [before], self.folder / "room", keep_old=keep_old
        )

    def there(self) -> dict[str, dict[str, bytes]]:
        """Read everything back from the archive, by resource and path."""
        listed = self.archive.list_files(self.uri)
        room = self.folder / f"read-{uuid.uuid4().hex}"
        room.mkdir()
        self.archive.download(self.uri, [label for label, files in listed.items() if files], room)
        return {
            label: {file.path: (room / label / file.path).read_bytes() for file in files}
            for label, files in listed.items()
            if files
        }


@pytest.fixture
def desk(archive: Archive, fill: Fill, tmp_path: Path) -> Callable[[], Desk]:
    """Make desks, each with an assessor of its own."""

    def make() -> Desk:
        name = uuid.uuid4().hex[:10]
        fill.session("REPLACE", f"S{name}", f"E{name}")
        assessor = uris.assessor(uris.session_in("REPLACE", f"S{name}", f"E{name}"), f"A{name}")
        archive.put_assessor(assessor, "proc:genProcData", {"proctype": "Dti_v1"})
        folder = tmp_path / name
        folder.mkdir()
        desk = Desk(archive, uris.results(assessor), folder)
        for content in (OLD_RUN, OLD_PROVENANCE, PERSONS):
            desk.put(content)
        return desk

    return make


def test_a_rerun_replaces_results_and_nothing_else(desk: Callable[[], Desk]) -> None:
    """New results are in the place of old ones, old ones without a successor are gone, a person's stay."""
    made = desk()
    made.replace()
    assert AFTER == made.there()


def test_a_reproc_keeps_the_old_results(desk: Callable[[], Desk]) -> None:
    """Old results that differ lie in OLD, below the attempt that replaced them."""
    made = desk()
    made.replace(keep_old=ATTEMPT)
    assert {**AFTER, **KEPT} == made.there()


def test_a_second_reproc_keeps_both(desk: Callable[[], Desk]) -> None:
    """What is in OLD already stays there."""
    made = desk()
    made.replace(keep_old=ATTEMPT)
    made.put(NEW_RUN)
    made.replace(keep_old="before-attempt-3", earlier={"PDF": {"report.pdf": b"new report"}})
    there = made.there()
    assert KEPT["OLD"].items() <= there["OLD"].items()
    assert {**AFTER, "OLD": there["OLD"]} == there


def test_the_same_results_again_move_nothing(desk: Callable[[], Desk]) -> None:
    """Where everything is as it should be, only one look is taken, and one proof."""
    made = desk()
    made.replace()
    made.replace(Cutting(made.archive, 1, after=False), earlier=NEW_RUN)
    assert AFTER == made.there()


def test_a_file_that_a_person_changed_is_not_replaced(desk: Callable[[], Desk]) -> None:
    """Where a person changed one of our files, the new results wait beside it, and the refusal says why."""
    made = desk()
    made.put({"PDF": {"report.pdf": b"signed by a person"}})
    with pytest.raises(Conflict, match=r"report\.pdf"):
        made.replace()
    there = made.there()
    assert (b"signed by a person", b"new report") == (
        there["PDF"]["report.pdf"],
        there["CCI_NEW"]["PDF/report.pdf"],
    )


def test_what_another_attempt_parked_is_no_obstacle(desk: Callable[[], Desk]) -> None:
    """What a cut attempt left in CCI_NEW is replaced, and gone at the end."""
    made = desk()
    parked = {"PDF/report.pdf": b"of a cut attempt", "PDF/other.pdf": b"too"}
    made.put({"CCI_NEW": {**parked, "attempt.txt": b"first\n"}})
    made.replace()
    assert AFTER == made.there()


def test_persons_resource_of_that_name_stays(desk: Callable[[], Desk]) -> None:
    """A resource CCI_NEW that no attempt of the task has made is refused and not deleted."""
    made = desk()
    made.put({"CCI_NEW": {"notes.txt": b"a person's"}})
    with pytest.raises(Conflict, match="CCI_NEW"):
        made.replace()

    assert {"notes.txt": b"a person's"} == made.there()["CCI_NEW"]


def test_persons_provenance_stays(desk: Callable[[], Desk]) -> None:
    """Of the files in PROV those are replaced that an earlier attempt is known to have brought."""
    made = desk()
    made.put({"PROV": {"notes.txt": b"a person's"}})
    made.replace()

    assert {**NEW_RUN["PROV"], "notes.txt": b"a person's"} == made.there()["PROV"]


@pytest.mark.parametrize("name", ["*", "a,report.pdf", "[rn]*", "repor?.pdf"])
def test_names_like_patterns_are_never_deleted(desk: Callable[[], Desk], name: str) -> None:
    """An archive reads such a name as many files: it stays, and so do they."""
    made = desk()
    made.put({"PDF": {name: b"old"}})
    made.replace(earlier={**FIRST_RUN, "PDF": {**FIRST_RUN["PDF"], name: b"old"}})

    assert {**AFTER["PDF"], name: b"old"} == made.there()["PDF"]
    with pytest.raises(Refused, match="pattern"):
        made.archive.delete_file(made.uri, "PDF", name)


def _keeps_its_word(there: Mapping[str, Mapping[str, bytes]], *, keep_old: bool) -> bool:
    """Whether nothing is lost at this moment: a person's files, and old results until new are verified."""
    persons = all(PERSONS[label].items() <= there.get(label, {}).items() for label in PERSONS)
    parked = all(
        there.get("CCI_NEW", {}).get(f"{label}/{path}") == content
        or there.get(label, {}).get(path) == content
        for label, files in NEW_RUN.items()
        for path, content in files.items()
    )
    old = [(label, path, content) for label, files in OLD_RUN.items() for path, content in files.items()]
    in_place = [there.get(label, {}).get(path) == content for label, path, content in old]
    kept = [
        there.get("OLD", {}).get(f"before-attempt-2/{label}/{path}") == content
        for label, path, content in old
    ]
    every = all(
        here or (there_too if keep_old else parked) for here, there_too in zip(in_place, kept, strict=True)
    )
    return persons and every and (all(in_place) or parked)


def _cuts(desk: Callable[[], Desk], *, after: bool, keep_old: str) -> Iterator[Desk]:
    """Yield a desk for each place at which the work can be cut; the work was cut there."""
    for at in range(1, 100):
        made = desk()
        try:
            made.replace(Cutting(made.archive, at, after=after), keep_old=keep_old)
        except Cut:
            yield made
        else:
            return


#: A rerun takes no step that a reproc does not take.
CUTS = {"rerun, before": ("", False), "reproc, before": (ATTEMPT, False), "reproc, after": (ATTEMPT, True)}


@pytest.mark.slow
@pytest.mark.parametrize("row", CUTS)
def test_cut_anywhere_and_repeated(desk: Callable[[], Desk], row: str) -> None:
    """Cut before or after any change nothing is lost, and doing it again leads to the same end."""
    keep_old, after = CUTS[row]
    expected = {**AFTER, **KEPT} if keep_old else AFTER
    cuts = 0
    for made in _cuts(desk, after=after, keep_old=keep_old):
        cuts += 1
        assert _keeps_its_word(made.there(), keep_old=bool(keep_old)), f"lost at change {cuts}"
        made.replace(keep_old=keep_old)
        assert expected == made.there()
    # park, remove three and the provenance, bring three resources, clear away
    assert cuts >= 8


# -- elsewhere than in an assessor --------------------------------------------------------------------


def test_results_on_a_scan(archive: Archive, fill: Fill, tmp_path: Path) -> None:
    """On the scan itself our old results are replaced; its DICOM, and even a person's PROV, stay."""
    name = uuid.uuid4().hex[:10]
    scan = fill.scan(fill.session("REPLACE", f"S{name}", f"E{name}"), "3", type="T1")
    made = Desk(archive, scan, tmp_path)
    theirs: Content = {"DICOM": {"1.dcm": b"dicom"}, "PROV": {"mine.txt": b"a person's"}}
    made.put({"NIFTI": {"old.nii": b"old"}, **theirs})
    earlier = [made.listed({"NIFTI": {"old.nii": b"old"}})]
    new = made.bundle({"NIFTI": {"new.nii": b"new"}})
    replace_results(archive, new, earlier, tmp_path / "room", keep_old="")
    assert {"NIFTI": {"new.nii": b"new"}, **theirs} == made.there()


def test_results_of_a_project_task(archive: Archive, fill: Fill, tmp_path: Path) -> None:
    """Below a project only the task's own resources are replaced; the project's and other tasks' stay."""
    name = f"R{uuid.uuid4().hex[:10]}"
    fill.project(name)
    project = Desk(archive, uris.project(name), tmp_path / "others")
    theirs: Content = {
        "PDF": {"report.pdf": b"old report"},
        "PROV": {"provenance.json": b"a person's"},
        "CCI_Other_v1_PDF": {"report.pdf": b"old report"},
    }
    project.put(theirs)
    made = Desk(archive, uris.project(name), tmp_path / "task", prefix="CCI_Dti_v1_")
    for content in (OLD_RUN, OLD_PROVENANCE):
        made.put(content)
    made.replace(keep_old=ATTEMPT)
    ours = {f"CCI_Dti_v1_{label}": files for label, files in {**NEW_RUN, **KEPT}.items()}
    assert {**ours, **theirs} == made.there()
