"""What people read is true: the settings example, the README, the decisions, the links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from pydantic import BaseModel

from cci import settings
from cci.daemon.group import HOMES, cci
from cci.retries import DEFAULT_RULES, Retries, RetryRule

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "settings.example.yaml"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#]+)\)")


def test_settings_example_loads_without_a_problem() -> None:
    """The example can be used as it stands, and says nothing that the reader does not know."""
    loaded = settings.load(EXAMPLE)

    assert loaded.problems == ()


def _keys() -> Iterator[str]:
    models: tuple[type[BaseModel], ...] = (
        settings.ArchiveSettings,
        settings.LocalClusterSettings,
        settings.DrmaaClusterSettings,
        settings.ProcessorSettings,
        settings.Limits,
        settings.Timing,
        Retries,
        RetryRule,
    )
    for model in models:
        yield from model.model_fields
    yield from ("home", "work_dir", "ledger", "clusters", "processors", "projects")


@pytest.mark.parametrize("key", sorted(set(_keys())))
def test_every_setting_is_in_the_example(key: str) -> None:
    """Each key stands in the example, as a value or as a comment."""
    assert re.search(rf"(^[\s#]*|[{{,] ?){key}:", EXAMPLE.read_text(), re.MULTILINE)


def test_example_shows_the_real_defaults() -> None:
    """Where the example does not say otherwise, its values are the defaults."""
    document = yaml.safe_load(EXAMPLE.read_text())
    shown = settings.build({**document, "processors": {}, "projects": {}})
    default = settings.build({"archive": {"url": document["archive"]["url"]}})

    assert (default.limits, default.timing, default.archive) == (shown.limits, shown.timing, shown.archive)
    assert DEFAULT_RULES == {code: shown.retry.rule(code) for code in document["retry"]}


@pytest.mark.parametrize("name", HOMES)
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    """A command that nobody is told of does not exist."""
    command = cci.get_command(click.Context(cci), name)
    assert command is not None
    assert command.help
    assert re.search(rf"`?cci (--\S+ \S+ )?{name}\b|`, … {name}\b", (ROOT / "README.md").read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """No page points at a file that is not there."""
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    broken = [link for link in links if not (page.parent / link).exists()]

    assert broken == []
