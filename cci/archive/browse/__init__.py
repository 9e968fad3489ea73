"""Pages of the archive for people: projects, subjects, sessions, scans, results, files. They write nothing.

An address below ``/browse/`` is that of the REST interface below ``/data/`` with another beginning, is taken
apart by the same parser and needs the same rights. What clients see of the archive is not here.
"""

from __future__ import annotations

from cci.archive.browse.guard import is_own_form
from cci.archive.browse.links import ROOT
from cci.archive.browse.routes import routes, wants_pages

__all__ = ["ROOT", "is_own_form", "routes", "wants_pages"]
