"""Finds tasks by name (entry points) or as files, refuses the unfit ones, and names the culprit of what is broken."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import Distribution, distributions
from operator import attrgetter
from pathlib import Path
from traceback import walk_tb
from types import CodeType, ModuleType
from typing import TypeVar

from fanout.model.errors import TaskLoadError
from fanout.model.nearest import did_you_mean, nearest
from fanout.tasks import Task

GROUP = "fanout.tasks"
"""The group of entry points in which distributions offer tasks: `name = "package.module:task"`."""

_OWN_DISTRIBUTION = "fanout"
_VALUE = re.compile(r"(?P<module>\w+(\.\w+)*)\s*:\s*(?P<attribute>\w+(\.\w+)*)\s*(\[.*\])?")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FILE = re.compile(r"(?P<path>.*\.py)(:(?P<name>[^:/\\]*))?", re.DOTALL)
_TASK = re.compile(r"(\w+\.)*task\b")
_SDK = frozenset({"boto3", "botocore", "aioboto3", "aiobotocore"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEntry:
    """A task that a distribution offers, as its metadata says; nothing of it has been imported.

    `value` is "package.module:attribute". `problem` is empty, or says why the name cannot be used: it is malformed, or
    another distribution offers it too.
    """

    name: str
    value: str
    distribution: str
    version: str
    problem: str = ""

    @property
    def origin(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def shipped(self) -> bool:
        """Whether it is one of fanout's own."""
        return self.distribution == _OWN_DISTRIBUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What importing one offered task came to: the task, or the problem and what to do about it."""

    entry: TaskEntry
    task: Task | None = None
    problem: str = ""
    hint: str = ""


EntryPoints = Callable[[], Sequence[TaskEntry]]
"""Where offered tasks come from."""


def installed(path: Sequence[str] | None = None) -> tuple[TaskEntry, ...]:
    """What the installed distributions offer, from their metadata alone; `path` replaces sys.path."""
    found: list[TaskEntry] = []
    seen: set[str] = set()
    for distribution in distributions() if path is None else distributions(path=list(path)):
        text = _entry_points_text(distribution)
        if text:
            name, version = _name_and_version(distribution)
            if name not in seen:  # what stands first on the path hides the rest, as it does for imports
                found.extend(_offered(text, name or "a nameless distribution", version))
            seen.update({name} - {""})
    return tuple(found)


def known(entry_points: EntryPoints = installed) -> tuple[TaskEntry, ...]:
    """All offered tasks by name, with what is wrong with their names; imports nothing."""
    entries = tuple(dict.fromkeys(entry_points()))
    judged = (replace(entry, problem=_name_problem(entry, entries)) for entry in entries)
    return tuple(sorted(judged, key=lambda entry: (entry.name, not entry.shipped, entry.distribution)))


def find(
    reference: str, *, reserved: Collection[str], require_actions: bool, entry_points: EntryPoints = installed
) -> Task:
    """Load the one task that `reference` names: a name, `path/to/file.py`, or `path/to/file.py:name`.

    `reserved` are the names of fanout's own options, without dashes in front. The task's `source` is the distribution and
    version that offers it, or `path/to/file.py:name`.

    :raises TaskLoadError: if it is unknown, offered twice, broken, hides an option of fanout's own, or declares no actions
        although `require_actions` says that it must.
    """
    entries = known(entry_points)
    as_file = _FILE.fullmatch(reference)
    if as_file:
        task = _from_file(Path(as_file["path"]), as_file["name"], entries)
    else:
        task = _from_entry(_entry(reference, entries))
    _validate(task, reserved, require_actions=require_actions)
    return task


def check(
    *, reserved: Collection[str], require_actions: bool, entry_points: EntryPoints = installed
) -> tuple[CheckResult, ...]:
    """Import every offered task and say what is broken, and why; one that breaks does not stop the others."""
    return tuple(_check(entry, reserved, require_actions) for entry in known(entry_points))


def source_of(task: Task) -> tuple[str, str]:
    """The text of the file that holds `task`, and the SHA-256 of its bytes in hex.

    :raises TaskLoadError: if the file cannot be read.
    """
    try:
        content = Path(task.file).read_bytes()
    except OSError as error:
        raise TaskLoadError(f"the source of task {task.name} cannot be read: {error}") from error
    return importlib.util.decode_source(content), hashlib.sha256(content).hexdigest()


def _entry_points_text(distribution: Distribution) -> str:
    """The section of our group, or "" where there is none or it cannot be read: other tools' metadata may be damaged."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except (OSError, ValueError):
        return ""
    section = re.search(rf"^\[{re.escape(GROUP)}\][ \t]*$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    return section[1] if section else ""


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """The normalized name (PyPA: lower case, one dash) and the version; empty where the metadata is damaged."""
    try:
        name, version = distribution.metadata["Name"], distribution.version
    except (OSError, ValueError, KeyError):
        return "", ""
    return re.sub(r"[-_.]+", "-", name or "").lower(), version or ""


def _offered(text: str, distribution: str, version: str) -> Iterator[TaskEntry]:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield TaskEntry(name=name.strip(), value=value.strip(), distribution=distribution, version=version)


def _name_problem(entry: TaskEntry, entries: Iterable[TaskEntry]) -> str:
    if not _NAME.fullmatch(entry.name) or not _VALUE.fullmatch(entry.value):
        return f"{entry.name} = {entry.value!r} is not of the form name = package.module:task"
    rivals = [other for other in entries if other.name == entry.name and other != entry]
    if any(rival.shipped for rival in rivals) and not entry.shipped:
        return f"ignored: {entry.name} is one of fanout's own tasks"
    if rivals and not entry.shipped:
        return f"refused: {entry.name} is offered by {' and by '.join(rival.origin for rival in rivals)} too"
    return ""


def _entry(name: str, entries: Sequence[TaskEntry]) -> TaskEntry:
    offered = [entry for entry in entries if entry.name == name]
    usable = [entry for entry in offered if not entry.problem]
    if usable:
        return usable[0]
    if len(offered) > 1:
        origins = " and by ".join(entry.origin for entry in offered)
        raise TaskLoadError(f"task {name} is offered by {origins}", "uninstall one of them, or run one as ./file.py")
    if offered:
        raise TaskLoadError(f"{offered[0].origin} offers a broken task: {offered[0].problem}")
    raise TaskLoadError(f"there is no task {name!r}", _unknown_hint(name, entries))


def _unknown_hint(name: str, entries: Sequence[TaskEntry]) -> str:
    if "/" in name or "\\" in name:
        return "the name of a task file ends in .py"
    file = Path(f"{name}.py")
    if _NAME.fullmatch(name.replace("_", "-")) and file.is_file():
        return f"to run the file, write ./{file}"
    usable = [entry.name for entry in entries if not entry.problem]
    if not usable:
        return "no task is installed; a file is run as ./file.py"
    return did_you_mean(name, usable) or "`fanout tasks` lists those there are; a file is run as ./file.py"


def _from_entry(entry: TaskEntry) -> Task:
    parts = _VALUE.fullmatch(entry.value)
    assert parts is not None, "a malformed value is a problem, and such an entry is not loaded"
    what = f"task {entry.name} of {entry.origin} ({entry.value})"

    def load() -> object:
        return attrgetter(parts["attribute"])(importlib.import_module(parts["module"]))

    loaded = _guarded(load, what, lambda: _package_roots(parts["module"]))
    if not isinstance(loaded, Task):
        file = getattr(sys.modules.get(parts["module"]), "__file__", parts["module"])
        message = f"{file}: {what} is a {type(loaded).__name__}, not a task"
        raise TaskLoadError(message, "decorate an async generator with @task")
    return replace(loaded, name=entry.name, source=entry.origin)


def _from_file(path: Path, name: str | None, entries: Sequence[TaskEntry]) -> Task:
    file = path.expanduser().absolute()
    if not file.is_file():
        what = "is not a file" if file.exists() else "does not exist"
        raise TaskLoadError(f"{path} {what}, so there is no task to run", _missing_file_hint(file, entries))
    module = _guarded(lambda: _load_file(file), f"task file {path}", lambda: (file.parent,))
    task = _choose(module, path, name)
    if any(entry.shipped and entry.name == task.name for entry in entries):
        raise TaskLoadError(
            f"{task.file}:{task.line}: {task.name} is one of fanout's own tasks, and its name cannot be taken",
            f'name it otherwise: @task(name="my-{task.name}", ...)',
        )
    return replace(task, source=f"{file}:{task.name}")


def _missing_file_hint(file: Path, entries: Sequence[TaskEntry]) -> str:
    with contextlib.suppress(OSError):
        beside = nearest(file.name, [each.name for each in file.parent.glob("*.py")])
        if beside:
            return f"did you mean {', or '.join(str(file.with_name(each)) for each in beside)}?"
    return did_you_mean(file.stem.replace("_", "-"), [entry.name for entry in entries if not entry.problem])


class _Uncached(SourceFileLoader):
    """Compiles what the file holds now, and leaves no __pycache__ beside an author's file."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # the signature is importlib's
        return self.source_to_code(self.get_data(self.path), self.path)


def _load_file(file: Path) -> ModuleType:
    """Run a task file as a module whose name nothing else can have; it stays in sys.modules for its annotations."""
    name = f"_fanout_task_file_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    loader = _Uncached(name, str(file))
    spec = ModuleSpec(name, loader, origin=str(file))
    spec.has_location = True
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _choose(module: ModuleType, path: Path, name: str | None) -> Task:
    """The task that is called `name`, by its own name or else its function's; else the only one that was written here."""
    tasks = {variable: value for variable, value in vars(module).items() if isinstance(value, Task)}
    own = [task for task in tasks.values() if task.file == module.__file__]
    here = {id(task): task for task in own or tasks.values()}
    if not here:
        raise TaskLoadError(f"{path} holds no task", "decorate an async generator with @task")
    _refuse_twins(here.values(), path)
    by_variable = [task for variable, task in tasks.items() if name in (variable, task.function.__name__)]
    named = [task for task in tasks.values() if task.name == name] or by_variable
    chosen = {id(task): task for task in named} if name else here
    if len(chosen) == 1:
        return next(iter(chosen.values()))
    names = sorted({task.name for task in here.values()})
    if not chosen:
        near = did_you_mean(name or "", names) or f"it holds {', '.join(names)}"
        raise TaskLoadError(f"{path} holds no task {name!r}", near)
    hint = f"say which: {' or '.join(f'{path}:{each}' for each in names)}"
    raise TaskLoadError(f"{path} holds {len(names)} tasks: {', '.join(names)}", hint)


def _refuse_twins(tasks: Collection[Task], path: Path) -> None:
    """Refuse two tasks of one name, and two functions of one name of which the second has taken the first out of sight."""
    seen = {(task.file, task.line) for task in tasks}
    for name in sorted({task.name for task in tasks}):
        twins = [task for task in tasks if task.name == name]
        hidden = {(twin.file, line) for twin in twins for line in _written(twin)} - seen
        places = sorted([(twin.file, twin.line) for twin in twins] + list(hidden))
        if len(places) > 1:
            where = " and ".join(f"{file}:{line}" for file, line in places)
            hint = 'give each function and each task a name of its own: @task(name="...")'
            raise TaskLoadError(f"{path} holds {len(places)} tasks named {name}: {where}", hint)


def _written(task: Task) -> list[int]:
    """The lines of all functions that stand in the task's file as tasks, and have the name of its function."""
    functions = (each for each in ast.parse(source_of(task)[0]).body if isinstance(each, ast.AsyncFunctionDef))
    same = (each for each in functions if each.name == task.function.__name__)
    return [
        each.decorator_list[0].lineno for each in same if any(map(_TASK.match, map(ast.unparse, each.decorator_list)))
    ]


def _check(entry: TaskEntry, reserved: Collection[str], require_actions: bool) -> CheckResult:
    if entry.problem:
        return CheckResult(entry=entry, problem=entry.problem)
    try:
        task = _from_entry(entry)
        _validate(task, reserved, require_actions=require_actions)
    except TaskLoadError as error:
        return CheckResult(entry=entry, problem=error.message, hint=error.hint)
    return CheckResult(entry=entry, task=task)


def _validate(task: Task, reserved: Collection[str], *, require_actions: bool) -> None:
    where = f"{task.file}:{task.line}: task {task.name}"
    own = {"help", *(option.lstrip("-") for option in reserved)}
    for parameter in task.parameters:
        options = {parameter.option} | ({f"no-{parameter.option}"} if parameter.type is bool else set())
        for option in options & own:
            message = f"{where}: its parameter {parameter.name} would hide fanout's own option --{option}"
            raise TaskLoadError(message, "rename the parameter")
    if require_actions and task.actions is None:
        raise TaskLoadError(
            f"{where} does not say which IAM actions it needs",
            'declare them: @task(actions=["ec2:DescribeInstances"]), or [] for none; or run it with --no-scope',
        )


def _guarded(load: Callable[[], T], what: str, roots: Callable[[], tuple[Path, ...]]) -> T:
    """Run the code of a plug-in: whatever it raises, sys.exit included, names the culprit; what it prints is not data."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return load()
    except TaskLoadError as error:
        raise TaskLoadError(f"{what} cannot be loaded: {error.message}", error.hint) from error
    except (Exception, SystemExit) as error:
        culprit = _culprit(error, roots())
        place = f"{culprit}: " if culprit else ""
        raise TaskLoadError(f"{what} cannot be loaded: {place}{_one_line(error)}", _hint(error, culprit)) from error


def _one_line(error: BaseException) -> str:
    """The exception's type and the first line of its text, without what could steer a terminal."""
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # a plug-in's __str__ can raise anything
        text = ""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    printable = "".join(letter for letter in first if letter.isprintable())
    return f"{type(error).__name__}: {printable[:300]}".removesuffix(": ")


def _culprit(error: BaseException, roots: tuple[Path, ...]) -> str:
    """The file and line that is to blame: of a syntax error its own, else the deepest frame in the plug-in's files."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        return f"{error.filename}:{error.lineno or 1}"
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    own = [(file, line) for file, line in frames if any(_lies_in(file, root) for root in roots)]
    return f"{own[-1][0]}:{own[-1][1]}" if own else ""


def _lies_in(file: str, root: Path) -> bool:
    """Whether a file belongs to a plug-in; fanout or a virtual environment beside a task file does not."""
    path = Path(file)
    if not path.is_relative_to(root) or path.is_relative_to(Path(__file__).parent):
        return False
    return "site-packages" not in path.relative_to(root).parts


def _package_roots(module: str) -> tuple[Path, ...]:
    """The directories, or the file, of the top-level package of `module`; none where it cannot be found."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    return tuple(Path(each) for each in spec.submodule_search_locations or [spec.origin or ""])


def _hint(error: BaseException, culprit: str) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return "-vv shows the whole traceback"
    missing = error.name.partition(".")[0]
    if missing != error.name:
        return f"{missing} is there, but this version of it has no {error.name}"
    if missing in _SDK:
        return f"ctx.client(...) needs no AWS library; else install {missing} beside fanout"
    sibling = Path(culprit.rpartition(":")[0]).with_name(f"{missing}.py") if culprit else None
    if sibling and sibling.is_file():
        return f"a task file stands alone: move what it needs of {sibling.name} into it, or make a package of both"
    return f"install {missing} beside fanout, in the same environment"
