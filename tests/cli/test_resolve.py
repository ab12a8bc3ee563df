from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fanout.cli.environment import World
from fanout.cli.resolve import Resolved, Source, resolve
from fanout.model.errors import UsageError


class Place:
    """A project directory and a user's home."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.config = root / "config"
        self.project.mkdir()
        self.environ = {"HOME": str(root / "home"), "XDG_CONFIG_HOME": str(self.config)}

    def project_file(self, text: str) -> Path:
        path = self.project / "fanout.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def user_file(self, text: str) -> Path:
        path = self.config / "fanout" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        return path

    def resolve(self, flags: dict[str, Any] | None = None, **environ: str) -> Resolved:
        return resolve(flags or {}, World(self.environ | environ, self.project))

    def refusal(self, flags: dict[str, Any] | None = None, **environ: str) -> UsageError:
        with pytest.raises(UsageError) as refused:
            self.resolve(flags, **environ)
        assert refused.value.exit_code == 2
        return refused.value


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_flag_then_environment_then_project_then_user_then_default(place: Place):
    def concurrency(flags: dict[str, Any] | None = None, **environ: str) -> tuple[int, Source]:
        setting = place.resolve(flags, **environ).settings["concurrency"]
        return setting.value, setting.source

    assert concurrency() == (64, Source.DEFAULT)
    user = place.user_file("concurrency = 2")
    assert concurrency() == (2, Source.USER)
    assert place.resolve().settings["concurrency"].where == str(user)
    place.project_file("concurrency = 3")
    assert concurrency() == (3, Source.PROJECT)
    assert concurrency(FANOUT_CONCURRENCY="4") == (4, Source.ENVIRONMENT)
    assert concurrency({"concurrency": "5"}, FANOUT_CONCURRENCY="4") == (5, Source.FLAG)


def test_a_stronger_source_replaces_a_list(place: Place):
    place.user_file('exclude = ["111122223333"]')
    assert place.resolve(FANOUT_EXCLUDE="self").value("exclude") == ("self",)


def test_a_flag_turns_off_what_a_file_turned_on(place: Place):
    place.user_file("fail-fast = true\nno-scope = true")
    resolved = place.resolve({"fail-fast": False, "no-scope": False})
    assert not resolved.as_settings().execution.fail_fast
    assert resolved.as_settings().access.scoped


def test_keys_have_dashes_or_underscores_and_values_their_own_types(place: Place):
    place.project_file(
        'per_account = 4\nrun-timeout = "1h"\ntimeout = 90\nregions = ["eu-*", "us-east-1"]\naccounts = "org,self"\n'
        'max-failures = 3\nrequire-coverage = "99%"\nassume-rate = 2.5\nout = "rows.csv"'
    )
    settings = place.resolve().as_settings()
    assert settings.execution.per_account == 4
    assert settings.execution.run_timeout == 3600.0
    assert settings.execution.timeout == 90.0
    assert settings.selection.regions == ("eu-*", "us-east-1")
    assert settings.selection.accounts == ("org,self",)
    assert settings.execution.max_failures == "3"
    assert settings.execution.require_coverage == 0.99
    assert settings.access.assume_rate == 2.5
    assert settings.output.out == Path("rows.csv")


def test_every_option_can_come_from_the_environment(place: Place):
    resolved = place.resolve(
        FANOUT_ACCOUNTS="org,111122223333",
        FANOUT_REGIONS="eu-*,us-east-1",
        FANOUT_NO_SCOPE="true",
        FANOUT_FAIL_FAST="0",
        FANOUT_VERBOSE="2",
        FANOUT_EXCLUDE="",
    )
    settings = resolved.as_settings()
    assert settings.selection.accounts == ("org,111122223333",)
    assert settings.selection.regions == ("eu-*", "us-east-1")
    assert not settings.access.scoped
    assert not settings.execution.fail_fast
    assert settings.output.verbose == 2
    assert resolved.settings["exclude"].source is Source.DEFAULT


@pytest.mark.parametrize(
    "key",
    ["no-scope", "no_scope", "allow-endpoint", "self-direct", "task-path", "notify", "sandbox", "protected-accounts"],
)
def test_a_project_file_may_not_decide_what_a_cloned_directory_must_not(place: Place, key: str):
    path = place.project_file(f"# ours\nconcurrency = 1\n{key} = false")
    error = place.refusal()
    assert error.message.startswith(f"{path}:3: ")
    assert key in error.message
    assert "project file" in error.message


@pytest.mark.parametrize("key", ["no-scope", "self-direct", "sandbox"])
def test_the_users_own_file_may(place: Place, key: str):
    place.user_file(f"{key} = true")
    assert place.resolve().value(key) is True


@pytest.mark.parametrize("key", ["yes", "force", "yes-print", "yes_print"])
def test_a_persons_word_is_taken_from_no_file(place: Place, key: str):
    path = place.user_file(f"\n{key} = true")
    error = place.refusal()
    assert error.message.startswith(f"{path}:2: ")
    assert key in error.message


@pytest.mark.parametrize("variable", ["FANOUT_YES", "FANOUT_FORCE", "FANOUT_YES_PRINT"])
def test_a_persons_word_is_not_taken_from_the_environment(place: Place, variable: str):
    assert variable in place.refusal(**{variable: "1"}).message


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("concurency = 3", "concurency", "concurrency"),
        ("[acounts]\nx = 1", "acounts", "accounts"),
        ('concurrency = "many"', "concurrency: 'many'", ""),
        ("concurrency = 0", "concurrency: '0' is not a whole number", ""),
        ("concurrency = 1.5", "concurrency: 1.5 is not a whole number", ""),
        ("concurrency = true", "concurrency: True is not a whole number", ""),
        ("fail-fast = 1", "fail-fast: 1 is not true or false", ""),
        ('fail-fast = "true"', "fail-fast: 'true' is not true or false", ""),
        ("regions = 3", "regions: 3 is neither a string nor a list", ""),
        ("regions = [3]", "regions: [3] is neither", ""),
        ("role = []", "role: [] is not a role", ""),
        ('duration = "14m"', "duration: ", "15m"),
        ('accounts = ["al"]', "accounts: 'al'", ""),
        ("external-id = 4711", "external-id: the value (not shown) is not", ""),
        ("task = 3", "task is not a table", "[task.NAME]"),
        ("task.x = 3", "task.x is not a table", "[task.NAME]"),
        ("concurrency = 1\nregion = 'eu-west-1'\nregions = 'eu-west-2'", "regions is there twice", ""),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(place: Place, text: str, said: str, hint: str):
    path = place.project_file(f"# ours\n\n{text}")
    error = place.refusal()
    line = 5 if "twice" in said else 3
    assert error.message.startswith(f"{path}:{line}: ")
    assert said in error.message
    assert hint in error.hint


@pytest.mark.parametrize(("text", "line"), [("concurrency = 1\nrole = = x", 2), ('concurrency = 1\n\nrole = """x', 3)])
def test_broken_toml_is_named_with_file_and_line(place: Place, text: str, line: int):
    path = place.project_file(text)
    assert place.refusal().message.startswith(f"{path}:{line}: ")


