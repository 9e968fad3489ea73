"""Settings are read once; a mistake names its place and stops no more than it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cci import credentials, settings
from cci.errors import SettingsError

MINIMAL: dict[str, Any] = {"archive": {"url": "https://xnat.example.org/"}}


def test_minimal_file_has_sane_defaults() -> None:
    """An address is all that a settings file must have."""
    built = settings.build(MINIMAL, home=Path("/srv/cci"))

    expected = ("https://xnat.example.org", Path("/srv/cci/work"), "sqlite:////srv/cci/ledger.db", ["local"])
    assert expected == (built.archive.url, built.work_dir, built.ledger, list(built.clusters))


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"archive": {"url": "https://x", "usr": "me"}}, "archive.usr: there is no such setting"),
        ({"archive": {}}, "archive.url: is missing"),
        ({"archive": {"url": "xnat.example.org"}}, "archive.url: must begin with http"),
        ({"archive": {"url": "https://me:secret@x"}}, "archive.url: must not hold a user or password"),
        ({**MINIMAL, "limit": {}}, "limit: there is no such setting"),
        ({**MINIMAL, "limits": {"max_running": 0}}, "limits.max_running:"),
        (
            {**MINIMAL, "clusters": {"local": {"slots": "many"}}},
            "not one cluster is usable: clusters.local.slots: must be a whole number, not 'many'",
        ),
        ({**MINIMAL, "clusters": {"c": {"kind": "sgee"}}}, "clusters.c.kind: must be 'drmaa', 'local'"),
        ({**MINIMAL, "clusters": {}}, "clusters: is empty"),
        ({**MINIMAL, "timing": {"sweep": "10 minutes"}}, "timing.sweep: '10 minutes' is no schedule"),
        ({**MINIMAL, "timing": {"sweep": "0m"}}, "timing.sweep: '0m' is no schedule"),
        ({**MINIMAL, "timing": {"sweep": "0 2 * *"}}, "timing.sweep: '0 2 * *' is no schedule"),
    ],
)
def test_mistake_in_what_everything_needs_names_its_path(document: dict[str, Any], place: str) -> None:
    """The error of a mistaken setting has the file's name and the YAML path."""
    with pytest.raises(SettingsError, match=r"site\.yaml") as caught:
        settings.build(document, file=Path("site.yaml"))

    assert place in caught.value.message


@pytest.mark.parametrize("schedule", ["10m", "2 h", "0 2 * * *", "*/5 8-18 * * mon-fri", "0 2 1,15 * 7"])
def test_schedules(schedule: str) -> None:
    """An interval and five cron fields are schedules."""
    assert schedule == settings.build({**MINIMAL, "timing": {"sweep": schedule}}).timing.sweep


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            {"projects": {"LAB": "dti_qa"}},
            "projects.LAB.processors: must be a list of processors, such as [dti_qa]",
        ),
        (
            {"projects": {"LAB": None}},
            "projects.LAB.processors: must be a list of processors, such as [dti_qa]",
        ),
        (
            {"projects": {"LAB": ["dti_q"]}},
            "projects.LAB.processors: there is no processor 'dti_q'; did you mean 'dti_qa'?",
        ),
        (
            {"processors": {"dti_qa": {"walltime": "4 hours"}}},
            "processors.dti_qa.walltime: write hours, minutes and seconds as \"4:00:00\", not '4 hours'",
        ),
        (
            {"processors": {"dti_qa": {"cores": 0}}},
            "processors.dti_qa.cores: must be more than 0, not 0",
        ),
        (
            {"processors": {"dti_qa": 5}},
            "processors.dti_qa: must be a section with 'name: value' lines, not 5",
        ),
    ],
)
def test_mistakes_in_plain_words(sections: dict[str, Any], words: str) -> None:
    """A mistake is told as a person would say it, with what was written."""
    assert [words] == [str(problem) for problem in settings.build({**MINIMAL, **sections}).problems]


def test_mistake_in_one_processor_stops_only_that_processor() -> None:
    """A typing mistake in one of two processors leaves the other one working."""
    document = {
        **MINIMAL,
        "processors": {"dti_qa": {"memry_mb": 1}, "fmri_qa": {"memory_mb": 2048}},
        "projects": {"P1": ["dti_qa", "fmri_qa"], "P2": ["nothing"]},
    }
    built = settings.build(document)

    assert ["fmri_qa"] == list(built.processors)
    expected = [
        "processors.dti_qa.memry_mb: there is no such setting",
        "projects.P2.processors: there is no processor 'nothing'",
    ]
    assert expected == [str(problem) for problem in built.problems]


def test_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """A credentials file must have mode 0600; the hint is the command that makes it so."""
    secret = tmp_path / "xnat.cfg"
    secret.write_text('{"server": "x", "user": "me", "password": "s3cret"}')
    secret.chmod(0o644)
    archive = settings.ArchiveSettings(url="https://x", credentials=secret)

    with pytest.raises(SettingsError, match="0644") as caught:
        credentials.read_credentials(archive)
    secret.chmod(0o600)
    login = credentials.read_credentials(archive)

    assert f"chmod 600 {secret}" == caught.value.hint
    assert ("me", "s3cret") == (login.user, login.password.get_secret_value())
    assert "s3cret" not in repr(login)


def test_netrc_is_the_default_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a credentials file the login comes from netrc, by host name."""
    file = tmp_path / "netrc"
    file.write_text("machine xnat.example.org login me password s3cret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))

    login = credentials.read_credentials(settings.ArchiveSettings(url="https://xnat.example.org"))

    assert ("me", "s3cret") == (login.user, login.password.get_secret_value())
