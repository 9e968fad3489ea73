"""``cci show-script``: what a task is, or would be, handed to its cluster as."""

from __future__ import annotations

import click

from cci.daemon import finding
from cci.daemon.commands.options import json_option
from cci.daemon.context import Context, pass_context, print_line
from cci.daemon.scripting import Script, script_of


@click.command("show-script")
@click.argument("task")
@click.option("--cluster", default="", help="The script that the next attempt would get on this cluster.")
@json_option
@pass_context
def show_script(context: Context, task: str, cluster: str, *, as_json: bool) -> None:
    """Print the batch script of TASK: its newest attempt's, or what the next one would get.

    Nothing is written or submitted. The script alone goes to standard output.
    """
    with context.workplace() as workplace:
        script = script_of(workplace, finding.find_task(workplace, task), cluster)
    if as_json:
        context.answer({**vars(script), "path": str(script.path)})
        return
    print_line(context.errors, describe(script))
    click.echo(script.text, nl=False)


def describe(script: Script) -> str:
    """Say whose script it is, and where it lies."""
    job = f", job {script.job_id}" if script.job_id else ""
    if script.is_there:
        return f"attempt {script.attempt} on {script.cluster}{job}: {script.path}"
    return f"attempt {script.attempt} on {script.cluster}{job}: would be {script.path}"
