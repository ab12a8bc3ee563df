from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fanout.cli.checks import check_accounts
from fanout.cli.invocation import begin

CHANGING = '''
from fanout import task

@task(actions=["ec2:CreateTags"], changes=True)
async def label(ctx):
    """Label things."""
    yield {}
'''

BAD_INPUT = [
    ("run", "needs a task", "describe-instances"),
    ("run -a org", "needs a task", "describe-instances"),
    ("run desribe-instances -a org", "'desribe-instances'", "describe-instances"),
    ("run ./nowhere.py -a org", "nowhere.py", ""),
    ("run describe-instances", "no accounts were named", "ou:/PATH"),
    ("run describe-instances -a org --sate running", "--sate", "--state"),
    ("run describe-instances -a org --state runing", "--state: 'runing'", "running"),
    ("run --state runing describe-instances -a org", "--state: 'runing'", "running"),
    ("run describe-instances -a org extra", "extra", "--help"),
    ("run describe-instances -a", "'-a' requires an argument", ""),
    ("run describe-instances -a everything", "--accounts: 'everything'", ""),
    ("run describe-instances -a 12345", "--accounts: '12345'", "twelve digits"),
    ("run describe-instances -a ou:prod", "--accounts: 'ou:prod'", "ou:/prod"),
    ("run describe-instances -a org --only foo:bar", "--only: 'foo:bar'", ""),
    ("run describe-instances -a org -x tag:=x", "--exclude: 'tag:=x'", ""),
    ("run describe-instances -a org -r EU-WEST-1", "--regions: 'EU-WEST-1'", "eu-west-1"),
    ("run describe-instances -a org -c 0", "--concurrency: '0'", ""),
    ("run describe-instances -a org -c many", "--concurrency: 'many'", ""),
    ("run describe-instances -a org --per-account 0", "--per-account: '0'", ""),
    ("run describe-instances -a org --first 0", "--first: '0'", ""),
    ("run describe-instances -a org --max-targets x", "--max-targets: 'x'", ""),
    ("run describe-instances -a org --retries -1", "--retries: '-1'", ""),
    ("run describe-instances -a org --timeout soon", "--timeout: 'soon'", "15m"),
    ("run describe-instances -a org --run-timeout 0", "--run-timeout: ", ""),
    ("run describe-instances -a org --duration 5m", "--duration: ", "15m"),
    ("run describe-instances -a org --duration 13h", "--duration: ", "12h"),
    ("run describe-instances -a org --max-failures some", "--max-failures: 'some'", ""),
    ("run describe-instances -a org --require-coverage 0.99", "--require-coverage: '0.99'", "99%"),
    ("run describe-instances -a org --scp-deny maybe", "--scp-deny: 'maybe'", ""),
    ("run describe-instances -a org --role a/b/", "--role: ", ""),
    ("run describe-instances -a org --role arn:aws:iam::1:role/x", "--role: ", ""),
    ("run describe-instances -a org --session-name a", "--session-name: 'a'", ""),
    ("run describe-instances -a org --org-id ou-1234", "--org-id: 'ou-1234'", ""),
    ("run describe-instances -a org --list-role Name", "--list-role: 'Name'", ""),
    ("run describe-instances -a org -o yaml", "--output: 'yaml'", "there are table, json, jsonl, csv, none"),
    ("run describe-instances -a org -o jsnol", "--output: 'jsnol'", "did you mean jsonl"),
    ("run describe-instances -a org --out rows.xyz", "rows.xyz", ".csv"),
    ("run describe-instances -a org --out no/such/rows.csv", "no/such", ""),
    ("run describe-instances -a org -o none --out rows.csv", "-o none", ""),
    ("run describe-instances -a org --summary-file .", "--summary-file", ""),
    ("run describe-instances -a org --out a.json --summary-file a.json", "the same file", ""),
    ("run describe-instances -a org --columns instance", "'instance'", "instance_id"),
    ("run describe-instances -a org --columns region,,name", "--columns: the value is empty", ""),
    ("run describe-instances -a org --query [", "--query", ""),
    ("run caller-identity -a org -r eu-west-1", "--regions", "leave --regions away"),
    ("run caller-identity -a org --log-format xml", "--log-format: 'xml'", "there are text, json"),
    (f"run describe-instances -a @{'x' * 300}", "cannot be read", ""),
    ("run describe-instances -a @.", "cannot be read", ""),
    ("run describe-instances -a @nowhere.txt", "nowhere.txt", ""),
    ("accounts", "no accounts were named", "ou:/PATH"),
    ("regions", "no accounts were named", "ou:/PATH"),
    ("accounts -a org --query [", "--query", ""),
    ("accounts -a org --out no/such/rows.csv", "no/such", ""),
    ("accounts -a org --state x", "--state", ""),
    ("accounts -a org -c", "'-c' requires an argument", ""),
    ("tasks nothing-like-it", "'nothing-like-it'", ""),
    ("tasks --check list-vpcs", "--check", ""),
    ("runs shwo last", "'shwo'", "show"),
    ("runs show", "RUN", "--help"),
    ("runs show last", "run", ""),
    ("runs show last extra", "extra", ""),
    ("runs export nope", "nope", ""),
    ("runs delete last", "run", ""),
    ("config", "needs a verb", "show"),
    ("config shwo", "'shwo'", "show"),
    ("config show --concurrency none", "--concurrency: 'none'", ""),
    ("sandbox", "needs a verb", "up"),
    ("sandbox up --port eighty", "--port: 'eighty'", ""),
    ("sandbox up --port 65536", "--port: '65536'", ""),
    ("rnu describe-instances", "'rnu'", "run"),
    ("--accounts org run", "--accounts", "VERB --accounts"),
    ("--vresion", "--vresion", "--version"),
]


