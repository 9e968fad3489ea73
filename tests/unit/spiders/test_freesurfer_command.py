"""How recon-all is called. The expected words are those of recon-all's and apptainer's manuals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cci.spiders.freesurfer_command import Places, Settings, call_recon_all, check_node, read_settings
from cci.spiders.staging import BadInput

PLACES = Places(
    subjects=Path("/job/recon/subjects"),
    t1=Path("/job/recon/input/t1.nii.gz"),
    scratch=Path("/job/recon/scratch"),
    license=Path("/etc/fs/license.txt"),
)
INSTALLED = Settings(subject="S1", home=Path("/opt/freesurfer"), license=PLACES.license, threads=4)
IN_IMAGE = Settings(subject="S1", container=Path("/images/fs.sif"), license=PLACES.license, threads=4)


def test_a_new_subject_is_called_with_its_input() -> None:
    """A run that begins names the T1, the subject, its directory, the flags and the threads."""
    call = call_recon_all(INSTALLED, PLACES, ["-all"], begin=True)
    expected = (
        "/opt/freesurfer/bin/recon-all -s S1 -sd /job/recon/subjects "
        "-i /job/recon/input/t1.nii.gz -all -openmp 4"
    )
    assert expected == " ".join(call.argv)


def test_a_known_subject_is_called_without_its_input() -> None:
    """A run that goes on never has -i, and is not held up by the mark of the run that was killed."""
    call = call_recon_all(INSTALLED, PLACES, ["-autorecon2", "-autorecon3"], begin=False)
    expected = (
        "/opt/freesurfer/bin/recon-all -s S1 -sd /job/recon/subjects -no-isrunning "
        "-autorecon2 -autorecon3 -openmp 4"
    )
    assert expected == " ".join(call.argv)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FREESURFER_HOME", "/opt/freesurfer"),
        ("SUBJECTS_DIR", "/job/recon/subjects"),
        ("FS_LICENSE", "/etc/fs/license.txt"),
        ("OMP_NUM_THREADS", "4"),
        ("MINC_BIN_DIR", "/opt/freesurfer/mni/bin"),
    ],
)
def test_an_installation_needs_no_shell_set_up(name: str, value: str) -> None:
    """The environment has what SetUpFreeSurfer.sh would set."""
    assert value == call_recon_all(INSTALLED, PLACES, ["-all"], begin=True).environment[name]


def test_an_installation_comes_first_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """FreeSurfer's programs are found before others of the same name."""
    monkeypatch.setenv("PATH", "/usr/bin")
    path = call_recon_all(INSTALLED, PLACES, ["-all"], begin=True).environment["PATH"]
    assert ["/opt/freesurfer/bin", "/usr/bin"] == [path.split(":")[0], path.split(":")[-1]]


def test_a_container_sees_only_what_is_bound() -> None:
    """An image runs contained, without a home directory, its inputs read-only, with plain paths inside."""
    call = call_recon_all(IN_IMAGE, PLACES, ["-all"], begin=True)
    expected = [
        *("apptainer", "exec", "--containall", "--no-home"),
        *("-B", "/job/recon/input:/cci/input:ro"),
        *("-B", "/etc/fs/license.txt:/cci/license.txt:ro"),
        *("-B", "/job/recon/subjects:/cci/subjects:rw"),
        *("-B", "/job/recon/scratch:/tmp:rw"),
        *("--env", "SUBJECTS_DIR=/cci/subjects"),
        *("--env", "FS_LICENSE=/cci/license.txt"),
        *("--env", "OMP_NUM_THREADS=4"),
        "/images/fs.sif",
        *(
            "recon-all",
            "-s",
            "S1",
            "-sd",
            "/cci/subjects",
            "-i",
            "/cci/input/t1.nii.gz",
            "-all",
            "-openmp",
            "4",
        ),
    ]
    assert expected == list(call.argv)


def test_a_container_changes_nothing_of_the_environment_outside() -> None:
    """What the image's programs need is handed to them by name, not through the runtime's environment."""
    assert {} == call_recon_all(IN_IMAGE, PLACES, ["-all"], begin=True).environment


@pytest.mark.parametrize(
    ("settings", "subjects"),
    [(INSTALLED, "/job dir/subjects"), (IN_IMAGE, "/job:dir/subjects"), (IN_IMAGE, "/job,dir/subjects")],
)
def test_a_path_that_would_be_split_is_refused(settings: Settings, subjects: str) -> None:
    """A path that recon-all or the container runtime would take for two is refused, not mangled."""
    places = Places(subjects=Path(subjects), t1=PLACES.t1, scratch=PLACES.scratch, license=PLACES.license)
    with pytest.raises(BadInput) as caught:
        call_recon_all(settings, places, ["-all"], begin=True)
    assert "unusable-path" == caught.value.code


