"""Logs: what is shown at which -v, in which form, and what never is."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from fanout.views.logs import SDK_LOGGERS, _Handler, configure, get_logger
from fanout.views.redaction import REDACTED, Redactor
from fanout.views.screen import Screen

_KEY_VALUE = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY1"
_UNKNOWN = "CANARY2CANARY2"
_TOKEN = "IQoJb3JpZ2luX2VjEJrCANARY" + "a" * 100


@pytest.fixture(autouse=True)
def _as_before():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in SDK_LOGGERS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    structlog.reset_defaults()


def _configured(verbose=0, log_format="text"):
    stream, secrets = io.StringIO(), Redactor()
    secrets.add(_KEY_VALUE)
    configure(verbose=verbose, log_format=log_format, stream=Screen(stream, {}), secrets=secrets)
    return stream


@pytest.mark.parametrize(
    ("verbose", "shown"),
    [(-1, "E"), (0, "WE"), (1, "IWE"), (2, "DIWE"), (3, "DIWE"), (9, "DIWE")],
)
def test_each_v_shows_more_of_fanout_and_of_tasks(verbose, shown):
    stream = _configured(verbose)

    for log in (get_logger("fanout.x"), logging.getLogger("somebodys_task")):
        log.debug("D")
        log.info("I")
        log.warning("W")
        log.error("E")

    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == [*shown, *shown]


@pytest.mark.parametrize("name", [*SDK_LOGGERS, "botocore.hooks", "aiobotocore.credentials"])
@pytest.mark.parametrize("verbose", [0, 1, 2, 3, 9])
def test_the_sdk_never_shows_debug_whoever_lowers_its_loggers(name, verbose):
    stream = _configured(verbose)
    was = logging.getLogger(name).level
    logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        logging.getLogger(name).debug("body with %s", "a secret value")
        logging.getLogger(name).info("info")
        logging.getLogger(name).warning("warning")
    finally:
        logging.getLogger(name).setLevel(was)

    assert [line.split()[2] for line in stream.getvalue().splitlines()] == (
        ["info", "warning"] if verbose >= 3 else ["warning"]
    )


def test_the_sdk_does_not_even_build_its_debug_texts():
    _configured(9)

    assert not any(logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in (*SDK_LOGGERS, "botocore.hooks"))


def test_a_log_carries_its_fields_and_escapes_what_is_hostile():
    stream = _configured(1)

    get_logger("fanout.x", account="111122223333").info("a [red]\x1b[2J", region="eu\nwest", note="two words", n=1)

    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.split(" ", 1)[1] == (
        'info    a [red]\\x1b[2J  account=111122223333  region=eu\\nwest  note="two words"  n=1\n'
    )


def test_json_logs_are_one_object_a_line_with_the_same_keys_from_both_worlds():
    stream = _configured(0, "json")

    get_logger("fanout.x", account="1").warning("one", n=1)
    logging.getLogger("elsewhere").warning("two %s", "x")

    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert {key: first[key] for key in ("event", "level", "logger", "account", "n")} == {
        "event": "one",
        "level": "warning",
        "logger": "fanout.x",
        "account": "1",
        "n": 1,
    }
    assert (second["event"], second["level"], second["logger"]) == ("two x", "warning", "elsewhere")
    assert first["time"].endswith("Z")


def _raise_with_locals():
    local_secret = "a-local-value"  # noqa: F841 - it is the value that must not be printed
    raise RuntimeError(f"denied with {_KEY_VALUE} and {_TOKEN}")


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("log", [lambda: get_logger("fanout.x"), lambda: logging.getLogger("x")])
def test_no_secret_in_messages_fields_and_tracebacks(log_format, log):
    stream = _configured(2, log_format)

    try:
        _raise_with_locals()
    except RuntimeError:
        log().warning(f"it failed with {_KEY_VALUE} aws_secret_access_key={_UNKNOWN}", exc_info=True)
    get_logger("y").warning(
        "fields",
        key=_KEY_VALUE,
        deep={"list": [_KEY_VALUE, b"x", _TOKEN]},
        secret_access_key="CANARY3CANARY3",
        error=ValueError(_KEY_VALUE),
    )
    logging.getLogger("z").warning("%s and %r", _KEY_VALUE, {"SessionToken": "CANARY4"})

    text = stream.getvalue()
    assert "CANARY" not in text
    assert "RuntimeError: denied with" in text
    assert "_raise_with_locals" in text
    assert "a-local-value" not in text.replace('local_secret = "a-local-value"', "")
    assert text.count(REDACTED) >= 8


def test_a_secret_that_is_learnt_later_goes_too():
    stream, secrets = io.StringIO(), Redactor()
    configure(verbose=0, log_format="text", stream=Screen(stream, {}), secrets=secrets)
    secrets.add("learnt-later")

    get_logger().warning("learnt-later")

    assert "learnt-later" not in stream.getvalue()


def test_tracebacks_of_the_sdk_are_one_line():
    stream = _configured(0)

    try:
        int("no credentials")
    except ValueError:
        logging.getLogger("botocore.credentials").warning("Refreshing failed", exc_info=True)

    assert (
        stream.getvalue()
        .splitlines()[0]
        .endswith("Refreshing failed  error=\"ValueError: invalid literal for int() with base 10: 'no credentials'\"")
    )
    assert "Traceback" not in stream.getvalue()


def test_a_record_whose_arguments_do_not_fit_shows_no_arguments():
    stream = _configured(0)

    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, _Handler)]

    logging.getLogger("x").warning("%d", _KEY_VALUE)

    assert stream.getvalue() == "a log record of x could not be written (TypeError)\n"


def test_configuring_again_replaces_and_does_not_double():
    first = _configured(0)
    second = _configured(0)

    get_logger().warning("a")
    logging.getLogger("x").warning("b")

    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 2


def test_a_log_made_before_follows_the_configuration():
    log = get_logger("early")
    stream = _configured(0)

    log.warning("late")

    assert "late" in stream.getvalue()
