from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fanout.cli import assemble
from fanout.cli.names import named, reserved
from fanout.cli.options import ALL, SETTINGS
from fanout.cli.spec import Group, default_of
from fanout.model.settings import AccessSettings, ExecutionSettings, OutputSettings, SelectionSettings, Settings


def test_the_table_has_the_defaults_of_the_settings():
    assert assemble.build({}, Path("/state")) == Settings(home=Path("/state"))


def test_every_field_of_the_settings_has_an_option():
    grouped = {
        Group.SELECTION: SelectionSettings,
        Group.ACCESS: AccessSettings,
        Group.EXECUTION: ExecutionSettings,
        Group.OUTPUT: OutputSettings,
    }
    for group, settings in grouped.items():
        fields = {field.name for field in dataclasses.fields(settings)}
        groups = {group, Group.GENERAL} if group is Group.OUTPUT else {group}
        assert fields <= {spec.field for spec in SETTINGS if spec.group in groups}


def test_no_two_options_share_a_name():
    names = [name for spec in ALL for name in (*spec.longs, spec.opposite, spec.short) if name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name",
    ["accounts", "account", "region", "role", "no-scope", "scope", "no-progress", "progress", "yes", "help", "out"],
)
def test_names_of_fanouts_own_are_reserved(name: str):
    assert name in reserved()


def test_options_are_found_with_underscores_and_by_alias():
    assert named("per_account") is named("per-account")
    assert named("region") is named("regions")
    assert named("nothing") is None


@pytest.mark.parametrize("spec", [spec for spec in ALL if spec.default], ids=lambda spec: spec.name)
def test_a_default_shown_as_text_reads_as_the_default(spec):
    assert spec.kind.parse(str(spec.kind.show(default_of(spec)))) == default_of(spec)


def test_values_reach_their_fields():
    values = {"no-scope": True, "no-progress": True, "scp-deny": "fail", "output": "csv", "verbose": 2, "sandbox": True}
    settings = assemble.build(values, Path("/state"))
    assert not settings.access.scoped
    assert not settings.output.progress
    assert settings.execution.scp_deny_fails
    assert settings.output.format == "csv"
    assert settings.output.verbose == 2
    assert settings.sandbox
