from __future__ import annotations

import io

import pytest

from fanout.cli.errors import report
from fanout.model.errors import AccessError, LedgerError, SelectionError, UsageError


def told(error: BaseException, *, trace: bool = False) -> tuple[int, str]:
    stderr = io.StringIO()
    return report(error, stderr, trace=trace), stderr.getvalue()


def raised(error: Exception) -> Exception:
    try:
        secret = "hush-hush"
        if secret:
            raise error
    except type(error) as caught:
        return caught
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("x"), 2), (AccessError("x"), 6), (SelectionError("x"), 7), (LedgerError("x"), 2)]
)
def test_foreseen_errors_have_their_own_exit_code(error: Exception, code: int):
    assert told(error) == (code, "fanout: x\n")


def test_a_hint_is_a_line_of_its_own():
    assert told(UsageError("x", "do y")) == (2, "fanout: x\n  hint: do y\n")


def test_a_foreseen_error_in_a_group_is_told():
    group = ExceptionGroup("many", [ValueError("no"), ExceptionGroup("more", [AccessError("denied")])])
    assert told(group) == (6, "fanout: denied\n")


def test_an_unforeseen_error_is_one_line_without_a_traceback():
    code, said = told(raised(ValueError("odd\nthing")))
    assert code == 1
    assert said.splitlines()[0] == "fanout: internal error: ValueError: odd thing"
    assert "report" in said
    assert "Traceback" not in said


def test_a_traceback_is_shown_on_request_and_holds_no_values_of_variables():
    _, said = told(raised(ValueError("odd")), trace=True)
    assert "Traceback" in said
    assert "secret = 'hush-hush'" not in said


def test_what_could_steer_a_terminal_is_escaped():
    assert told(UsageError("a\x1b[2Jb")) == (2, "fanout: a\\x1b[2Jb\n")


def test_an_output_that_cannot_be_written_is_no_bug():
    assert told(OSError(28, "No space left on device", "<stdout>")) == (
        1,
        "fanout: the output cannot be written: No space left on device\n",
    )


def test_an_error_that_nobody_can_be_told_still_has_its_exit_code():
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    assert report(UsageError("x"), Full(), trace=False) == 2


def test_a_file_that_fails_is_named():
    assert told(OSError(28, "No space left on device", "rows.csv")) == (
        1,
        "fanout: rows.csv: No space left on device\n",
    )


@pytest.mark.parametrize("flags", [["-vv"], ["-qvv"], ["-v", "-v"]])
def test_vv_asks_for_tracebacks(flags: list[str]):
    from fanout.cli.main import wants_trace

    assert wants_trace(["run", "x", *flags], {})
    assert not wants_trace(["run", "x", "-v"], {})
    assert wants_trace(["run"], {"FANOUT_DEBUG": "1"})
    assert not wants_trace(["run"], {"FANOUT_DEBUG": "0"})
