"""Logs: one line an event, with the request's or job's id, and without secrets, texts or whole phone numbers.

Every logger of the process goes the same way, ours (structlog) and those of libraries (logging), so that what a library
writes is cleaned too.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from ringfence.kit.phone import mask

HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(
    r"token|password|secret|authorization|auth_|^auth$|cookie|body|sealed|credential|csrf|api_key$|webhook_path", re.I
)
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}(?![0-9])")
_BEARER = re.compile(r"\b(?:rf|rs|rp|ri)_[A-Za-z0-9_-]{16,}|(?i:\b(?:basic|bearer)\s+[A-Za-z0-9+/=._-]{8,})")
# The path of a webhook is a secret between Twilio and us; a URL's user part may be one.
_WEBHOOK = re.compile(r"(/webhooks/twilio/)[^/\s\"']+")
_LOGIN = re.compile(r"(://[^/\s:@]+:)[^@\s]+@")
# PostgreSQL's DETAIL quotes whole rows ("Failing row contains …").
_DETAIL = re.compile(r"DETAIL:.*?(?=\n\[SQL|\n\(Background|\n\n(?:The above|During handling)|\Z)", re.S)

# Below this level these say what our own events say better, or too much.
QUIET: Mapping[str, int] = {
    "uvicorn.access": logging.CRITICAL,
    "uvicorn.error": logging.WARNING,
    "procrastinate": logging.WARNING,
    "psycopg": logging.WARNING,
    "psycopg.pool": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "twilio": logging.WARNING,
    "aiohttp.access": logging.CRITICAL,
    "asyncio": logging.WARNING,
    "mail.log": logging.WARNING,
}


def configure(
    *,
    level: Literal["debug", "info", "warning", "error"],
    style: Literal["json", "console"],
    stream: TextIO | None = None,
) -> None:
    """Set up all logging of the process, to standard error unless a stream is given. Called once, by a command."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        clean,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    output = stream or sys.stderr
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(style, output)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, floor in QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(floor, root.level))


def _renderer(style: Literal["json", "console"], output: TextIO) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=output.isatty(), pad_event_to=32)


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide what no log may hold: values of telling names, keys, tokens, and all but the ends of phone numbers."""
    return _clean_mapping(event)


def _clean_mapping(values: MutableMapping[str, Any]) -> dict[str, Any]:
    return {
        key: HIDDEN if _SECRET_KEY.search(str(key)) and value is not None else _clean_value(value)
        for key, value in values.items()
    }


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, MutableMapping):
        return _clean_mapping(cast("MutableMapping[str, Any]", value))
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean_value(item) for item in cast("Iterable[Any]", value)]
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean_text(str(value))


def clean_text(text: str) -> str:
    """A text without phone numbers, keys, log-ins in addresses, webhook paths, or quoted rows."""
    text = _DETAIL.sub(f"DETAIL: {HIDDEN}", text)
    text = _WEBHOOK.sub(rf"\1{HIDDEN}", text)
    text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _BEARER.sub(HIDDEN, text)
    return _NUMBER.sub(lambda found: mask(found.group()), text)