@pytest.mark.parametrize(("line", "message", "hint"), BAD_INPUT, ids=[line for line, _, _ in BAD_INPUT])
def test_bad_input_is_one_clear_line_and_nothing_is_made(fanout, line: str, message: str, hint: str):
    result = fanout(*line.split())
    assert result.code == 2
    assert result.out == ""
    first, *rest = result.err.splitlines()
    assert first.startswith("fanout: ")
    assert message in first
    assert hint in "".join(rest)
    assert "Traceback" not in result.err
    assert not fanout.home.exists()
    assert list(fanout.directory.iterdir()) == []


@pytest.mark.parametrize("option", ["-a", "--only", "-x"])
def test_a_malformed_list_of_accounts_is_named_with_its_line_before_credentials_are_looked_for(fanout, option: str):
    fanout.write("list.txt", "111122223333\n# ours\n12345\n")
    result = fanout("accounts", "-a", "org", option, "@list.txt")
    assert result.code == 2
    assert "list.txt:3" in result.err
    assert "twelve digits" in result.err


def test_a_pipe_with_a_list_of_accounts_is_left_for_the_run(fanout):
    os.mkfifo(fanout.directory / "pipe")
    writer = os.open(fanout.directory / "pipe", os.O_RDWR)
    os.write(writer, b"111122223333\n")
    invocation = begin({"accounts": [f"@{fanout.directory / 'pipe'}"]})
    check_accounts(invocation.resolved, "fanout accounts")
    assert os.read(writer, 100) == b"111122223333\n"
    os.close(writer)


def test_an_empty_value_never_means_all(fanout):
    result = fanout("run", "describe-instances", "-a", "", "-r", "eu-west-1")
    assert result.code == 2
    assert "an empty term" in result.err


@pytest.mark.parametrize(
    "line",
    [
        "run ./things.py --size big -a self",
        "run --size big ./things.py -a self",
        "run -a self --size=big ./things.py",
        "run --deep ./things.py -a self --size big",
        "run --label x --size big -a self -- ./things.py",
        "run -a self ./things.py:count-things --size big",
    ],
)
def test_a_tasks_options_stand_before_or_after_it(fanout, task_file: Path, line: str):
    result = fanout(*line.split())
    assert result.code == 2
    assert "--size: 'big' is not a valid int" in result.err


