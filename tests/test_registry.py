"""Tasks are found by name and as files; what is broken is named and never breaks the rest."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fanout.model.errors import TaskLoadError
from fanout.registry import (
    CheckResult,
    EntryPoints,
    TaskEntry,
    check,
    find,
    installed,
    known,
    source_of,
)
from fanout.tasks import Task

HEAD = """\
from __future__ import annotations

from collections.abc import AsyncIterator

from fanout import Context, Row, task


"""

GOOD = (
    HEAD
    + '''\
@task(actions=["ec2:DescribeVolumes"])
async def idle_volumes(ctx: Context, *, min_gib: int = 1) -> AsyncIterator[Row]:
    """List volumes."""
    yield {"min_gib": min_gib}
'''
)


def one_task(name: str = "idle", declared: str = "actions=[]", options: str = "") -> str:
    return HEAD + f"@task({declared})\nasync def {name}(ctx: Context{options}) -> AsyncIterator[Row]:\n    yield {{}}\n"


class Site:
    """A directory of installed distributions."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def distribution(self, name: str, entries: str, files: dict[str, str] | None = None, version: str = "1.0") -> None:
        info = self.root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entries)
        for path, text in (files or {}).items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    @property
    def entry_points(self) -> EntryPoints:
        return partial(installed, [str(self.root)])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = set(sys.modules)
    root = tmp_path / "site"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    yield Site(root)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def offers(name: str, value: str) -> str:
    return f"[fanout.tasks]\n{name} = {value}\n"


def load(reference: str, site: Site | None = None, **options: Any) -> Task:
    settings = {"reserved": ("accounts", "out", "region", "no-progress"), "require_actions": True} | options
    return find(reference, entry_points=site.entry_points if site else tuple, **settings)


def refusal(reference: str, site: Site | None = None, **options: Any) -> TaskLoadError:
    with pytest.raises(TaskLoadError) as caught:
        load(reference, site, **options)
    assert caught.value.exit_code == 2
    assert "Traceback" not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(text: str, name: str = "mine.py") -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_the_shipped_tasks_are_known_without_being_imported():
    entries = {entry.name: entry for entry in known() if entry.shipped}

    assert {"caller-identity", "describe-instances", "list-vpcs"} <= set(entries)
    assert not any(entry.problem for entry in entries.values())


@pytest.mark.parametrize("name", ["caller-identity", "describe-instances", "list-vpcs"])
def test_a_shipped_task_is_found_by_name(name):
    found = find(name, reserved=("accounts", "regions"), require_actions=True)

    assert found.name == name
    assert found.source.startswith("fanout ")
    assert found.actions


def test_a_plug_in_of_another_distribution_is_found_by_name(site):
    site.distribution("acme-tasks", offers("idle-volumes", "acme_a.volumes:idle_volumes"), {"acme_a/volumes.py": GOOD})

    found = load("idle-volumes", site)

    assert (found.name, found.source) == ("idle-volumes", "acme-tasks 1.0")
    assert found.file == str(site.root / "acme_a/volumes.py")


def test_a_task_goes_by_the_name_it_is_offered_under(site):
    site.distribution("acme", offers("other-name", "acme_b:idle_volumes"), {"acme_b.py": GOOD})

    assert load("other-name", site).name == "other-name"


def test_only_what_is_asked_for_is_imported(site):
    entries = "[fanout.tasks]\ngood = acme_good:idle_volumes\nbad = acme_bad:task\n[other]\nx = acme_worse:y\n"
    site.distribution("acme", entries, {"acme_good.py": GOOD, "acme_bad.py": "raise RuntimeError('imported')"})

    assert [entry.name for entry in known(site.entry_points)] == ["bad", "good"]
    assert "acme_good" not in sys.modules
    assert load("good", site).name == "good"
    assert "acme_bad" not in sys.modules


def test_known_tells_distribution_version_and_value(site):
    site.distribution("Acme.Tasks", offers("idle", "acme_c:idle"), version="2.1")

    (entry,) = known(site.entry_points)

    assert entry == TaskEntry(name="idle", value="acme_c:idle", distribution="acme-tasks", version="2.1")


