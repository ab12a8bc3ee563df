"""Fingerprints of secrets: one key for a machine, private, made once."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys

import pytest

from fanout.ledger import fingerprints
from fanout.ledger.fingerprints import fingerprinting, key_path
from fanout.model.errors import LedgerError


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_equal_texts_have_equal_fingerprints_and_others_others(tmp_path):
    fingerprint, again = fingerprinting(tmp_path), fingerprinting(tmp_path)

    assert fingerprint("s3cret") == fingerprint("s3cret") == again("s3cret")
    assert len({fingerprint(text) for text in ("s3cret", "S3cret", "s3cret ", "", "ü", "\udc80")}) == 6


def test_a_fingerprint_says_what_it_is_and_nothing_of_its_text(tmp_path):
    found = fingerprinting(tmp_path)("1234")

    assert re.fullmatch(r"hmac:[0-9a-f]{32}", found)
    # Whoever has it alone cannot find a PIN by trying: it depends on the key.
    assert not hashlib.sha256(b"1234").hexdigest().startswith(found.removeprefix("hmac:"))
    assert fingerprinting(tmp_path / "elsewhere")("1234") != found


def test_the_key_is_private_whatever_the_umask_and_lies_alone_beside_the_runs(tmp_path, umask):
    home = tmp_path / "state" / "fanout"

    fingerprinting(home)("x")

    assert (mode(key_path(home)), mode(home)) == (0o600, 0o700)
    assert [each.name for each in home.iterdir()] == ["fingerprint.key"]
    assert key_path(home).parent == home
    assert len(key_path(home).read_bytes()) == 32


def test_nothing_is_made_before_a_fingerprint_is_needed(tmp_path):
    fingerprinting(tmp_path / "home")

    assert not (tmp_path / "home").exists()


def test_the_key_is_read_once_for_a_command(tmp_path):
    fingerprint = fingerprinting(tmp_path)
    found = fingerprint("x")
    key_path(tmp_path).unlink()

    assert fingerprint("x") == found
    assert not key_path(tmp_path).exists()


def test_where_another_was_faster_its_key_counts(tmp_path, monkeypatch):
    link = os.link

    def second(source, target):
        key_path(tmp_path).write_bytes(b"k" * 32)
        link(source, target)

    monkeypatch.setattr(fingerprints.os, "link", second)
    found = fingerprinting(tmp_path)("x")
    monkeypatch.undo()

    assert key_path(tmp_path).read_bytes() == b"k" * 32
    assert fingerprinting(tmp_path)("x") == found
    assert [each.name for each in tmp_path.iterdir()] == ["fingerprint.key"]


def test_two_processes_make_one_key(tmp_path):
    code = "import sys, pathlib; from fanout.ledger.fingerprints import fingerprinting as f; sys.stdin.read(); print(f(pathlib.Path(sys.argv[1]))('x'))"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for each in both:
        each.stdin.close()  # both begin as near to each other as can be
    said = [each.stdout.read() for each in both]
    for each in both:
        each.stdout.close()
        assert each.wait() == 0

    assert said[0] == said[1] == fingerprinting(tmp_path / "home")("x") + "\n"


@pytest.mark.parametrize("damage", [b"", b"k" * 31, b"k" * 33])
def test_a_damaged_key_is_a_clear_error_and_is_not_replaced(tmp_path, damage):
    key_path(tmp_path).write_bytes(damage)

    with pytest.raises(LedgerError) as caught:
        fingerprinting(tmp_path)("s3cret")

    assert f"is damaged: it has {len(damage)} bytes, not 32" in caught.value.message
    assert str(key_path(tmp_path)) in caught.value.message
    assert "restore it from a backup" in caught.value.hint
    assert "s3cret" not in str(caught.value)
    assert key_path(tmp_path).read_bytes() == damage


def test_a_key_that_cannot_be_read_or_made_is_named(tmp_path):
    key_path(tmp_path).mkdir()
    with pytest.raises(LedgerError, match=r"the key .*fingerprint\.key cannot be read: Is a directory"):
        fingerprinting(tmp_path)("x")

    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be read: Not a directory"):
        fingerprinting(tmp_path / "file")("x")


def test_a_directory_that_takes_no_key_is_named_and_nothing_stays(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fingerprints.os, "link", refuse)
    with pytest.raises(LedgerError, match="cannot be made: No space left on device"):
        fingerprinting(tmp_path)("x")

    assert list(tmp_path.iterdir()) == []
