"""Files are replaced in one step, by one writer at a time, and keep what they were beside their content."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fanout.model.errors import UsageError
from fanout.tools.profiles.files import config_path, credentials_path, locked, read_file, replace_file

KILLED = """
import os, sys
from pathlib import Path
from fanout.tools.profiles.files import locked, replace_file
os.fsync = lambda descriptor: os._exit(9)
with locked(Path(sys.argv[1])) as target:
    replace_file(target, b"new")
"""


def write(path: Path, data: bytes) -> None:
    with locked(path) as target:
        replace_file(target, data)


def names(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


def test_the_variables_of_the_aws_cli_say_where_the_files_are(sealed):
    assert config_path({}) == sealed / ".aws" / "config"
    assert credentials_path({}) == sealed / ".aws" / "credentials"
    assert config_path({"AWS_CONFIG_FILE": "$HOME/a"}) == sealed / "a"
    assert credentials_path({"AWS_SHARED_CREDENTIALS_FILE": "~/b"}) == sealed / "b"


def test_a_new_file_and_directory_are_for_their_owner_alone(tmp_path):
    path = tmp_path / "aws" / "config"
    write(path, b"x")

    assert (read_file(path), stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (
        b"x",
        0o600,
        0o700,
    )
    assert names(path.parent) == ["config"]


def test_mode_and_link_of_a_file_stay(tmp_path):
    real = tmp_path / "dotfiles" / "aws"
    real.parent.mkdir()
    real.write_bytes(b"old")
    real.chmod(0o640)
    link = tmp_path / "config"
    link.symlink_to(real)
    write(link, b"new")

    assert link.is_symlink()
    assert (real.read_bytes(), stat.S_IMODE(real.stat().st_mode)) == (b"new", 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_of_a_file_stays(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"old")
    os.chown(path, 12345, 54321)
    write(path, b"new")

    assert (path.read_bytes(), path.stat().st_uid, path.stat().st_gid) == (b"new", 12345, 54321)


def test_a_killed_write_leaves_the_old_file_whole_and_the_next_one_works(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)

    assert killed.returncode == 9
    assert path.read_bytes() == b"old"
    write(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert names(tmp_path) == ["config"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "config"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["config"]


@pytest.mark.parametrize("name", ["/dev/null", "."])
def test_what_is_no_file_is_refused(name):
    with pytest.raises(UsageError, match="is no file"):
        read_file(Path(name))


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    with pytest.raises(UsageError, match="cannot be"):
        read_file(tmp_path / "a")
    with pytest.raises(UsageError, match="cannot be written"):
        write(tmp_path / "a", b"x")
