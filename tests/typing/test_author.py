"""The face that authors see is typed: right tasks pass mypy --strict, and wrong ones do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AUTHOR = Path(__file__).with_name("author.py")


def mypy(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)  # the first run on a machine type-checks the standard library's stubs
def test_tasks_as_authors_write_them_pass_mypy_strict():
    checked = mypy(AUTHOR)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.timeout(300)  # as above
def test_what_authors_get_wrong_is_found(tmp_path):
    wrong = tmp_path / "wrong_author.py"
    lines = AUTHOR.read_text().splitlines()
    wrong.write_text("\n".join(line.partition("  # type: ignore")[0] for line in lines))

    checked = mypy(wrong)

    found = {int(line.split(":")[1]) for line in checked.stdout.splitlines() if ": error: " in line}
    assert found == {number for number, line in enumerate(lines, 1) if "# type: ignore" in line}
