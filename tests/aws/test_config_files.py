"""Where an AWS configuration file breaks; what counts as broken is compared with the SDK in the tests of profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.aws.config_files import MistakeError, mistake_in, parse_config


def test_a_mistake_has_its_place_and_never_quotes_a_value(tmp_path: Path):
    path = tmp_path / "config"
    path.write_text("[default]\nregion = x\n  [a\nsecret-word\n")

    mistake = mistake_in(str(path))

    assert mistake is not None
    assert (mistake.path, mistake.line, mistake.column) == (str(path), 4, 1)
    assert "secret-word" not in str(mistake)


@pytest.mark.parametrize("text", [None, "", "[default]\nregion = x\ns3 =\n  n = 1\n"])
def test_a_file_that_is_good_or_not_there_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None):
    monkeypatch.setenv("WHERE", str(tmp_path))
    if text is not None:
        (tmp_path / "config").write_text(text)

    assert mistake_in("$WHERE/config") is None


def test_the_options_of_sections_are_read():
    assert parse_config(b"[a]\nx = 1\n", "config") == {"a": {"x": "1"}}
    with pytest.raises(MistakeError, match="config, line 1, column 1: the name of a section begins there"):
        parse_config(b"[a\n", "config")