def test_a_task_file_that_hides_an_option_is_refused_with_its_line(fanout):
    fanout.write(
        "taken.py",
        "from fanout import task\n\n@task(actions=[])\nasync def mine(ctx, *, regions: str = ''):\n    yield {}\n",
    )
    result = fanout("run", "./taken.py", "-a", "self")
    assert result.code == 2
    assert "taken.py:3" in result.err
    assert "--regions" in result.err


def test_a_flag_of_a_task_may_not_hide_the_opposite_of_an_option(fanout):
    fanout.write(
        "taken.py",
        "from fanout import task\n\n@task(actions=[])\nasync def mine(ctx, *, scope: bool = True):\n    yield {}\n",
    )
    assert fanout("run", "./taken.py", "-a", "self").code == 2


def test_a_task_without_actions_runs_only_without_scope(fanout, monkeypatch: pytest.MonkeyPatch):
    fanout.write("open.py", "from fanout import task\n\n@task\nasync def mine(ctx, *, n: int = 1):\n    yield {}\n")
    line = ("run", "./open.py", "-a", "self", "-r", "eu-west-1", "--n", "x")
    assert "IAM actions" in fanout(*line).err
    assert "--n: 'x'" in fanout(*line, "--no-scope").err
    monkeypatch.setenv("FANOUT_NO_SCOPE", "1")
    assert "--n: 'x'" in fanout(*line).err
    assert "IAM actions" in fanout(*line, "--scope").err


def test_a_changing_task_needs_regions_and_off_a_terminal_yes(fanout):
    fanout.write("label.py", CHANGING)
    without = fanout("run", "./label.py", "-a", "org")
    assert without.code == 2
    assert "-r eu-west-1" in without.err
    asking = fanout("run", "./label.py", "-a", "org", "-r", "eu-west-1")
    assert asking.code == 2
    assert "--yes" in asking.err
    assert not fanout.home.exists()


def test_with_yes_a_changing_task_goes_on_to_its_credentials(fanout):
    fanout.write("label.py", CHANGING)
    assert fanout("run", "./label.py", "-a", "org", "-r", "eu-west-1", "--yes").code == 6


CHECKED = '''
from fanout import UsageError, task

def judge(*, least, most):
    if least > most:
        raise ValueError(f"--least {least} is more than --most {most}")
    if most > 100:
        raise UsageError("--most is too much", "100 will do")

@task(actions=[], check=judge)
async def sized(ctx, *, least: int = 0, most: int = 9):
    """List things."""
    yield {}
'''


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("--least 10", "--least 10 is more than --most 9", "fanout run ./sized.py --help"),
        ("--most 101", "--most is too much", "100 will do"),
    ],
)
def test_what_a_tasks_check_objects_to_is_said_before_anything_runs(fanout, line: str, said: str, hint: str):
    fanout.write("sized.py", CHECKED)
    result = fanout("run", "./sized.py", "-a", "111122223333", *line.split())
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert hint in result.err
    assert "Traceback" not in result.err
    assert not fanout.home.exists()


def test_what_a_tasks_check_accepts_goes_on_to_the_next_check(fanout):
    fanout.write("sized.py", CHECKED)
    assert "no accounts were named" in fanout("run", "./sized.py", "--most", "11", "--least", "10").err


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("sise = 3", "sise"),
        ('size = "big"', "'big'"),
        ("size = true", "True is not"),
        ("deep = 1", "1 is not true or false"),
        ("size = [1]", "[1] is not one value"),
        ('kind = ["huge"]', "'huge'"),
    ],
)
def test_a_tasks_section_is_checked_with_file_and_key(fanout, task_file: Path, section: str, said: str):
    path = fanout.write("fanout.toml", f"concurrency = 2\n\n[task.count-things]\n{section}\n")
    result = fanout("run", "./things.py", "-a", "self")
    assert result.code == 2
    assert result.err.startswith(f"fanout: {path}:4: [task.count-things]")
    assert said in result.err


