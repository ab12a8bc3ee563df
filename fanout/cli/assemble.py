"""Makes `Settings` of the values of options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fanout.cli.options import SETTINGS
from fanout.cli.spec import Group, default_of
from fanout.model.settings import AccessSettings, ExecutionSettings, OutputSettings, SelectionSettings, Settings


def build(values: Mapping[str, Any], home: Path) -> Settings:
    """Make `Settings` of parsed values by option name; what is absent keeps its default."""
    groups: dict[Group, dict[str, Any]] = {group: {} for group in Group}
    for spec in SETTINGS:
        value = values.get(spec.name, default_of(spec))
        groups[spec.group][spec.field] = spec.adapt(value) if spec.adapt and value is not None else value
    general = groups[Group.GENERAL]
    sandbox = general.pop("sandbox")
    return Settings(
        home=home,
        selection=SelectionSettings(**groups[Group.SELECTION]),
        access=AccessSettings(**groups[Group.ACCESS]),
        execution=ExecutionSettings(**groups[Group.EXECUTION]),
        output=OutputSettings(**groups[Group.OUTPUT], **general),
        sandbox=sandbox,
    )
