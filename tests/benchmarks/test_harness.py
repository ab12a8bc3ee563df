from __future__ import annotations

import json
import resource
import sys

import pytest

from benchmarks import harness


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def test_an_answer_is_one_line_with_question_value_bound_and_whether_it_holds(capsys):
    held = harness.answer("how much", 1.23456, "ms", harness.Bound(at_most=4.0), rounds=[1.00001, 2.0], pairs=7)
    assert held
    assert printed(capsys) == {
        "question": "how much",
        "value": 1.235,
        "unit": "ms",
        "bound": {"at_most": 4.0},
        "ok": True,
        "details": {"rounds": [1.0, 2.0], "pairs": 7},
    }


def test_a_broken_bound_is_said_and_returned(capsys):
    assert not harness.answer("how much", 4.001, "ms", harness.Bound(at_most=4.0))
    assert printed(capsys)["ok"] is False


def test_a_value_is_judged_before_it_is_rounded(capsys):
    assert not harness.answer("how much", 4.0004, "ms", harness.Bound(at_most=4.0))
    assert printed(capsys)["value"] == 4.0


def test_a_question_without_a_bound_is_always_well(capsys):
    assert harness.answer("how fast", 1e9, "rows/s")
    assert printed(capsys)["bound"] is None


@pytest.mark.parametrize(("value", "holds"), [(0.9, False), (1.0, True), (1.1, False)])
def test_exactly_takes_one_number_alone(value, holds):
    assert harness.exactly(1).holds(value) is holds


@pytest.mark.parametrize(("answers", "status"), [((True, True), 0), ((True, False), 1)])
def test_one_broken_bound_makes_the_exit_status_1(answers, status):
    with pytest.raises(SystemExit) as ended:
        harness.finish(*answers)
    assert ended.value.code == status


def test_nothing_is_measured_where_the_work_was_not_done():
    with pytest.raises(SystemExit, match="rows: 3, not 5"):
        harness.expect(3, 5, "rows")


def test_a_benchmark_is_quick_only_when_asked():
    assert harness.is_quick("x", ["--quick"])
    assert not harness.is_quick("x", [])


def test_an_unknown_argument_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        harness.is_quick("x", ["--fast"])
    assert ended.value.code == 2
    assert "--fast" in capsys.readouterr().err


@pytest.fixture
def place(tmp_path):
    return harness.Place("http://127.0.0.1:1", {}, "AKIDEXAMPLE", "secret", tmp_path)


def test_a_child_gets_the_endpoint_and_nothing_of_the_callers_own_aws(place, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("FANOUT_ROLE", "Admin")
    environment = place.environment()
    assert environment["AWS_ENDPOINT_URL"] == place.url
    assert environment["HOME"] == str(place.scratch)
    assert not {"AWS_PROFILE", "FANOUT_ROLE"} & set(environment)


def test_a_childs_own_cpu_and_memory_are_measured(place, tmp_path):
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + 40
    fill = f"held = b'x' * ({more} << 20); print('said')"
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    assert harness.measure([sys.executable, "-c", fill], place, out=tmp_path / "out").peak >= more
    assert harness.lines_of(tmp_path / "out") == 1
    assert harness.measure([sys.executable, "-c", burn], place).cpu >= 0.2


def test_a_child_that_fails_ends_the_benchmark_with_what_it_said(place):
    with pytest.raises(SystemExit, match="no such role"):
        harness.measure([sys.executable, "-c", "raise SystemExit('no such role')"], place)
