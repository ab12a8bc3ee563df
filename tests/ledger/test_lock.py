"""The lock dies with its process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fanout.ledger.lock import RunLock, is_live, lock_path
from fanout.model.errors import LedgerError

HOLDING = """
import sys
from pathlib import Path
from fanout.ledger.lock import RunLock
RunLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_once(tmp_path):
    ledger = tmp_path / "a.db"
    lock = RunLock.acquire(ledger)
    assert is_live(ledger)
    with pytest.raises(LedgerError, match="is being written"):
        RunLock.acquire(ledger)
    lock.release()
    lock.release()
    assert not is_live(ledger)
    assert list(tmp_path.iterdir()) == []


def test_asking_does_not_disturb_the_holder(tmp_path):
    lock = RunLock.acquire(tmp_path / "a.db")
    assert [is_live(tmp_path / "a.db") for _ in range(3)] == [True] * 3
    lock.release()


def test_a_lock_dies_with_its_process_and_is_taken_over(tmp_path):
    ledger = tmp_path / "a.db"
    command = [sys.executable, "-c", HOLDING, str(ledger)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        holder.stdout.readline()
        assert is_live(ledger)
        holder.kill()
    assert lock_path(ledger).exists()
    assert not is_live(ledger)
    RunLock.acquire(ledger).release()


def test_a_link_in_the_locks_place_is_not_followed(tmp_path):
    lock_path(tmp_path / "a.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerError, match="cannot be made"):
        RunLock.acquire(tmp_path / "a.db")
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_in_a_missing_directory_says_so(tmp_path):
    with pytest.raises(LedgerError, match="cannot be made"):
        RunLock.acquire(tmp_path / "missing" / "a.db")