def test_what_stands_first_on_the_path_hides_a_second_copy(tmp_path):
    for folder, version in (("first", "2.0"), ("second", "1.0")):
        Site(tmp_path / folder).distribution("acme", offers("idle", "acme_d:idle"), version=version)

    found = installed([str(tmp_path / "first"), str(tmp_path / "second")])

    assert [entry.version for entry in found] == ["2.0"]


def test_a_shipped_name_cannot_be_taken(site):
    site.distribution("fanout", offers("idle", "own_tasks:idle"), {"own_tasks.py": one_task()})
    site.distribution("acme", offers("idle", "acme_e:idle"), {"acme_e.py": "raise RuntimeError('imported')"})

    shipped, ignored = known(site.entry_points)

    assert (shipped.distribution, shipped.problem) == ("fanout", "")
    assert ignored.problem == "ignored: idle is one of fanout's own tasks"
    assert load("idle", site).source == "fanout 1.0"
    assert "acme_e" not in sys.modules


def test_a_name_that_two_distributions_offer_is_refused_naming_both(site):
    site.distribution("acme", offers("idle", "acme_f:idle") + "busy = acme_f:busy\n", {"acme_f.py": one_task("busy")})
    site.distribution("zeta", offers("idle", "zeta_f:idle"), version="3.0")

    error = refusal("idle", site)

    assert "acme 1.0" in error.message
    assert "zeta 3.0" in error.message
    assert "zeta 3.0" in next(entry for entry in known(site.entry_points) if entry.value == "acme_f:idle").problem
    assert load("busy", site).name == "busy"


def test_malformed_entries_break_nothing_else(site):
    lines = "[fanout.tasks]\nno-equals-sign\n# a comment\nempty =\nnot-dotted = acme g:idle\nBad_Name = acme_g:idle\n"
    site.distribution("acme", lines + "idle = acme_g:idle\n", {"acme_g.py": one_task()})

    problems = {entry.name: entry.problem for entry in known(site.entry_points)}

    assert {name for name, problem in problems.items() if problem} == {
        "no-equals-sign",
        "empty",
        "not-dotted",
        "Bad_Name",
    }
    assert load("idle", site).name == "idle"
    assert "not of the form" in refusal("not-dotted", site).message


def test_damaged_metadata_of_one_distribution_breaks_no_other(site):
    site.distribution("acme", offers("idle", "acme_h:idle"), {"acme_h.py": one_task()})
    site.distribution("damaged", "")
    (site.root / "damaged-1.0.dist-info/entry_points.txt").write_bytes(b"[fanout.tasks]\n\xff\xfe = x:y\n")
    (site.root / "nameless-1.dist-info").mkdir()
    (site.root / "nameless-1.dist-info/entry_points.txt").write_text(offers("lost", "nowhere:lost"))

    assert load("idle", site).name == "idle"
    assert {entry.name for entry in known(site.entry_points)} == {"idle", "lost"}


def test_an_unknown_name_gets_the_nearest(site):
    site.distribution("acme", offers("idle-volumes", "acme_i:idle"))

    error = refusal("idle-volume", site)

    assert error.message == "there is no task 'idle-volume'"
    assert error.hint == "did you mean idle-volumes?"


def test_an_unknown_name_unlike_any_gets_a_way_to_list_them(site):
    site.distribution("acme", offers("idle-volumes", "acme_i:idle"))

    assert "fanout tasks" in refusal("qqq", site).hint


def test_a_file_named_without_its_ending_gets_told(tmp_path, monkeypatch):
    (tmp_path / "idle.py").write_text(one_task())
    monkeypatch.chdir(tmp_path)

    assert refusal("idle").hint == "to run the file, write ./idle.py"
    assert refusal("./idle").hint == "the name of a task file ends in .py"
    assert load("./idle.py").name == "idle"
    assert load("idle.py").name == "idle"


def test_a_missing_file_gets_the_nearest_file_or_name(site, tmp_path):
    (tmp_path / "volumes.py").write_text(GOOD)
    site.distribution("acme", offers("idle-volumes", "acme_j:idle"))

    assert str(tmp_path / "volumes.py") in refusal(str(tmp_path / "volume.py"), site).hint
    assert refusal("./idle_volumes.py", site).hint == "did you mean idle-volumes?"
    assert "does not exist" in refusal(str(tmp_path / "no/such/dir/x.py"), site).message


