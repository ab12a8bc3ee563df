"""One block of one file: put in, taken out, and refused where it would do harm."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.model.errors import UsageError
from fanout.tools.profiles.block import Target, change, refuse_edited, removal, standing
from fanout.tools.profiles.entries import Profile

PROFILES = [Profile(name="web", keys={"role_arn": "arn:aws:iam::111122223333:role/R"}, account_id="111122223333")]


def target(directory: Path, *, block: str = "fanout", bare: bool = False) -> Target:
    return Target(path=directory / "config", block=block, bare=bare, copies=directory / "copies")


def readable(parts: list[str], eol: str, end: str) -> bytes:
    return (eol.join(parts) + end).encode()


sections = st.lists(
    st.sampled_from(["# note", "", "; x = y", "[profile {}]\nregion = x", "[s{}]\ns3 =\n  a = b", "[{} é]\n\nk : v\n"]),
    max_size=5,
).map(lambda parts: [part.replace("{}", str(number)) for number, part in enumerate(parts)])


@settings(max_examples=40, deadline=None)
@given(sections, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", "\r\n", "\n\n"]))
def test_writing_and_removing_gives_a_file_back_byte_for_byte(parts: list[str], eol: str, end: str):
    with tempfile.TemporaryDirectory() as directory:
        here = target(Path(directory))
        before = (eol.join(parts).replace("\n", eol) + end).encode()
        here.path.write_bytes(before)

        change(here, PROFILES, force=False, dry_run=False)
        assert here.path.read_bytes().startswith(before)
        assert standing(here).sections.profiles().keys().isdisjoint({"web"})
        removal(here, force=False, dry_run=False)
        assert here.path.read_bytes() == before


def test_writers_at_the_same_time_do_not_lose_each_others_blocks(tmp_path):
    def write(number: int) -> None:
        profile = Profile(name=f"p{number}", keys={"region": "x"}, account_id="")
        change(target(tmp_path, block=f"b{number}"), [profile], force=False, dry_run=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))

    assert set(standing(target(tmp_path)).sections.profiles()) == {f"p{number}" for number in range(16)}


def test_lines_behind_a_block_that_would_become_a_part_of_it_stop_a_write(tmp_path):
    here = target(tmp_path)
    here.path.write_bytes(b"[default]\n")
    change(here, PROFILES, force=False, dry_run=False)
    here.path.write_bytes(before := here.path.read_bytes() + b"region = x\n")

    with pytest.raises(UsageError, match="would change their meaning"):
        change(here, [*PROFILES, Profile(name="b", keys={}, account_id="")], force=False, dry_run=False)
    assert here.path.read_bytes() == before


def test_without_its_copy_an_edited_block_is_shown_whole(tmp_path):
    here = target(tmp_path)
    change(here, PROFILES, force=False, dry_run=False)
    here.path.write_bytes(here.path.read_bytes().replace(b"role/R", b"role/S"))

    with pytest.raises(UsageError) as with_copy:
        refuse_edited(standing(here))
    for copy in here.copies.iterdir():
        copy.unlink()
    with pytest.raises(UsageError) as without:
        refuse_edited(standing(here))

    assert "-role_arn = arn:aws:iam::111122223333:role/R\n+role_arn" in with_copy.value.message
    assert "\n[profile web]\nrole_arn = arn:aws:iam::111122223333:role/S" in without.value.message


def test_copies_hold_no_secrets_and_go_with_their_block(tmp_path):
    here = target(tmp_path, bare=True)
    keys = {"aws_secret_access_key": "canary"}
    change(here, [Profile(name="web", keys=keys, account_id="")], force=False, dry_run=False)
    (copy,) = here.copies.iterdir()

    assert "aws_secret_access_key = ***" in copy.read_text()
    assert "canary" not in copy.read_text()
    removal(here, force=False, dry_run=False)
    assert list(here.copies.iterdir()) == []
