"""Makes clusters from settings. It knows the kinds there are, and nothing of how they work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from cci.cluster.base import Cluster
from cci.cluster.native import Wishes
from cci.cluster.site import SiteOptions
from cci.errors import SettingsError

Factory = Callable[[str, Mapping[str, Any]], Cluster]

#: Where the factory of each kind is; loaded when it is wanted, as some need libraries that a site lacks.
KINDS: dict[str, str] = {
    "drmaa": "cci.cluster.drmaa_open:from_settings",
    "local": "cci.cluster.local:from_settings",
    "lsf": "cci.cluster.lsf:from_settings",
    "pbs": "cci.cluster.pbs:from_settings",
    "sge": "cci.cluster.sge:from_settings",
    "slurm": "cci.cluster.slurm:from_settings",
}


def open_cluster(name: str, settings: Mapping[str, Any]) -> Cluster:
    """Make the cluster that one section of the settings describes.

    Parameters
    ----------
    name
        The section's name below ``clusters``.
    settings
        The section; ``kind`` chooses the back-end, the other keys are the back-end's own.

    Raises
    ------
    SettingsError
        There is no such kind, or the back-end does not accept its keys.
    """
    kind = str(settings.get("kind", ""))
    if kind not in KINDS:
        hint = f"kinds are {', '.join(sorted(KINDS))}"
        raise SettingsError(f"clusters.{name}.kind is '{kind}', which is no kind of cluster", hint=hint)
    module, _, function = KINDS[kind].partition(":")
    factory: Factory = getattr(import_module(module), function)
    cluster = factory(name, settings)
    cluster.site = SiteOptions.of(settings)
    if cluster.dialect != "plain":
        cluster.wishes = Wishes(**{key: settings.get(key, "") for key in ("queue", "account", "native")})
    return cluster
