"""What the job runner gives to a command, and what it finds and tells of its words and outputs."""

from __future__ import annotations

import subprocess
import sys
from hashlib import md5
from pathlib import Path

import pytest
from support.runner import JobMaker, record, run_job

from cci.spiders import run
from cci.spiders.run import environment_of, read_job

# -- what a command gets and says ---------------------------------------------------------------


def test_environment(make_job: JobMaker) -> None:
    """The command gets its directory, its task and the granted threads; the job's own values win."""
    directory = make_job(
        'printf "%s|%s|%s|%s|%s" "$PWD" "$CCI_JOB_DIR" "$CCI_TASK" "$OMP_NUM_THREADS" "$MKL_NUM_THREADS"',
        environment={"MKL_NUM_THREADS": "7"},
    )
    run_job(directory)

    expected = f"{directory}|{directory}|p-x-s-x-e-x-Echo_v1|2|7"
    assert expected == (directory / "output.log").read_text(encoding="utf-8")


def test_cores_reach_every_library(make_job: JobMaker) -> None:
    """All five thread variables are set to the cores granted."""
    job = read_job(make_job("true") / "job.json")
    environment = environment_of(job, Path("/j"), {"OMP_NUM_THREADS": "64"})

    assert dict.fromkeys(run.THREAD_VARIABLES, "2") == {key: environment[key] for key in run.THREAD_VARIABLES}


def test_both_streams(make_job: JobMaker) -> None:
    """Standard output and error go to output.log, after what is there already."""
    directory = make_job("echo out; echo err >&2")
    (directory / "output.log").write_text("before\n", encoding="utf-8")
    run_job(directory)

    assert "before\nout\nerr\n" == (directory / "output.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"code": "corrupt-image", "message": "dwi.nii is cut short"}',
            ("corrupt-image", "dwi.nii is cut short"),
        ),
        ('{"code": "x"}', None),
        ("[1, 2]", None),
        ("not json", None),
        ("", None),
    ],
)
def test_error(make_job: JobMaker, text: str, expected: tuple[str, str] | None) -> None:
    """The cause that a command tells is taken over if it can be understood."""
    directory = make_job(f"printf '%s' '{text}' > \"$CCI_ERROR_FILE\"; exit 65")
    run_job(directory)
    error = record(directory)["error"]

    assert expected == (error and (error["code"], error["message"]))


def test_error_file_is_a_pipe(make_job: JobMaker) -> None:
    """A pipe in the place of error.json cannot keep the record from being written."""
    directory = make_job('mkfifo "$CCI_ERROR_FILE"; exit 1')
    run_job(directory)

    assert (1, None) == (record(directory)["exit_status"], record(directory)["error"])


# -- outputs ------------------------------------------------------------------------------------


def test_outputs(make_job: JobMaker) -> None:
    """Every regular file below a resource folder is listed with its size and MD5, empty ones too."""
    directory = make_job(
        "mkdir -p outputs/PDF outputs/MAPS/deep outputs/EMPTY;"
        " printf abc > outputs/PDF/report.pdf; : > 'outputs/MAPS/deep/größe $(x).nii'"
    )
    run_job(directory)
    expected = [
        {"resource": "MAPS", "path": "deep/größe $(x).nii", "size": 0, "md5": md5(b"").hexdigest()},
        {"resource": "PDF", "path": "report.pdf", "size": 3, "md5": md5(b"abc").hexdigest()},
    ]

    assert (expected, []) == (record(directory)["outputs"], record(directory)["problems"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ln -s /etc/passwd outputs/A/link", "outputs/A/link is a link"),
        ("ln -s .. outputs/A/up", "outputs/A/up is a link"),
        ("mkfifo outputs/A/pipe", "outputs/A/pipe is a pipe"),
        ("echo x > outputs/x", "outputs/x lies in no resource folder"),
        (
            "echo x > 'outputs/A/all*'",
            "outputs/A/all* has one of *?[], in its name, which archives read as a pattern",
        ),
        (
            "echo x > \"outputs/A/$(printf 'a\\nb')\"",
            "outputs/A/a\\nb has a control character or line break in its name",
        ),
        (
            "mkdir \"outputs/$(printf 'a\\tb')\"",
            "outputs/a\\tb has a control character or line break in its name",
        ),
        ("echo x > \"outputs/A/$(printf '\\377')\"", "outputs/A/\\udcff has a name that is not UTF-8"),
        ("rmdir outputs/A outputs; ln -s /etc outputs", "outputs is a link"),
    ],
)
def test_problems(make_job: JobMaker, line: str, problem: str) -> None:
    """Links, devices, stray files and impossible names are no outputs; each is named."""
    directory = make_job(f"mkdir -p outputs/A; {line}")
    run_job(directory)

    assert ([], [problem]) == (record(directory)["outputs"], record(directory)["problems"])


def test_socket() -> None:
    """A socket is named as such."""
    assert "is a socket" == run.complaint("A/s", 0o140000)


def test_no_outputs(make_job: JobMaker) -> None:
    """No output at all is recorded as such, and not judged."""
    directory = make_job("true")
    run_job(directory)

    assert ([], [], "") == tuple(record(directory)[key] for key in ("outputs", "problems", "cause"))


def test_very_deep_folder(make_job: JobMaker) -> None:
    """Folders nested deeper than Python's stack cost at most themselves."""
    nest = "import os\nfor i in range(1100): os.mkdir('d'); os.chdir('d')"
    directory = make_job(
        f'mkdir -p outputs/A; echo x > outputs/A/x; cd outputs/A; exec {sys.executable} -c "{nest}"'
    )
    run_job(directory)
    found = record(directory)
    # shutil.rmtree, which pytest cleans up with, is recursive in this Python
    subprocess.run(["rm", "-rf", directory / "outputs"], check=True)

    assert (0, ["x"]) == (found["exit_status"], [output["path"] for output in found["outputs"]])
