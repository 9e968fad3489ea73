"""Load the processors that the settings name; one that cannot be loaded is a problem, no more."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cci.daemon.asking import cluster_problems, refuse_wishes
from cci.daemon.plan import Configured
from cci.errors import CciError, ProcessorError, did_you_mean
from cci.inputs import Rule, Scan
from cci.processor import Processor
from cci.settings import Problem, ProcessorSettings, Settings


def load_processors(settings: Settings) -> tuple[dict[str, Configured], list[Problem]]:
    """Make the configured processors; one that cannot be made is a problem and stops nothing else.

    A cluster whose native options or template are wrong gets no new jobs; those that it has are watched.
    """
    loaded: dict[str, Configured] = {}
    problems = cluster_problems(settings)
    usable = set(settings.clusters) - {problem.path.split(".")[1] for problem in problems}
    for name, section in settings.processors.items():
        try:
            loaded[name] = _configure(name, section, settings, usable)
        except CciError as error:
            problems.append(Problem(f"processors.{name}", error.message))
        except Exception as error:  # noqa: BLE001 (a lab's module may raise anything when imported)
            problems.append(Problem(f"processors.{name}", f"{section.use}: {type(error).__name__}: {error}"))
    _refuse_twins(loaded, problems)
    return loaded, problems


def _refuse_twins(loaded: dict[str, Configured], problems: list[Problem]) -> None:
    """Two processors with one proctype would fight over the same assessors: the second is left out."""
    seen: dict[str, str] = {}
    for name in list(loaded):
        proctype = loaded[name].processor.proctype
        if proctype in seen:
            problems.append(
                Problem(f"processors.{name}", f"has the proctype {proctype} of '{seen[proctype]}'")
            )
            del loaded[name]
        else:
            seen[proctype] = name


def _configure(
    name: str, section: ProcessorSettings, settings: Settings, usable: Collection[str]
) -> Configured:
    cls = load_class(section.use, settings.folder)
    clusters = _clusters(section, settings, usable)
    # a site's own files are found on the node too: settings and spiders lie on a disk that it sees
    path = str(settings.folder) if _is_file(section.use) else ""
    processor = cls(**_overrides(cls, section))
    configured = Configured(
        name=name, processor=processor, cluster=clusters[0], clusters=clusters, search_path=path
    )
    refuse_wishes(settings, configured)
    return configured


def _clusters(section: ProcessorSettings, settings: Settings, usable: Collection[str]) -> tuple[str, ...]:
    """Return the clusters on which a processor may run: those that it names, without broken ones."""
    named = section.clusters or (next(iter(settings.clusters)),)
    for cluster in named:
        if cluster not in settings.clusters:
            raise ProcessorError(f"there is no cluster '{cluster}'{did_you_mean(cluster, settings.clusters)}")
    clusters = tuple(cluster for cluster in named if cluster in usable)
    if not clusters:
        raise ProcessorError(f"its cluster {' and '.join(named)} takes no new jobs, as its section is wrong")
    return clusters


def _is_file(use: str) -> bool:
    return use.partition(":")[0].endswith(".py")


def _overrides(cls: type[Processor], section: ProcessorSettings) -> dict[str, Any]:
    """Return what a site changes of a processor's attributes."""
    plain = ("walltime", "memory_mb", "cores", "gpus", "mpi_slots", "priority")
    changed: dict[str, Any] = {
        attribute: getattr(section, attribute)
        for attribute in plain
        if getattr(section, attribute) is not None
    }
    if section.parameters:
        changed["parameters"] = {**cls.parameters, **section.parameters}
    if section.scan_types:
        names = {rule.name for rule in cls.inputs}
        unknown = set(section.scan_types) - names
        if unknown:
            raise ProcessorError(
                f"scan_types: there is no input '{unknown.pop()}', only {', '.join(sorted(names))}"
            )
        changed["inputs"] = tuple(_retyped(rule, section.scan_types) for rule in cls.inputs)
    return changed


def _retyped(rule: Rule, scan_types: Mapping[str, list[str]]) -> Rule:
    if rule.name not in scan_types:
        return rule
    if not isinstance(rule, Scan):
        raise ProcessorError(f"scan_types: input '{rule.name}' is not a scan")
    return replace(rule, type=scan_types[rule.name])


def load_class(use: str, base: Path) -> type[Processor]:
    """Import ``module:Class`` or ``path/to/file.py:Class``; relative paths are below *base*.

    Raises
    ------
    ProcessorError
        If there is no such class, or it is no processor.
    """
    place, _, class_name = use.partition(":")
    if not class_name:
        raise ProcessorError(f"'{use}' must be 'module:Class' or 'path/to/file.py:Class'")
    try:
        module = _import_file(base / place) if _is_file(use) else importlib.import_module(place)
    except (ImportError, OSError, SyntaxError) as error:
        raise ProcessorError(f"cannot import {place}: {error}") from error
    cls = getattr(module, class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, Processor)):
        raise ProcessorError(f"{place} has no processor class '{class_name}'")
    return cls


def _import_file(path: Path) -> Any:
    name = f"cci_site_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
