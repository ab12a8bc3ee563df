"""What is built and installed: the wheel, the source distribution, the lock, and the Makefile's first step."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "from setuptools import build_meta; build_meta.build_sdist('dist'); build_meta.build_wheel('dist')"
SOURCES = ("fanout", "plugins", "docs", "benchmarks", "tests")
NAMES = "README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE Makefile MANIFEST.in pyproject.toml setup.py"
FILES = [ROOT / name for name in (*NAMES.split(), "requirements.lock")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source distribution, built from a copy of the tree."""
    copy = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for file in FILES:
        shutil.copy(file, copy)
    subprocess.run([sys.executable, "-c", BUILD], cwd=copy, check=True, capture_output=True)
    return copy / "dist"


@pytest.fixture(scope="module")
def unpacked(built: Path) -> Path:
    """The wheel as it lies in site-packages."""
    (wheel,) = built.glob("*.whl")
    place = built / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def source_files(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for package in ("fanout", "fanout_plugins")
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_every_module_and_data_file_and_no_more(unpacked: Path):
    in_tree = {each for each in source_files(ROOT) | source_files(ROOT / "plugins") if not each.startswith("plugins")}

    assert source_files(unpacked) == in_tree
    assert {"fanout/py.typed", "fanout_plugins/py.typed", "fanout/ledger/schema.sql"} <= in_tree
    assert {each.name.partition("-")[0] for each in unpacked.iterdir()} == {"fanout", "fanout_plugins"}


def test_the_wheel_offers_the_command_and_the_shipped_tasks(unpacked: Path, tmp_path: Path):
    # coverage would count the wheel's modules as further ones
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = kept | {"PYTHONPATH": str(unpacked), "FANOUT_HOME": str(tmp_path / "state")}
    script = "import fanout, fanout_plugins; print(fanout.__file__, fanout_plugins.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    tasks = subprocess.run(
        [sys.executable, "-m", "fanout", "tasks", "--check", "-o", "csv", "--columns", "name,status"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (metadata,) = unpacked.glob("fanout-*.dist-info")

    assert where.stdout.count(str(unpacked)) == 2
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    shipped = {f"{name},ok" for name in declared["fanout.tasks"]}
    assert {"caller-identity,ok", "trust-review,ok"} <= shipped
    assert set(tasks.stdout.split()) == {"name,status", *shipped}
    assert "fanout = fanout.cli.main:main" in (metadata / "entry_points.txt").read_text(encoding="utf-8")
    assert (metadata / "licenses" / "LICENSE").exists()


def test_the_source_distribution_can_be_worked_on(built: Path):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}

    expected = {file.name for file in FILES} | {"plugins/fanout_plugins/py.typed", "fanout/ledger/schema.sql"}
    expected |= {
        str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.*") if "__pycache__" not in path.parts
    }
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    assert expected - names == set()
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


def test_the_lock_has_hashes_and_no_addresses():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)[1:]

    assert "://" not in lock
    assert " @ " not in lock
    assert [
        pin for pin in pins if not re.match(r"[\w.-]+==\S+( ;[^\\]+)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+", pin)
    ] == []


def test_the_lock_names_every_dependency_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["sandbox"]]
    wanted += project["dependency-groups"]["dev"]
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))

    names = {re.split(r"[^\w.-]", each)[0].lower().replace("_", "-") for each in wanted}
    assert names - locked == set()


def make(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make on a copy of what it needs, so that no real .venv is touched."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, directory)
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    return subprocess.run(
        ["make", *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench"])
def test_every_target_installs_first(target: str, tmp_path: Path):
    done = make(tmp_path, "--dry-run", target)

    assert done.returncode == 0, done.stderr
    assert "--require-hashes -r requirements.lock" in done.stdout
    assert "--no-deps --no-build-isolation -e ." in done.stdout


def test_a_python_that_is_too_old_is_named(tmp_path: Path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18"\n[ "$1" != -c ]\n', encoding="utf-8")
    old.chmod(0o755)

    done = make(tmp_path, "install", f"PYTHON={old}")

    assert done.returncode != 0
    assert "fanout needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.18" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_without_a_python_the_message_says_what_to_do(tmp_path: Path):
    done = make(tmp_path, "install", "PYTHON=")

    assert done.returncode != 0
    assert "found none; install one" in done.stderr


def test_make_bench_runs_every_benchmark_that_gives_an_answer():
    named = re.search(r"^BENCHMARKS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    answering = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if re.search(r"^ +finish\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert named
    assert set(named[1].split()) == answering


def test_what_ci_runs_is_what_people_run():
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-2:] == ["make lint", "make test"]
