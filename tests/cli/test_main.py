from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fanout.cli.main import VERBS

HEAVY = ("aioboto3", "aiobotocore", "botocore", "boto3", "aiohttp", "moto", "sqlite3", "jmespath", "pydantic")


def start(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    # coverage would start in the child, and what it loads would count as fanout's
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fanout", *arguments],
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def imported(finished: subprocess.CompletedProcess[str]) -> set[str]:
    lines = (line for line in finished.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("line", ["--help", "run --help", "--version", "accounts --help"])
def test_help_loads_nothing_heavy(line: str):
    finished = start(*line.split())
    assert finished.returncode == 0
    assert "fanout" in imported(finished)
    assert imported(finished) & {*HEAVY, "rich", "structlog", "anyio"} == set()


@pytest.mark.parametrize("line", ["config show", "tasks", "runs"])
def test_what_asks_nothing_of_aws_does_not_load_its_library(line: str):
    assert imported(start(*line.split())) & {"botocore", "aiohttp", "moto", "pydantic"} == set()


def test_the_version_is_the_distributions(fanout):
    result = fanout("--version")
    assert (result.code, result.out) == (0, f"fanout {version('fanout')}\n")


def test_help_is_data_and_fits_eighty_columns(fanout):
    for verb in VERBS:
        result = fanout(verb, "--help")
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith(f"Usage: fanout {verb} ")
        assert "Examples:\n  1. " in result.out
        assert max(len(line) for line in result.out.splitlines()) <= 80


@pytest.mark.parametrize("line", ["runs show", "runs export", "runs delete", "config show", "sandbox up"])
def test_lower_verbs_have_help_with_examples(fanout, line: str):
    result = fanout(*line.split(), "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: fanout {line} ")
    assert "  2. " in result.out


def test_the_root_lists_the_verbs(fanout):
    for result in (fanout("--help"), fanout()):
        said = result.out + result.err
        for verb in VERBS:
            assert f"\n  {verb} " in said
    assert fanout().code == 2
    assert fanout().out == ""


@pytest.mark.parametrize("verb", ["sql", "new"])
def test_verbs_that_nothing_stands_behind_do_not_exist(fanout, verb: str):
    result = fanout(verb)
    assert result.code == 2
    assert f"there is no verb '{verb}'" in result.err


def test_an_unknown_variable_is_a_warning_and_no_more(fanout, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FANOUT_OUTPT", "csv")
    result = fanout("tasks")
    assert result.code == 0
    assert result.err.startswith("fanout: warning: FANOUT_OUTPT means nothing to fanout; did you mean FANOUT_OUTPUT")
    assert result.err.count("\n") == 1


def test_a_reader_that_leaves_early_hears_no_complaint():
    for line in ("tasks", "run --help", "config show"):
        finished = subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -m fanout {line} | true'], capture_output=True, text=True, check=False
        )
        assert finished.stderr == ""


def test_help_survives_a_terminal_that_knows_only_ascii(fanout):
    file = fanout.write(
        "umlaut.py", 'from fanout import task\n\n@task(actions=[])\nasync def u(ctx):\n    """Zähle…"""\n    yield {}\n'
    )
    finished = start("run", str(file), "--help", PYTHONIOENCODING="ascii")
    assert finished.returncode == 0
    assert "hle" in finished.stdout


def test_without_accounts_credentials_nor_organization_the_exit_code_is_six(fanout):
    result = fanout("accounts", "-a", "org")
    assert result.code == 6
    assert result.err.startswith("fanout: ")


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    command = f'"{sys.executable}" -m fanout {line}'
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("line", ["--help", "run --help", "--version", "tasks", "config show -o table"])
def test_an_output_that_is_full_is_one_plain_line(fanout, line: str):
    finished = in_shell(f"{line} >/dev/full")
    assert finished.returncode == 1
    assert finished.stderr == "fanout: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("line", "code"), [("--help", 0), ("tasks", 0), ("rnu", 2), ("accounts -a -", 6)])
def test_streams_that_are_closed_are_as_if_nobody_read_or_wrote(fanout, line: str, code: int, closed: str):
    finished = in_shell(f"{line} {closed}")
    assert finished.returncode == code
    assert "internal" not in finished.stderr
    assert bool(finished.stdout) == (code == 0 and ">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize(("line", "code"), [("tasks", 0), ("rnu", 2)])
def test_a_stderr_that_is_full_changes_no_exit_code(fanout, line: str, code: int):
    assert in_shell(f"{line} 2>/dev/full").returncode == code


def test_a_run_keeps_its_ledger_whole_where_its_streams_are_closed(fanout, task_file: Path):
    finished = in_shell(f"run {task_file} -a self --sandbox --summary-file summary.json <&- >&- 2>&-")
    assert finished.returncode == 0
    assert json.loads((fanout.directory / "summary.json").read_text())["rows"] == 1
