from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DIRECTORY = Path(__file__).parents[2] / "benchmarks"
QUESTIONS = {
    "startup": 2,
    "ledger": 2,
    "memory": 1,
    "connections": 3,
    "latency": 1,
    "overhead": 2,
    "exec_cpu": 1,
    "changing": 3,
}
BEHIND = {"harness", "client_per_pair", "port_per_region"}
"""What benchmarks run or share."""


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DIRECTORY / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_every_benchmark_is_known_here():
    assert {path.stem for path in DIRECTORY.glob("*.py")} == set(QUESTIONS) | BEHIND


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_benchmark_in_its_quick_form_answers_each_question_in_one_line(name):
    done = run(name, "--quick")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(answers) == QUESTIONS[name]
    for answer in answers:
        assert list(answer) == ["question", "value", "unit", "bound", "ok", "details"]
        assert answer["ok"] is True
        assert answer["value"] >= 0


def test_an_unknown_option_is_a_usage_error():
    assert run("startup", "--fast").returncode == 2