@pytest.mark.parametrize(
    ("parameters", "target", "expected"),
    [
        ({}, {"session": "S 01; $(x)"}, "S_01_x"),
        ({}, {"session": "Ünïcode/../x"}, "n_code_x"),
        ({}, {"session": "--all"}, "all"),
        ({}, {}, "subject"),
        ({"subject": "bert"}, {"session": "S01"}, "bert"),
    ],
)
def test_the_subject_has_a_safe_name(
    parameters: dict[str, Any], target: dict[str, str], expected: str
) -> None:
    """Whatever a label holds, the subject's directory has a plain name."""
    settings = read_settings({"freesurfer_home": "/opt/fs", **parameters}, target)
    assert expected == settings.subject


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "freesurfer-missing"),
        ({"freesurfer_home": "opt/freesurfer"}, "bad-parameter"),
        ({"freesurfer_home": "/opt/fs", "subject": "../bert"}, "bad-parameter"),
        ({"freesurfer_home": "/opt/fs", "subject": "-all"}, "bad-parameter"),
        ({"freesurfer_home": "/opt/fs", "flags": "-all -3T"}, "bad-parameter"),
        ({"freesurfer_home": "/opt/fs", "threads": "many"}, "bad-parameter"),
        ({"freesurfer_home": "/opt/fs", "threads": -1}, "bad-parameter"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], code: str) -> None:
    """A parameter of the wrong form ends the spider at once, with a code."""
    with pytest.raises(BadInput) as caught:
        read_settings(parameters, {})
    assert code == caught.value.code


def test_the_examples_of_the_guide_are_accepted() -> None:
    """Whatever the how-to page shows can be copied into the settings."""
    page = Path(__file__).parents[3] / "docs" / "howto" / "freesurfer.md"
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    read = [
        read_settings(yaml.safe_load(block)["processors"]["freesurfer"]["parameters"], {}) for block in blocks
    ]
    expected = [(Path("/opt/freesurfer"), None), (None, Path("/images/freesurfer-7.4.1.sif"))]
    assert expected == [(settings.home, settings.container) for settings in read]


def test_threads_are_what_the_job_was_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a parameter the job runner's OMP_NUM_THREADS counts."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert 3 == read_settings({"freesurfer_home": "/opt/fs"}, {}).threads


def _node(
    folder: Path, *, license_text: str = "key", program: bool = True, image: bool = True
) -> dict[str, str]:
    """Make what a node may have, and return the parameters that name it."""
    (folder / "bin").mkdir()
    (folder / "license.txt").write_text(license_text, encoding="utf-8")
    if program:
        (folder / "bin" / "recon-all").touch(mode=0o755)
    if image:
        (folder / "fs.sif").touch()
    return {"home": str(folder), "image": str(folder / "fs.sif"), "license": str(folder / "license.txt")}


def test_a_node_that_has_all_is_accepted(tmp_path: Path) -> None:
    """A readable licence and an executable program are enough; the licence may be the installation's own."""
    node = _node(tmp_path)
    assert check_node(read_settings({"freesurfer_home": node["home"]}, {})) is None  # type: ignore[func-returns-value]


def test_an_empty_licence_is_no_licence(tmp_path: Path) -> None:
    """The licence is looked at on the node again, before hours are spent."""
    node = _node(tmp_path, license_text="")
    with pytest.raises(BadInput, match=r"license\.txt is not there, cannot be read, or is empty") as caught:
        check_node(read_settings({"freesurfer_home": node["home"]}, {}))
    assert "license-missing" == caught.value.code


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"freesurfer_home": "{home}"}, "freesurfer-missing"),
        ({"container": "{image}", "license": "{license}"}, "container-missing"),
        ({"container": "{home}", "runtime": "no-such-runtime", "license": "{license}"}, "container-missing"),
        ({"container": "{home}"}, "license-missing"),
        ({"recon_all": "{home}/bin/recon-all", "license": "/no/such/file"}, "license-missing"),
    ],
)
def test_what_the_node_lacks_is_named(tmp_path: Path, parameters: dict[str, str], code: str) -> None:
    """A missing program, image, runtime or licence has a code of its own."""
    node = _node(tmp_path, program=False, image=False)
    filled = {name: text.format(**node) for name, text in parameters.items()}
    with pytest.raises(BadInput) as caught:
        check_node(read_settings(filled, {}))
    assert code == caught.value.code
