"""Texts that parameters stand for: in a ledger as fingerprints alone, and the same when a run is taken up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fanout import Content, Context, Row, task
from fanout.app.fingerprints import check_same, fingerprints
from fanout.app.header import plain_parameters
from fanout.ledger.fingerprints import fingerprinting, key_path
from fanout.ledger.store import LedgerWriter
from fanout.model.errors import UsageError
from fanout.model.plan import RunHeader

SECRET = "c4nary-value"  # a secret of a test


def shout(text: str) -> str:
    """A fingerprint that shows what it was made of."""
    return f"hmac:{text.upper()}"


@task(actions=[])
async def put(
    ctx: Context, *, value_file: Content | None = None, files: list[Content] | None = None, name: str = ""
) -> AsyncIterator[Row]:
    """Put a value."""
    yield {}


def test_each_text_has_a_fingerprint_by_its_parameters_name():
    given = {
        "value_file": Content("-", "one"),
        "files": [Content("a.yaml", "two"), Content("b.yaml", "three")],
        "pair": (Content("env:X", "four"), "no content"),
        "name": "one",
        "count": 4,
        "nothing": None,
    }

    assert fingerprints(given, shout) == {
        "value_file": "hmac:ONE",
        "files[0]": "hmac:TWO",
        "files[1]": "hmac:THREE",
        "pair[0]": "hmac:FOUR",
    }


def test_the_same_texts_may_be_taken_up_wherever_they_lie_now(tmp_path):
    before = fingerprints({"value_file": Content("-", SECRET)}, shout)
    moved = tmp_path / "moved"
    moved.write_text(SECRET + "\n")

    check_same(before, {"value_file": Content.parse(str(moved))}, shout, "run r-1")
    check_same({}, {"name": "x"}, shout, "run r-1")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"value_file": Content("v.txt", "another"), "files": [Content("a", "two")]}, "--value-file (v.txt): "),
        ({"value_file": Content("v.txt", "one"), "files": [Content("a", "2")]}, "--files[0] ("),
        ({"value_file": Content("v.txt", "1"), "files": [Content("a", "2")]}, "--value-file (v.txt), --files[0] ("),
        ({"files": [Content("a", "two")]}, "--value-file (not given): "),
        ({"value_file": Content("v.txt", "one"), "files": []}, "--files[0] ("),
        ({"value_file": "one", "files": [Content("a", "two")]}, "--value-file (one): "),
    ],
)
def test_other_texts_are_refused_by_name_and_not_shown(parameters, says):
    recorded = {"value_file": "hmac:ONE", "files[0]": "hmac:TWO"}

    with pytest.raises(UsageError) as caught:
        check_same(recorded, parameters, shout, "run r-1")

    assert caught.value.message.startswith(says)
    assert "the text is not the one that run r-1 was begun with" in caught.value.message
    assert "another" not in caught.value.message
    assert "hmac" not in caught.value.message


def test_a_text_that_is_gone_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "value"
    path.write_text(SECRET)
    recorded = fingerprints({"value_file": Content.parse(str(path))}, shout)
    path.unlink()

    with pytest.raises(UsageError, match="value cannot be read: No such file"):
        check_same(recorded, {"value_file": Content.parse(str(path))}, shout, "run r-1")


@dataclass(frozen=True)
class Kept:
    """What lies in a home after a run was begun."""

    ledger: bytes
    header: RunHeader


@pytest.fixture
def kept(tmp_path) -> Kept:
    given = {"value_file": Content("env:VALUE", SECRET), "files": [Content("-", f"- name: x\n  value: {SECRET}")]}
    header = RunHeader(
        run_id="r-1",
        task="put",
        created="2026-11-22T09:35:58Z",
        parameters=plain_parameters(put, given),
        fingerprints=fingerprints(given, fingerprinting(tmp_path)),
    )
    path = tmp_path / "runs" / "r-1.db"
    LedgerWriter.create(path, header).close()
    return Kept(path.read_bytes(), header)


def test_a_ledger_holds_references_and_fingerprints_and_neither_text_nor_key(kept, tmp_path):
    assert kept.header.parameters == {"value_file": "env:VALUE", "files": ["-"]}
    assert b"hmac:" in kept.ledger
    assert SECRET.encode() not in kept.ledger
    key = key_path(tmp_path).read_bytes()
    assert not any(form in kept.ledger for form in (key, key.hex().encode()))


def test_the_key_of_another_machine_tells_every_text_apart(kept, tmp_path):
    elsewhere = fingerprinting(Path(tmp_path) / "elsewhere")

    with pytest.raises(UsageError, match=r"--value-file \(-\), --files\[0\]"):
        check_same(
            kept.header.fingerprints,
            {"value_file": Content("-", SECRET), "files": [Content("-", f"- name: x\n  value: {SECRET}")]},
            elsewhere,
            "run r-1",
        )