def test_a_directory_is_no_task_file(tmp_path):
    (tmp_path / "folder.py").mkdir()

    assert "is not a file" in refusal(str(tmp_path / "folder.py")).message


def test_a_file_with_one_task_needs_no_name(write):
    path = write(GOOD)

    found = load(path)

    assert (found.name, found.file) == ("idle-volumes", path)
    assert found.source == f"{path}:idle-volumes"
    assert load(found.source).name == "idle-volumes"


@pytest.mark.parametrize("name", ["first-one", "first_one"])
def test_a_file_with_several_tasks_needs_a_name(write, name):
    path = write(one_task("first_one") + one_task("second").removeprefix(HEAD.split("\n", 1)[0]))

    error = refusal(path)

    assert "holds 2 tasks: first-one, second" in error.message
    assert f"{path}:second" in error.hint
    assert load(f"{path}:{name}").name == "first-one"
    assert refusal(f"{path}:secnd").hint == "did you mean second?"


SECOND = one_task("second", 'name="same", actions=[]').removeprefix(HEAD)


@pytest.mark.parametrize(
    "text",
    [
        one_task("first", 'name="same", actions=[]') + "\n\n" + SECOND,
        one_task("second", 'name="same", actions=[]') + "\n\n" + SECOND,
        one_task("same") + "\n\n" + SECOND,
    ],
    ids=["by name", "one hides the other", "by function and by name"],
)
def test_two_tasks_of_one_name_in_a_file_are_refused(write, text):
    path = write(text)

    for reference in (path, f"{path}:same", f"{path}:first", f"{path}:second"):
        error = refusal(reference)
        assert error.message == f"{path} holds 2 tasks named same: {path}:8 and {path}:13"
        assert "@task(name=" in error.hint


def test_a_function_that_hides_a_task_is_named_whatever_both_are_called(write):
    path = write(one_task("mine", 'name="first", actions=[]') + "\n\n" + one_task("mine").removeprefix(HEAD))

    assert refusal(path).message == f"{path} holds 2 tasks named mine: {path}:8 and {path}:13"


def test_a_task_goes_by_its_own_name_before_that_of_anothers_function(write):
    path = write(
        one_task("a", 'name="b", actions=[]') + "\n\n" + one_task("b", 'name="c", actions=[]').removeprefix(HEAD)
    )

    assert {name: load(f"{path}:{name}").name for name in "abc"} == {"a": "b", "b": "b", "c": "c"}


def test_a_task_that_a_file_imports_is_not_its_own(write):
    text = "from fanout_plugins.list_vpcs import list_vpcs\n" + one_task().replace(
        "from __future__ import annotations\n", ""
    )

    assert load(write(text)).name == "idle"


def test_a_file_without_a_task_is_refused(write):
    assert "holds no task" in refusal(write("x = 1\n")).message


def test_a_file_cannot_take_a_shipped_name(site, write):
    site.distribution("fanout", offers("idle", "own_tasks:idle"))
    path = write(one_task())

    error = refusal(path, site)

    assert f"{path}:8: idle is one of fanout's own tasks" in error.message
    assert '@task(name="my-idle"' in error.hint


def test_postponed_annotations_and_dataclasses_work_in_a_file(write):
    text = HEAD.replace(
        "from collections", "from dataclasses import dataclass\nfrom enum import Enum\nfrom collections"
    )
    text += dedent("""\
        class Colour(Enum):
            RED = "red"


        @dataclass(slots=True, kw_only=True)
        class Point:
            x: int
            colour: Colour = Colour.RED


        @task(actions=[])
        async def paint(ctx: Context, *, colour: Colour = Colour.RED) -> AsyncIterator[Row]:
            yield {"point": Point(x=1, colour=colour)}
        """)

    found = load(write(text))

    assert found.parameters[0].choices == ("red",)
    assert found.function.__module__ in sys.modules


def test_a_file_takes_no_ones_module_name_and_leaves_no_cache(write, tmp_path):
    before = set(sys.modules)
    json_before = sys.modules.get("json")

    found = load(write(one_task(), "json.py"))

    assert found.file == str(tmp_path / "json.py")
    assert sys.modules.get("json") is json_before
    assert {name for name in set(sys.modules) - before if "fanout_task_file" not in name} == set()
    assert not (tmp_path / "__pycache__").exists()


