"""The task `exec` on one target: what the program gets, what becomes of its end, and that nothing of it stays behind."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from botocore.credentials import ReadOnlyCredentials

from fanout.aws.faults import CallFailed
from fanout.aws.lease import Lease
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, run_task
from fanout.tools.programs import process
from fanout.tools.programs.places import shared_of
from fanout.tools.tasks.execute import COLUMNS, execute

ID = "111122223333"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
WAIT_FOR_GO = ["sh", "-c", "echo up; while [ ! -e go ]; do sleep 0.01; done"]

pytestmark = pytest.mark.anyio


@dataclass
class Lender:
    """Lends credentials that end after `seconds`; fresh ones each time that it distrusts some."""

    seconds: float = float("inf")
    numbers: list[int] = field(default_factory=lambda: [0])

    async def lease(self) -> Lease:
        keys = ReadOnlyCredentials(f"ASIAIOSFODNN{self.numbers[-1]}EXAMPLE", SECRET, TOKEN, ID)
        expires = None if self.seconds == float("inf") else time.monotonic() + self.seconds
        return Lease(keys=keys, account_id=ID, expires=expires)

    def distrust(self, lease: Lease) -> None:
        self.numbers.append(self.numbers[-1] + 1)
        self.seconds = 3600


@dataclass
class Slot:
    """Notes what it is told; `before` is called with each intent."""

    intents: list[str] = field(default_factory=list)
    losses: int = 0
    before: Callable[[], object] = lambda: None

    async def intend(self, service: str, operation: str) -> None:
        self.before()
        self.intents.append(f"{service}:{operation}")

    def lost(self) -> None:
        self.losses += 1


class Target(FakeContext):
    """A target with credentials to lend."""

    def __init__(self, home: Path, lender: Lender | None = None, **about: Any) -> None:
        super().__init__(**{"account": Account(id=ID, name="web-prod"), **about})
        self.home = home
        self.said: list[str] = []
        self.say: Callable[[str], object] = self.said.append
        self.home_region = "us-west-2"
        self.slot = Slot()
        self.binding = SimpleNamespace(lender=lender or Lender(), slot=self.slot)

    @property
    def shown(self) -> list[str]:
        return "".join(self.said).splitlines()

    @property
    def kept(self) -> dict[str, str]:
        directory = self.home / "runs" / f"{self.run_id}.output"
        return {path.name: path.read_text() for path in directory.iterdir()} if directory.exists() else {}


@pytest.fixture
def target(tmp_path: Path, monkeypatch) -> Target:
    monkeypatch.chdir(tmp_path)
    return Target(tmp_path)


async def run(target: Target, *command: str, **options: Any) -> list[dict[str, Any]]:
    return await run_task(execute, target, command=list(command), **options)


async def environment(target: Target, **options: Any) -> dict[str, str]:
    """What the program finds in its environment; it writes to a file, where nothing is hidden."""
    await run(target, "sh", "-c", "env > found", **options)
    return dict(line.partition("=")[::2] for line in text_of("found").splitlines())


async def test_a_program_gets_the_credentials_and_what_it_prints_is_kept_and_shown_without_them(target, tmp_path):
    script = 'echo "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $1"; echo "$AWS_SESSION_TOKEN" >&2'
    (row,) = await run(target, "sh", "-c", script, "sh", "{account_id}-{region}")

    assert tuple(row) == COLUMNS
    assert row["stdout"] == f"ASIAIOSF... *** {ID}-us-east-1"
    assert (row["action"], row["changed"], row["exit_code"], row["before"], row["after"]) == (
        "run",
        True,
        0,
        None,
        None,
    )
    assert row["command"].endswith(f"sh {ID}-us-east-1")
    assert 0 <= row["seconds"] < 30
    assert sorted(target.shown) == [f"{ID} us-east-1 | ***", f"{ID} us-east-1 | {row['stdout']}"]
    assert target.kept == {f"{ID}-us-east-1.out": f"{row['stdout']}\n", f"{ID}-us-east-1.err": "***\n"}
    directory = tmp_path / "runs" / "test-run.output"
    assert row["output"] == str(directory / f"{ID}-us-east-1.out")
    assert row["errors"] == str(directory / f"{ID}-us-east-1.err")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {SECRET, TOKEN} <= set(target.concealed)


async def test_its_environment_is_the_targets_alone(target, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ROLE_ARN", "FANOUT_EXTERNAL_ID"):
        monkeypatch.setenv(name, "of-the-caller")
    monkeypatch.setenv("AWS_CA_BUNDLE", "stays")
    found = await environment(target)

    assert "of-the-caller" not in found.values()
    assert {name: value for name, value in found.items() if name.startswith(("AWS_A", "AWS_S", "AWS_R", "AWS_D"))} == {
        "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN0EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_ACCOUNT_ID": ID,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": os.environ["AWS_SHARED_CREDENTIALS_FILE"],
    }
    assert (found["AWS_CA_BUNDLE"], found["FANOUT_ACCOUNT_NAME"]) == ("stays", "web-prod")


async def test_once_per_account_means_the_home_region(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = Target(tmp_path, region="global")
    (row,) = await run(target, "sh", "-c", "echo $AWS_REGION {region}")
    assert row["stdout"] == "us-west-2 us-west-2"
    assert target.shown == [f"{ID} global | us-west-2 us-west-2"]


async def test_what_the_source_profile_says_on_endpoints_counts_where_the_run_knows_it(target):
    target.inherited = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    assert (await environment(target))["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("script", "code", "message", "lost"),
    [
        ("echo one >&2; echo 'two: bad' >&2; exit 3", "Exit3", "ended with exit code 3", 0),
        ("exit 255", "Exit255", f"in account {ID}: it printed nothing on stderr", 0),
        ("echo 'two: bad' >&2; kill -9 $$", "SIGKILL", "was ended by SIGKILL", 1),
        ("kill -TERM $$", "SIGTERM", "was ended by SIGTERM", 1),
    ],
)
async def test_another_exit_code_than_0_is_a_fault_and_a_signal_leaves_changes_unknown(
    target, script, code, message, lost
):
    with pytest.raises(CallFailed) as caught:
        await run(target, "/bin/sh", "-c", script)
    fault = caught.value.fault
    assert (fault.code, fault.kind, fault.stage) == (code, "failed", "task")
    assert message in fault.message
    assert fault.message.startswith("sh ")
    assert ("two: bad" in fault.message) == ("two: bad" in script)
    assert str(target.home) in fault.hint
    assert target.slot.losses == lost


async def test_a_failed_program_still_has_a_row_and_it_changed_nothing_that_is_known(target):
    rows = execute(target, command=["sh", "-c", "echo said; exit 4"])
    row = await anext(rows)
    with pytest.raises(CallFailed, match="exit code 4"):
        await anext(rows)
    assert (row["exit_code"], row["changed"], row["stdout"]) == (4, None, "said")


async def test_the_intent_is_recorded_before_the_program_starts(target):
    seen: list[bool] = []
    target.slot.before = lambda: seen.append(exists("started"))
    await run(target, "touch", "started")
    assert (seen, target.slot.intents) == ([False], ["exec:RunProgram"])
    assert exists("started")


async def test_a_dry_run_says_what_would_run_and_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = Target(tmp_path, dry_run=True)
    target.binding = None
    (row,) = await run(target, "touch", "a file of {account_id}")
    assert row["command"] == f"touch 'a file of {ID}'"
    assert (row["action"], row["changed"], row["exit_code"]) == ("run", False, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo '{\"a\":1}'; echo '{\"changed\":false}'", [{"a": 1, "changed": True}, {"changed": False}]),
        ("echo to stderr >&2", [{"action": "run", "changed": True}]),
    ],
)
async def test_records_of_a_changing_program_say_that_it_changed_unless_they_say_otherwise(target, script, expected):
    rows = await run(target, "sh", "-c", script, rows="jsonl")
    assert [{name: row[name] for name in wanted} for row, wanted in zip(rows, expected, strict=True)] == expected
    assert not any("{" in line for line in target.shown), "what is read as rows is not shown besides"


async def test_a_malformed_record_is_a_fault_once_the_program_has_ended_by_itself(target):
    script = "echo '{\"a\":1}'; echo oops; touch ended"
    with pytest.raises(CallFailed, match=f"sh ended well in account {ID}, but line 2 is not a JSON object") as caught:
        await run(target, "sh", "-c", script, rows="jsonl")
    assert caught.value.fault.code == "MalformedRow"
    assert exists("ended")


async def test_only_reading_is_promised_where_aws_keeps_it(target):
    with pytest.raises(CallFailed) as caught:
        await run(target, "touch", "started", read_only=True)
    assert caught.value.fault.code == "NotReadOnly"
    assert not exists("started")
    assert target.slot.intents == []


@pytest.mark.parametrize("behind_a_cache", [False, True])
async def test_a_reading_program_is_no_intent_and_its_records_stay_as_they_are(target, behind_a_cache):
    source = SimpleNamespace(entry=SimpleNamespace(policy_arn="arn:aws:iam::aws:policy/ReadOnlyAccess"))
    target.binding.lender._source = SimpleNamespace(source=source) if behind_a_cache else source
    assert await run(target, "echo", '[{"a":1}]', rows="json", read_only=True) == [{"a": 1}]
    assert await run(target, "true", rows="csv", read_only=True) == []
    assert [row["changed"] for row in await run(target, "true", read_only=True)] == [False]
    assert target.slot.intents == []


@pytest.mark.parametrize("served", [False, True])
async def test_a_job_whose_time_is_up_leaves_nothing_running_and_its_change_unknown(target, monkeypatch, served):
    monkeypatch.setattr(process, "GRACE", 0.2)
    up = anyio.Event()
    target.say = lambda text: (target.said.append(text), up.set())
    script = "trap '' TERM; sleep 300 & echo $! $$; wait; sleep 300"
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: run(target, "sh", "-c", script, serve=served))
        await up.wait()
        group.cancel_scope.cancel()

    assert target.slot.losses == 1
    for pid in target.shown[0].split()[-2:]:
        assert not is_running(pid)


def exists(name: str) -> bool:
    return Path(name).exists()


def make(name: str) -> None:
    Path(name).touch()


def text_of(name: str) -> str:
    return Path(name).read_text()


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_no_more_programs_than_were_allowed_run_at_one_time(target):
    two_are_up = anyio.Event()

    def say(text: str) -> None:
        target.said.append(text)
        if len(target.said) == 2:
            two_are_up.set()

    target.say = say
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(lambda: run(target, *WAIT_FOR_GO, children=2))
        await two_are_up.wait()
        places = shared_of(target, "sh", 2).places
        assert (places.borrowed_tokens, places.statistics().tasks_waiting) == (2, 3)
        make("go")
    assert len(target.said) == 5
    assert places.borrowed_tokens == 0


async def test_credentials_that_end_before_the_job_may_are_renewed_where_that_gives_more(target):
    lender = target.binding.lender
    lender.seconds = 1000
    with anyio.fail_after(900):
        await run(target, "true")
        lender.seconds = 600
        await run(target, "true")
    assert lender.numbers == [0, 1]
    assert target.log.entries == []


async def test_it_is_told_once_that_credentials_end_before_a_job_does(target):
    target.binding.lender.seconds = 600
    with anyio.fail_after(900):
        await run(target, "true")
        await run(target, "true")
        await run(target, "true", serve=True)
    ((level, event, fields),) = target.log.entries
    assert (level, fields["timeout"]) == ("warning", 899)
    assert "--serve renews them" in event
    assert target.binding.lender.numbers == [0]


ASK = """
import json, os, urllib.request
request = urllib.request.Request(
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
)
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
    print(json.load(answer)["SecretAccessKey"], os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
"""


async def test_with_an_endpoint_there_are_no_keys_and_no_files_that_would_win(target, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "of-the-caller")
    (row,) = await run(target, sys.executable, "-c", ASK, serve=True)
    assert row["stdout"] == "*** ***"

    script = "env > found; cat $AWS_CONFIG_FILE $AWS_SHARED_CREDENTIALS_FILE | wc -c"
    (row,) = await run(target, "sh", "-c", script, serve=True)
    assert row["stdout"].strip() == "0"
    found = text_of("found")
    assert "AWS_ACCESS_KEY_ID" not in found
    assert "of-the-caller" not in found
    assert f"AWS_ACCOUNT_ID={ID}" in found


async def test_another_attempt_keeps_its_output_beside_the_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for attempt in (1, 2):
        target = Target(tmp_path, attempt=attempt)
        await run(target, "echo", str(attempt))
    assert target.kept == {f"{ID}-us-east-1.out": "1\n", f"{ID}-us-east-1.2.out": "2\n"}


async def test_output_that_cannot_be_kept_is_told_and_the_program_runs_on(target):
    directory = target.home / "runs" / "test-run.output"
    (directory / f"{ID}-us-east-1.out").mkdir(parents=True)
    (row,) = await run(target, "echo", "said")
    assert (row["exit_code"], row["stdout"], row["output"]) == (0, "said", None)
    assert target.log.entries[0][1] == "output is not kept"


async def test_a_context_without_credentials_is_told_from_one_with():
    with pytest.raises(UsageError, match="this context has none to lend"):
        await run_task(execute, FakeContext(), command=["true"])


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"command": []}, "there is no program to run"),
        ({"command": ["no-such-program"]}, "there is no program 'no-such-program'"),
        ({"command": ["echo", "{account_name}"]}, "chosen by others"),
        ({"command": ["echo"], "children": -1}, "less than none"),
    ],
)
async def test_what_cannot_run_anywhere_is_refused_before_anything_runs(target, parameters, reason):
    with pytest.raises(UsageError, match=reason):
        await run_task(execute, target, **parameters)
    assert target.slot.intents == []


@pytest.mark.parametrize(
    ("given", "changes", "scope", "columns"),
    [
        ({}, True, "region", COLUMNS),
        ({"read_only": True, "once_per_account": True}, False, "account", COLUMNS),
        ({"rows": "csv"}, True, "region", ()),
    ],
)
async def test_the_task_fits_itself_to_what_is_asked(given, changes, scope, columns):
    fitted = execute.fitted({"command": ["true"], **given})
    assert (fitted.changes, fitted.scope, fitted.columns, fitted.actions) == (changes, scope, columns, ("*",))
