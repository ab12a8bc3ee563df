"""Logs: structlog for fanout and its tasks, the standard library's for all others, in one form, on one screen."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal, Protocol, cast

import structlog
from structlog.typing import Processor

from fanout.model.printable import printable
from fanout.model.row import iso
from fanout.tasks import Log
from fanout.views.redaction import Redactor

LogFormat = Literal["text", "json"]

SDK_LOGGERS = (
    "botocore",
    "aiobotocore",
    "aioboto3",
    "boto3",
    "s3transfer",
    "aiohttp",
    "urllib3",
    "asyncio",
    "moto",
    "werkzeug",
)
"""Libraries whose debug logs hold requests, session tokens and parameter values; they never log below INFO."""

_EventDict = MutableMapping[str, Any]


class Writable(Protocol):
    """Where log lines go."""

    def write(self, text: str, /) -> Any:
        """Write whole lines."""


def configure(*, verbose: int, log_format: LogFormat, stream: Writable, secrets: Redactor) -> None:
    """Set up all logging of the process; may be called again.

    `verbose` counts -v: 0 shows warnings, 1 information, 2 debug, of fanout and of tasks; 3 the SDK's information too, and
    nothing shows more of the SDK. Below 0 only errors are shown.
    """
    level = _level(verbose)
    finish: list[Processor] = [
        _without_locals(),
        lambda _, __, event: cast("_EventDict", secrets.redact_all(dict(event))),
        _as_text if log_format == "text" else structlog.processors.JSONRenderer(),
        lambda _, __, line: secrets.redact(cast("str", line)),
    ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_name,
            _stamp,
            *finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Factory(stream),
        cache_logger_on_first_use=False,
    )
    _configure_standard(level, verbose, stream, finish)


def get_logger(name: str = "fanout", **fields: Any) -> Log:
    """A log that carries `fields`; usable before `configure`, and follows it."""
    return cast("Log", structlog.get_logger(name, **fields))


def _level(verbose: int) -> int:
    if verbose < 0:
        return logging.ERROR
    return {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)


def _configure_standard(level: int, verbose: int, stream: Writable, finish: Sequence[Processor]) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(handler)
    handler = _Handler(stream, logging.INFO if verbose >= 3 else logging.WARNING)
    before: list[Processor] = [_tame_sdk, structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _stamp]
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=[remove_meta, *finish])
    )
    root.addHandler(handler)
    root.setLevel(level)
    for name in SDK_LOGGERS:
        # Set on the families themselves, so that the SDK does not even build the text of its debug logs.
        logging.getLogger(name).setLevel(max(level, handler.sdk_level))


def _is_sdk(name: str) -> bool:
    return name.partition(".")[0] in SDK_LOGGERS


class _Handler(logging.Handler):
    """Writes the standard library's records; the SDK's below a level are dropped, whoever lowered its loggers."""

    def __init__(self, stream: Writable, sdk_level: int) -> None:
        super().__init__()
        self._stream = stream
        self.sdk_level = sdk_level

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_sdk(record.name) and record.levelno < self.sdk_level:
            return False
        return bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:
            # The standard library's own answer prints the arguments, whatever they hold.
            line = f"a log record of {printable(record.name)} could not be written ({type(error).__name__})"
        self._stream.write(f"{line}\n")


def _tame_sdk(_: Any, __: str, event: _EventDict) -> _EventDict:
    """One line instead of the SDK's tracebacks: they come by the dozen when credentials cannot be had."""
    record = event.get("_record")
    if not isinstance(record, logging.LogRecord) or not _is_sdk(record.name):
        return event
    raised = event.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else None
    if error is not None:
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def _stamp(_: Any, __: str, event: _EventDict) -> _EventDict:
    event["time"] = iso(datetime.now(timezone.utc).replace(microsecond=0))
    return event


def _add_name(logger: _Lines, _: str, event: _EventDict) -> _EventDict:
    event.setdefault("logger", logger.name)
    return event


def _without_locals() -> Processor:
    """Tracebacks as Python prints them: structlog's other renderers add the values of variables."""
    return structlog.processors.format_exc_info


def _as_text(_: Any, __: str, event: _EventDict) -> str:
    head = f"{event.pop('time', '')[11:19]} {event.pop('level', 'info'):<7} {printable(str(event.pop('event', '')))}"
    event.pop("logger", None)
    blocks = [event.pop("exception", None), event.pop("stack", None)]
    fields = "".join(f"  {printable(str(key))}={_value(value)}" for key, value in event.items())
    rest = "".join(f"\n    {printable(line)}" for block in blocks if block for line in str(block).splitlines())
    return f"{head}{fields}{rest}"


def _value(value: Any) -> str:
    text = printable(value if isinstance(value, str) else repr(value))
    return f'"{text}"' if isinstance(value, str) and (not text or " " in text) else text


class _Factory:
    """Makes the loggers beneath structlog's."""

    def __init__(self, stream: Writable) -> None:
        self._stream = stream

    def __call__(self, *names: Any) -> _Lines:
        return _Lines(self._stream, str(names[0]) if names else "fanout")


class _Lines:
    """Writes each message as a line, whatever its level."""

    def __init__(self, stream: Writable, name: str) -> None:
        self._stream = stream
        self.name = name

    def _write(self, message: str) -> None:
        self._stream.write(f"{message}\n")

    debug = info = warning = error = critical = exception = msg = log = failure = fatal = _write
