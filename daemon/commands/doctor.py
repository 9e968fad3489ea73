"""``cci doctor``."""

from __future__ import annotations

import click
from rich.text import Text

from cci.daemon.commands.options import json_option
from cci.daemon.context import Context, pass_context
from cci.daemon.doctor import examine
from cci.daemon.doctor_clusters import PATIENCE_S
from cci.daemon.findings import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--jobs/--no-jobs", default=True, help="Run trial jobs on each cluster (the default), or none.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0, min_open=True),
    default=PATIENCE_S,
    show_default=True,
    metavar="SECONDS",
    help="How long the trial jobs of a cluster may take.",
)
@json_option
@pass_context
def doctor(context: Context, *, jobs: bool, patience: float, as_json: bool) -> int:
    """Check all that cci needs, and prove with jobs of a second that each cluster runs and controls them.

    Ends with 1 if something fails.
    """
    findings = []
    for finding in examine(context.settings(), patience_s=patience if jobs else None):
        findings.append(finding)
        if not as_json:
            _say(context, finding)
    if as_json:
        context.answer([{"verdict": finding.verdict, **vars(finding)} for finding in findings])
    return int(any(finding.good is False for finding in findings))


def _say(context: Context, finding: Finding) -> None:
    said = ": ".join(filter(None, (finding.name, finding.detail)))
    context.say(Text.assemble((f"{finding.verdict:4}", COLOURS[finding.verdict]), f" {said}"))
    if finding.hint:
        context.say(f"     {finding.hint}")