def test_a_file_that_is_no_text_or_no_file_is_named(place: Place):
    path = place.project_file("")
    path.write_bytes(b"# ours\nrole = '\xff'")
    assert place.refusal().message == f"{path}:2: this is not UTF-8 text"
    path.unlink()
    path.mkdir()
    assert str(path) in place.refusal().message


def test_only_the_current_directory_holds_the_project_file(place: Place):
    place.project_file("concurrency = 3")
    below = place.project / "below"
    below.mkdir()
    assert resolve({}, World(place.environ, below)).value("concurrency") == 64


@pytest.mark.parametrize(
    ("variable", "value"), [("FANOUT_CONCURRENCY", "x"), ("FANOUT_FAIL_FAST", "perhaps"), ("FANOUT_ACCOUNTS", "org,")]
)
def test_a_malformed_variable_is_named(place: Place, variable: str, value: str):
    assert place.refusal(**{variable: value}).message.startswith(f"{variable}: ")


def test_an_unknown_variable_is_a_warning_with_the_nearest_name(place: Place):
    resolved = place.resolve(FANOUT_CONCURENCY="3", FANOUT_HOME="/x", FANOUT_DEBUG="1")
    (warning,) = resolved.warnings
    assert "FANOUT_CONCURENCY" in warning
    assert "FANOUT_CONCURRENCY" in warning


def test_home_is_fanout_home_or_below_the_state_directory(place: Place):
    assert place.resolve().home == Path(place.environ["HOME"]) / ".local/state/fanout"
    assert place.resolve(XDG_STATE_HOME="/var/state").home == Path("/var/state/fanout")
    assert place.resolve(XDG_STATE_HOME="relative").home == Path(place.environ["HOME"]) / ".local/state/fanout"
    assert place.resolve(FANOUT_HOME="/runs").home == Path("/runs")
    assert place.resolve(FANOUT_HOME="runs").home == place.project / "runs"


def test_in_a_sandbox_only_typed_flags_decide_access(place: Place):
    place.user_file('profile = "corp"\nrole = "Corp"\norg-id = "o-a1b2c3d4e5"\nconcurrency = 7')
    inside = place.resolve({"session-name": "mine"}, FANOUT_EXTERNAL_ID="hush").in_sandbox(Path("/box")).as_settings()
    assert (inside.access.profile, inside.access.role, inside.access.external_id) == (None, None, None)
    assert inside.selection.org_id is None
    assert inside.access.session_name == "mine"
    assert inside.execution.concurrency == 7
    assert inside.home == Path("/box")
