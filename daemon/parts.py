"""Which part of the world a sweep is asked to look at, and what to say of names that nothing has."""

from __future__ import annotations

from collections.abc import Sequence

from cci import model
from cci.daemon.finding import SOME, demand
from cci.daemon.plan import Narrowing
from cci.daemon.workplace import Workplace
from cci.errors import UsageError, did_you_mean


class NotInProject(UsageError):
    """The project has no such subject or session."""


def choose_projects(workplace: Workplace, named: Sequence[str]) -> list[str]:
    """Return the projects to sweep; all, if none is named.

    Raises
    ------
    UsageError
        If one is not in the settings: only what is listed there is ever written to.
    """
    known = workplace.settings.projects
    for name in named:
        if name not in known:
            raise UsageError(
                f"project {name} is not in the settings{did_you_mean(name, known)}",
                hint=f"projects there: {', '.join(known) or 'none'}",
            )
    return list(named or known)


def demand_processor(workplace: Workplace, name: str) -> None:
    """Refuse the name of a processor that does not run here.

    Raises
    ------
    UsageError
        If there is none with this name or proctype, or it was left out.
    """
    for problem in workplace.problems:
        if name and name not in workplace.processors and problem.path.split(".")[:2] == ["processors", name]:
            raise UsageError(f"processor '{name}' was left out: {problem}", hint="mend its section first")
    if name:
        proctypes = (configured.processor.proctype for configured in workplace.processors.values())
        demand("processor", name, {*workplace.processors, *proctypes})


def demand_part(snapshot: model.Project, part: Narrowing) -> None:
    """Refuse a subject or session that a complete snapshot does not have.

    Raises
    ------
    NotInProject
        Naming some that it has.
    """
    _demand(snapshot.id, "subject", part.subject, snapshot.subjects)
    _demand(snapshot.id, "session", part.session, [session for _, session in snapshot.sessions()])


def _demand(
    project: str, kind: str, name: str, things: Sequence[model.Subject] | Sequence[model.Session]
) -> None:
    if not name or any(name in {thing.label, thing.id} for thing in things):
        return
    labels = sorted(thing.label for thing in things)
    more = f" … ({len(labels)} in all)" if len(labels) > SOME else ""
    raise NotInProject(
        f"project {project} has no {kind} '{name}'{did_you_mean(name, labels)}",
        hint=f"{kind}s there: {', '.join(labels[:SOME]) or 'none'}{more}",
    )
