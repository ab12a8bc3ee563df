"""Everything that a person can meet is explained somewhere: options, variables, exit codes, faults, outcomes, events."""

from __future__ import annotations

import importlib
import re
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

import pytest

from fanout.app import outcome
from fanout.cli import main
from fanout.cli.main import execute
from fanout.cli.names import COMMAND_LINE_ONLY, project_may_not
from fanout.cli.options import ALL
from fanout.model import errors, event
from fanout.model.fault import FaultKind, Stage
from fanout.model.job import Outcome
from fanout.model.selection import TermKind
from fanout.model.summary import Status, Summary

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
VERBS = (
    "run",
    "call",
    "exec",
    "plan",
    "apply",
    "resume",
    "retry",
    "undo",
    "accounts",
    "regions",
    "tasks",
    "runs",
    "runs show",
    "runs export",
    "runs delete",
    "assume",
    "profiles write",
    "profiles remove",
    "role template",
    "role policy",
    "doctor",
    "config show",
    "sandbox up",
)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def everything() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_in_the_docs(
    verb: str, everything: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert execute([*verb.split(), "--help"]) == 0
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}

    assert options
    assert [each for each in sorted(options) if not re.search(rf"{each}(?![\w-])", everything)] == []


def test_every_verb_is_among_those_whose_options_are_looked_for():
    assert {verb.partition(" ")[0] for verb in VERBS} == set(main.VERBS)


def test_every_shipped_task_is_in_the_docs(everything: str):
    names = [each.name for each in entry_points(group="fanout.tasks")]

    assert names
    assert [name for name in names if f"`{name}" not in everything and f"run {name} " not in everything] == []


def test_every_setting_of_a_run_is_in_the_table_of_settings():
    configuration = page("configuration.md")

    assert [spec.name for spec in ALL if f"`--{spec.name}`" not in configuration] == []


def test_what_files_may_not_decide_is_said():
    configuration = page("configuration.md")
    kept_from_projects = [spec.name for spec in ALL if project_may_not(spec.name)]

    section = configuration.partition("## What a project file may not decide")[2]
    assert [each for each in (*kept_from_projects, *COMMAND_LINE_ONLY) if f"`{each}`" not in section] == []


def test_every_exit_code_is_in_its_table():
    said = {int(code) for code in re.findall(r"^\| `?(\d+)`? \|", page("exit-codes.md"), re.MULTILINE)}
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.FanoutError)]
    ends = {outcome.INTERRUPTED, outcome.TERMINATED, outcome.FAILURE_LIMIT, outcome.NOTHING_OK, outcome.SOME_FAILED}

    assert said == {0, 141, *ends, *(each.exit_code for each in kinds)}


def test_every_kind_and_stage_of_fault_has_its_place():
    troubleshooting = page("troubleshooting.md")
    headings = set(re.findall(r"^### `(\w+)`$", troubleshooting, re.MULTILINE))

    assert headings == {kind.value for kind in FaultKind}
    assert [stage.value for stage in Stage if f"`{stage.value}`" not in troubleshooting] == []


def test_every_outcome_status_and_field_of_the_summary_is_explained():
    words = [*(each.value for each in Outcome), *get_args(Status), *Summary.__dataclass_fields__]
    whys = re.findall(r'"([a-z-]+)"', event.RunFinished.__doc__ or "")
    words += whys
    output = page("output.md")

    assert "run-timeout" in whys
    assert [word for word in words if f"`{word}`" not in output] == []


def test_every_kind_of_term_is_in_the_grammar():
    selection = page("selection.md")

    assert [
        kind.value for kind in TermKind if not re.search(rf"`{re.escape(kind.value)}[:`]|`[0-9]{{12}}`", selection)
    ] == []


def test_every_event_is_named():
    architecture = page("architecture.md")

    assert [each.__name__ for each in get_args(event.Event) if f"`{each.__name__}`" not in architecture] == []


def test_every_wing_is_in_the_drawing():
    wings = [each.name for each in (ROOT / "fanout").iterdir() if (each / "__init__.py").exists()]
    modules = [each.name for each in (ROOT / "fanout").glob("[a-z]*.py")]
    architecture = page("architecture.md")

    assert [name for name in (*(f"{wing}/" for wing in wings), *modules) if name not in architecture] == []


def test_every_page_is_reached_from_the_index():
    linked = set(re.findall(r"\]\(([\w/-]+\.md)", page("index.md")))

    assert linked == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"index.md"}


def slug(heading: str) -> str:
    """The anchor that a heading gets: lower case, no punctuation, dashes for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_inside_the_project_lead_somewhere(path: Path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        anchors = (
            {slug(each) for each in re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)}
            if there.suffix == ".md" and there.exists()
            else set()
        )
        if not there.exists() or (anchor and anchor not in anchors):
            broken.append(target)

    assert broken == []


def test_the_picture_is_an_image_that_asks_nothing_of_other_hosts():
    picture = DOCS / "images" / "run.svg"

    root = ET.parse(picture).getroot()

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert re.findall(r"(?:href|url|src)\s*[=(]\s*[\"']?https?:", picture.read_text(encoding="utf-8")) == []
    assert "docs/images/run.svg" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_modules_that_the_docs_import_from_exist():
    names = set()
    for path in PAGES:
        names |= set(re.findall(r"^from (fanout[\w.]*) import", path.read_text(encoding="utf-8"), re.MULTILINE))

    assert names
    for name in names:
        importlib.import_module(name)