def test_a_changed_file_is_read_again(write):
    path = write(one_task("before"))
    first = load(path)
    write(one_task("after_"))

    assert (first.name, load(path).name) == ("before", "after")


BROKEN = [
    pytest.param("x = 1\nraise ValueError('no luck')\n", 2, "ValueError: no luck", id="raises"),
    pytest.param("import sys\n\nsys.exit(3)\n", 3, "SystemExit: 3", id="exits"),
    pytest.param("x = 1\ndef f(:\n", 2, "SyntaxError: invalid syntax", id="syntax"),
    pytest.param("import json\njson.loads('{')\n", 2, "JSONDecodeError: Expecting property name", id="in-a-library"),
    pytest.param("import no_such_library\n", 1, "ModuleNotFoundError: No module named 'no_such_library'", id="missing"),
    pytest.param("raise ValueError('one\\ntwo')\n", 1, "ValueError: one", id="many-lines"),
    pytest.param("raise ValueError('\\x1b[31mred')\n", 1, "ValueError: [31mred", id="escapes"),
    pytest.param("class E(Exception):\n  def __str__(self): 1/0\nraise E\n", 3, "E", id="unprintable"),
    pytest.param("def f():\n  assert False\nf()\n", 2, "AssertionError", id="deeper"),
    pytest.param(one_task(options=", depth: int"), 8, "task idle: parameter depth is not keyword-only", id="contract"),
]


@pytest.mark.parametrize(("text", "line", "says"), BROKEN)
def test_a_broken_file_is_named_with_its_line(write, text, line, says):
    path = write(text)

    error = refusal(path)

    assert f"{path}:{line}: {says}" in error.message
    assert error.hint
    assert error.__cause__ is not None


@pytest.mark.parametrize(("text", "line", "says"), BROKEN)
def test_a_broken_plug_in_is_named_with_its_distribution_and_line(site, text, line, says):
    site.distribution("acme", offers("idle", "acme_k.deep.tasks:idle"), {"acme_k/deep/tasks.py": text})

    error = refusal("idle", site)

    assert "task idle of acme 1.0" in error.message
    assert f"{site.root}/acme_k/deep/tasks.py:{line}: {says}" in error.message


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "x.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "y.py").write_bytes(b"# \xff\xfe\n")

    assert str(tmp_path / "x.py") in refusal(str(tmp_path / "x.py")).message
    assert str(tmp_path / "y.py") in refusal(str(tmp_path / "y.py")).message


def test_the_culprit_is_the_plug_ins_file_and_not_its_virtual_environment(tmp_path, monkeypatch, site):
    packages = tmp_path / ".venv/lib/site-packages"
    packages.mkdir(parents=True)
    (packages / "acme_deep_library.py").write_text("def boom():\n    raise OSError('from within')\n")
    monkeypatch.syspath_prepend(str(packages))
    (tmp_path / "mine.py").write_text("import acme_deep_library\nacme_deep_library.boom()\n")

    assert f"{tmp_path}/mine.py:2: OSError: from within" in refusal(str(tmp_path / "mine.py")).message


@pytest.mark.parametrize("library", ["boto3_missing", "no_such_library"])
def test_a_missing_library_gets_a_hint(write, library):
    assert refusal(write(f"import {library}\n")).hint == f"install {library} beside fanout, in the same environment"


def test_a_missing_sdk_gets_told_that_a_task_needs_none(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)

    assert refusal(write("import boto3\n")).hint.startswith("ctx.client(...) needs no AWS library")


def test_a_sibling_import_gets_a_hint(write):
    write("x = 1\n", "acme_sibling.py")

    assert "a task file stands alone" in refusal(write("import acme_sibling\n")).hint


