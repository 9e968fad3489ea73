"""Set up logging once, at the command line's edge: lines with stable keys on standard error, for journald."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger


def set_up(*, level: str = "info", as_json: bool = False) -> None:
    """Send lines of *level* and above to standard error, and warnings of libraries in the same form."""
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render = _renderers(as_json=as_json)
    structlog.configure(
        processors=[*common, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name, _name_action],
            processors=[ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # it warns when a step is still running at its next turn, which is normal for a long sweep
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _renderers(*, as_json: bool) -> list[Processor]:
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # a traceback with the values of variables would put passwords and patients' data into the log
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _name_action(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Give a library's line the key that each of our own has."""
    return {"action": "library", **event}
