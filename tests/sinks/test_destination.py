"""Where text goes: files that appear whole, and readers that go away."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fanout.model.errors import UsageError
from fanout.sinks.destination import _is_still, check_out, open_out
from fanout.sinks.opening import formats, open_sink
from fanout.sinks.sink import SinkClosed, SinkSpec


def _sink(out, name="csv", **asked):
    return open_sink(SinkSpec(format=name, stream=io.StringIO(), out=out, columns=("a",), **asked))


def test_a_file_stays_as_it_is_until_all_rows_are_there(tmp_path):
    out = tmp_path / "x.csv"
    out.write_text("old")

    sink = _sink(out)
    sink.write([{"a": 1}])
    assert out.read_text() == "old"
    assert sink.written is None
    sink.close(complete=True)

    assert out.read_text() == "a\n1\n"
    assert sink.written == out
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(("name", "text"), [("csv", "a\n1\n"), ("json", '[\n{"a":1}\n]\n')])
def test_an_incomplete_file_stays_partial_and_well_formed(tmp_path, name, text):
    out = tmp_path / "x"
    out.write_text("old")

    sink = _sink(out, name)
    sink.write([{"a": 1}])
    sink.close(complete=False)

    assert out.read_text() == "old"
    assert sink.written == tmp_path / "x.partial"
    assert sink.written.read_text() == text


def test_a_partial_file_of_a_killed_run_is_taken_over(tmp_path):
    (tmp_path / "x.csv.partial").write_text("what a killed run left, and longer than what follows")

    sink = _sink(tmp_path / "x.csv")
    sink.close(complete=True)

    assert (tmp_path / "x.csv").read_text() == "a\n"
    assert not (tmp_path / "x.csv.partial").exists()


def test_two_runs_cannot_write_one_file(tmp_path):
    first = _sink(tmp_path / "x.csv")

    with pytest.raises(UsageError, match="another fanout is writing"):
        _sink(tmp_path / "x.csv")

    first.close(complete=True)
    _sink(tmp_path / "x.csv").close(complete=True)


def test_a_partial_file_that_leads_elsewhere_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "x.csv.partial").symlink_to(victim)

    with pytest.raises(UsageError, match="cannot be written"):
        _sink(tmp_path / "x.csv")

    assert victim.read_text() == "mine"


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "x.csv", tmp_path / "x.csv"
    target.write_text("old")
    link.symlink_to(target)

    _sink(link).close(complete=True)

    assert link.is_symlink()
    assert target.read_text() == "a\n"


def test_a_new_file_has_the_permissions_of_the_umask_and_an_old_one_keeps_its_own(tmp_path):
    old = tmp_path / "old.csv"
    old.write_text("")
    old.chmod(0o640)
    umask = os.umask(0o027)
    try:
        _sink(tmp_path / "new.csv").close(complete=True)
        _sink(old).close(complete=True)
    finally:
        os.umask(umask)

    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o640
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_private_file_stays_private(tmp_path):
    out = tmp_path / "x.csv"
    out.write_text("")
    out.chmod(0o600)

    sink = _sink(out)
    assert stat.S_IMODE((tmp_path / "x.csv.partial").stat().st_mode) == 0o600
    sink.close(complete=True)

    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize("where", ["absent/x.csv", "file/x.csv", ".", "x" * 300 + ".csv"])
def test_a_file_that_cannot_be_is_refused_before_anything_runs(tmp_path, where):
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="--out"):
        _sink(tmp_path / where)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_or_file_without_permission_is_refused(tmp_path):
    readonly = tmp_path / "x.csv"
    readonly.write_text("old")
    readonly.chmod(0o444)
    with pytest.raises(UsageError, match="cannot be written"):
        check_out(readonly)
    tmp_path.chmod(0o555)
    with pytest.raises(UsageError, match="directory"):
        check_out(tmp_path / "y.csv")
    tmp_path.chmod(0o755)


def test_checking_touches_nothing(tmp_path):
    check_out(tmp_path / "x.csv")

    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_in_place(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()

    sink = _sink(pipe)
    sink.close(complete=True)
    reader.join()

    assert read == ["a\n"]
    assert pipe.is_fifo()
    assert sink.written is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
@pytest.mark.parametrize("name", [name for name in formats() if name != "none"])
def test_a_full_disk_is_an_error_with_the_name_of_the_file(name):
    sink = _sink(Path("/dev/full"), name)

    with pytest.raises(OSError, match="/dev/full") as caught:  # noqa: PT012 - some formats fail when they are closed
        sink.write([{"a": 1}])
        sink.close(complete=True)

    assert caught.value.errno == errno.ENOSPC
    sink.close(complete=False)


def test_a_file_that_could_not_be_finished_never_takes_the_old_ones_place(tmp_path):
    out = tmp_path / "x.csv"
    out.write_text("old")
    destination = open_out(out)
    destination.write("new")
    (tmp_path / "x.csv.partial").unlink()

    with pytest.raises(FileNotFoundError, match=r"x\.csv"):
        destination.close(complete=True)

    assert out.read_text() == "old"


@pytest.mark.parametrize("name", [name for name in formats() if name != "none"])
def test_a_reader_that_goes_away_closes_the_sink(name):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        sink = open_sink(SinkSpec(format=name, stream=stream))

        with pytest.raises(SinkClosed):  # noqa: PT012 - some formats notice when they are closed
            sink.write([{"a": "x" * 100_000}])
            sink.close(complete=True)
        sink.close(complete=False)


_HEAD = """
import sys
from fanout.sinks.opening import open_sink
from fanout.sinks.sink import SinkClosed, SinkSpec
sink = open_sink(SinkSpec(format="jsonl", stream=sys.stdout))
try:
    while True:
        sink.write([{"a": 1}] * 100)
except SinkClosed:
    sink.close(complete=False)
    sys.exit(7)
"""


def test_a_program_whose_reader_goes_away_ends_without_a_complaint():
    program = [sys.executable, "-c", _HEAD]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == '{"a":1}\n'
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == ""
    assert process.returncode == 7


def test_a_file_that_its_writer_has_just_renamed_is_not_taken_for_the_partial_one(tmp_path):
    partial = tmp_path / "x.partial"
    with partial.open("w") as stream:
        assert _is_still(partial, stream.fileno())
        partial.rename(tmp_path / "x")
        assert not _is_still(partial, stream.fileno())
        partial.write_text("of another run")
        assert not _is_still(partial, stream.fileno())