def test_a_submodule_that_is_not_there_gets_a_hint(write):
    assert "json is there" in refusal(write("import json.absent\n")).hint


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("acme_ghost:idle", "No module named 'acme_ghost'"),
        ("acme_l:absent", "has no attribute 'absent'"),
        ("acme_l:number", "is a int, not a task"),
    ],
)
def test_an_entry_that_leads_nowhere_is_named(site, value, says):
    site.distribution("acme", offers("idle", value), {"acme_l.py": "number = 1\n"})

    error = refusal("idle", site)

    assert f"task idle of acme 1.0 ({value})" in error.message
    assert says in error.message


def test_an_interrupt_while_loading_is_not_swallowed(write):
    path = write("raise KeyboardInterrupt\n")
    before = set(sys.modules)

    with pytest.raises(KeyboardInterrupt):
        load(path)
    assert set(sys.modules) == before


def test_what_a_plug_in_prints_stays_off_stdout(write, capsys):
    load(write("print('hello')\n" + one_task().replace("from __future__ import annotations\n", "")))

    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("options", "hidden"),
    [
        (", *, accounts: str = ''", "parameter accounts would hide fanout's own option --accounts"),
        (", *, out: int = 1", "--out"),
        (", *, progress: bool = True", "parameter progress would hide fanout's own option --no-progress"),
        (", *, no_progress: str = ''", "--no-progress"),
        (", *, help: str = ''", "--help"),
    ],
)
def test_a_parameter_that_hides_an_own_option_is_refused(write, options, hidden):
    path = write(one_task(options=options))

    error = refusal(path)

    assert f"{path}:8: task idle: its " in error.message
    assert hidden in error.message


def test_a_parameter_that_only_resembles_an_own_option_is_fine(write):
    assert load(write(one_task(options=", *, account: str = '', progress: str = ''"))).name == "idle"


def test_reserved_names_may_come_with_their_dashes(write):
    assert "--region" in refusal(write(one_task(options=", *, region: str = ''")), reserved=("--region", "-r")).message


def test_a_task_without_actions_is_refused_where_they_are_needed(write):
    path = write(one_task(declared="service='ec2'"))

    error = refusal(path)

    assert f"{path}:8: task idle does not say which IAM actions it needs" in error.message
    assert "--no-scope" in error.hint
    assert load(path, require_actions=False).actions is None


def test_a_task_that_declares_no_actions_at_all_needed_is_fine(write):
    assert load(write(one_task())).actions == ()


def test_check_imports_all_and_says_what_is_broken(site):
    site.distribution("fanout", offers("own", "own_m:own"), {"own_m.py": one_task("own")})
    site.distribution(
        "acme",
        "[fanout.tasks]\nfine = acme_m1:fine\nexits = acme_m2:x\nhides = acme_m3:hides\nown = acme_m4:x\n",
        {
            "acme_m1.py": one_task("fine"),
            "acme_m2.py": "raise SystemExit('bye')\n",
            "acme_m3.py": one_task("hides", options=", *, out: str"),
        },
    )
    site.distribution("zeta", offers("twice", "zeta_m:x"))
    site.distribution("yota", offers("twice", "yota_m:x"))

    results = check(reserved=("out",), require_actions=True, entry_points=site.entry_points)

    def result(distribution: str, name: str) -> CheckResult:
        return next(each for each in results if (each.entry.distribution, each.entry.name) == (distribution, name))

    assert len(results) == 7
    for fine in (result("fanout", "own"), result("acme", "fine")):
        assert fine.task is not None
        assert fine.problem == ""
    assert f"{site.root}/acme_m2.py:1: SystemExit: bye" in result("acme", "exits").problem
    assert "task exits of acme 1.0" in result("acme", "exits").problem
    assert "would hide fanout's own option --out" in result("acme", "hides").problem
    assert result("acme", "hides").hint == "rename the parameter"
    assert result("acme", "own").problem.startswith("ignored: ")
    assert "yota 1.0" in result("zeta", "twice").problem
    assert "zeta 1.0" in result("yota", "twice").problem


def test_source_is_the_files_text_and_hash(write):
    path = write("# -*- coding: latin-1 -*-\n" + GOOD)

    text, digest = source_of(load(path))

    assert text == Path(path).read_text()
    assert digest == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_source_that_is_gone_is_refused(write):
    path = write(GOOD)
    found = load(path)
    Path(path).unlink()

    with pytest.raises(TaskLoadError, match="source of task idle-volumes cannot be read"):
        source_of(found)
