"""The house stands as designed: floors, doors, names, sizes."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = ROOT / "plugins" / "fanout_plugins"
MODULES = sorted([*(ROOT / "fanout").rglob("*.py"), *PLUGINS.rglob("*.py")])
TESTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
FORBIDDEN_NAMES = {"core", "common", "utils", "util", "helpers", "helper", "base", "manager", "handler", "misc"}
HEAVY = ("botocore", "boto3", "aiobotocore", "aioboto3", "aiohttp", "moto", "sqlite3")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """The lines of a function that say something, without its docstring."""
    body = function.body
    first = body[0]
    skipped: set[int] = set()
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        skipped = set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    own = range(function.lineno, (function.end_lineno or function.lineno) + 1)
    return sum(1 for number in own if number not in skipped and lines[number - 1].strip())


def loaded_by(statement: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has after `statement`."""
    script = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    # coverage would start in the interpreter, and it loads sqlite3
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return set(done.stdout.split()) & set(HEAVY)


def test_the_layers_and_doors_are_kept():
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or shutil.which("lint-imports")
    assert tool, "import-linter is among the development requirements"

    done = subprocess.run([tool, "--no-cache", "--no-logo"], capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["fanout", "fanout.registry", "fanout.cli.main"])
def test_importing_loads_no_aws_library_and_no_database(module):
    try:
        there = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        there = None
    if there is None:
        pytest.skip(f"there is no {module}")

    assert loaded_by(f"import {module}") == set()


def test_shipped_tasks_load_no_aws_library_either():
    names = [path.stem for path in PLUGINS.glob("*.py") if path.stem != "__init__"]
    assert names

    assert loaded_by("\n".join(f"import fanout_plugins.{name}" for name in names)) == set()


@pytest.mark.parametrize("path", sorted(PLUGINS.glob("*.py")), ids=relative)
def test_shipped_tasks_import_the_face_and_the_standard_library_alone(path):
    imported: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            imported.add(node.module or "")

    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("fanout_plugins.")} <= {"fanout"}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_says_what_it_is_and_fits_on_a_few_screens(path):
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(parsed(path))

    assert docstring, "the first line of a module says what it is"
    assert docstring.splitlines()[0].endswith((".", ":", "?"))
    assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_function_is_longer_than_fifty_lines(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    sizes = {node.name: code_lines(node, lines) for node in ast.walk(parsed(path)) if isinstance(node, kinds)}

    assert {name: size for name, size in sizes.items() if size > 50} == {}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_names_say_what_a_module_holds(path):
    parts = {part.strip("_") for part in (path.stem, *path.relative_to(ROOT).parent.parts)}

    assert not parts & FORBIDDEN_NAMES


PEERS = ("benchmarks/client_per_pair.py",)  # written as its authors would: it is what fanout is measured against


@pytest.mark.parametrize("path", [path for path in [*MODULES, *TESTS] if relative(path) not in PEERS], ids=relative)
def test_concurrency_goes_through_task_groups(path):
    forbidden = {"create_task", "ensure_future", "gather"}
    calls = {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    }

    assert not {call for call in calls if call.partition(".")[0] == "asyncio" and call.partition(".")[2] in forbidden}
