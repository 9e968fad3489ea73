"""Makes the cluster that settings with ``kind: drmaa`` describe. It starts nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cci.cluster.drmaa import DrmaaCluster
from cci.cluster.drmaa_library import Contact, Library
from cci.cluster.drmaa_settings import child_environment, commands_section, contact_file, read_section
from cci.cluster.factory import open_cluster
from cci.cluster.options import SiteOptions


def from_settings(name: str, settings: Mapping[str, Any]) -> DrmaaCluster:
    """Make the cluster that a settings section with ``kind: drmaa`` describes; nothing is started yet.

    Parameters
    ----------
    name
        The section's name below ``clusters``.
    settings
        Keys of `cci.settings.DrmaaClusterSettings`, and ``spool``, the folder that keeps the contact.

    Raises
    ------
    SettingsError
        A key is unknown, or its value is wrong.
    """
    section = read_section(name, settings)
    # what the system's commands would not accept is told now, not when they are first needed
    books = open_cluster(name, commands_section(settings, section.system))
    library = Library(
        name,
        child_environment(section, os.environ),
        Contact(contact_file(name, settings)),
        call_s=section.call_s,
    )
    return DrmaaCluster(
        name,
        library,
        system=section.system,
        site=SiteOptions.of(section.model_dump()),
        ask_per_s=section.ask_per_s,
        open_books=lambda: books,
    )