def test_a_section_of_no_known_task_is_one_warning_with_the_nearest_names(fanout, task_file: Path):
    path = fanout.write(
        "fanout.toml", "[task.list-vpcs]\n\n[task.lits-vpcs]\nx = 1\n\n[task.count-things]\nsize = 'x'\n"
    )
    warning, *rest = fanout("run", "./things.py", "-a", "self").err.splitlines()
    assert warning.startswith(f"fanout: warning: {path}:3: [task.lits-vpcs] ")
    assert "did you mean list-vpcs" in warning
    assert [line for line in rest if "warning" in line] == []
    assert f"{path}:7" in rest[0]
    shown = fanout("config", "show")
    assert shown.code == 0
    assert [line.partition(" [")[0] for line in shown.err.splitlines()] == [
        f"fanout: warning: {path}:3:",
        f"fanout: warning: {path}:6:",
    ]


@pytest.mark.parametrize(("rest", "says"), [("-a self", "see `{} --help`"), ("--word x", "`{}` needs --accounts")])
def test_hints_name_the_task_as_it_was_typed(fanout, rest: str, says: str):
    fanout.write(
        "a b.py", "from fanout import task\n\n@task(actions=[])\nasync def a(ctx, *, word: str):\n    yield {}\n"
    )
    result = fanout("run", "./a b.py", *rest.split())
    assert result.code == 2
    assert says.format("fanout run './a b.py'") in result.err


def test_help_of_a_task_begins_with_its_own_options(fanout, task_file: Path):
    result = fanout("run", "./things.py", "--help")
    assert result.code == 0
    assert result.err == ""
    assert max(len(line) for line in result.out.splitlines()) <= 80
    own, _, rest = result.out.partition("Selection:")
    assert "Count things that are made up." in own
    assert "It looks at nothing." in own
    assert "how many things there are.  [default: 3]" in " ".join(own.split()).replace("[default", " [default")
    assert "--deep / --no-deep" in own
    assert "--wait DURATION" in own
    assert "-a, --accounts TERM" in rest
    assert "no actions" in rest
    assert "Runs once per account" in rest
    assert "1. " in rest


def test_help_names_the_actions_and_every_option(fanout):
    from fanout.cli.options import ALL

    text = fanout("run", "describe-instances", "--help").out
    assert "ec2:DescribeInstances" in text
    for spec in ALL:
        assert spec.flag in text


def test_everything_meets_in_a_sandbox(task_file: Path, tmp_path: Path):
    """Flags before and after the task, files, the environment and the task's own options, in a run of its own."""
    (task_file.parent / "fanout.toml").write_text(
        '[task.count-things]\nsize = 7\nlabel = ["from, the file"]\nwait = "2m"\nkind = ["small"]\n', encoding="utf-8"
    )
    line = (
        "run --label a,b -a self ./things.py --deep --sandbox --kind big,small --label c "
        "--summary-file summary.json -o json"
    )
    finished = subprocess.run(
        [sys.executable, "-m", "fanout", *line.split()],
        cwd=task_file.parent,
        env={**os.environ, "FANOUT_HOME": str(tmp_path / "never"), "FANOUT_PROFILE": "corp"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert finished.returncode == 0, finished.stderr
    assert "SIMULATED" in finished.stderr
    (row,) = json.loads(finished.stdout)
    told = {name: row[name] for name in ("region", "size", "label", "kind", "deep", "wait")}
    assert told == {
        "region": "global",
        "size": 7,
        "label": ["a,b", "c"],
        "kind": ["big", "small"],
        "deep": True,
        "wait": 120.0,
    }
    assert json.loads((task_file.parent / "summary.json").read_text())["coverage"]["ok"] == 1
    assert not (tmp_path / "never").exists()


def test_the_examples_of_a_changing_task_have_what_it_needs_and_begin_with_a_dry_run(fanout):
    result = fanout("run", "ensure-role", "--help")

    assert "fanout run ensure-role --spec role.json -a 'ou:/prod' --dry-run" in result.out
