"""A Content is read once, and shows nothing but its reference."""

from __future__ import annotations

import io
import pickle
from types import SimpleNamespace

import pytest

from fanout import Content, UsageError


def test_a_file_is_read_once_and_without_its_last_line_break(tmp_path):
    path = tmp_path / "value"
    path.write_bytes(b"\xef\xbb\xbfone\ntwo\r\n")
    content = Content.parse(str(path))

    assert content.text == "one\ntwo"
    path.unlink()
    assert content.text == "one\ntwo"


def test_stdin_and_variables_are_read(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"from stdin\n")))
    monkeypatch.setenv("VALUE", "from the environment")

    assert Content.parse("-").text == "from stdin"
    assert Content.parse("env:VALUE").text == "from the environment"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:NOT_THERE", "the environment variable NOT_THERE is not set"),
        ("{tmp}/none", "{tmp}/none cannot be read: No such file or directory"),
        ("{tmp}/empty", "{tmp}/empty is empty"),
        ("{tmp}/latin", "{tmp}/latin is not UTF-8: byte 0 cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, reference, message):
    (tmp_path / "empty").touch()
    (tmp_path / "latin").write_bytes(b"\xe9s3cret")
    with pytest.raises(UsageError) as error:
        _ = Content.parse(reference.format(tmp=tmp_path)).text

    assert error.value.message == message.format(tmp=tmp_path)


@pytest.mark.parametrize("text", ["", "env:"])
def test_an_empty_reference_is_refused(text):
    with pytest.raises(ValueError, match="env:NAME"):
        Content.parse(text)


def test_it_shows_its_reference_alone():
    content = Content("-", "s3cret")

    assert (str(content), repr(content), content.named) == ("-", "Content('-')", "stdin")
    assert content == Content("-", "another")
    assert hash(content) == hash(Content("-"))
    assert Content("env:X").named == "the variable X"


def test_records_are_read_once_for_each_format_and_name_their_source(monkeypatch):
    content = Content("env:PARAMETERS", "- name: a")

    assert content.records() is content.records("yaml")
    with pytest.raises(UsageError, match=r"^the variable PARAMETERS:1: this cannot be read as JSON"):
        content.records("json")


def test_it_travels_to_another_process_with_its_text():
    content = Content("-", "- name: a")
    content.records()

    travelled = pickle.loads(pickle.dumps(content))

    assert (travelled.text, travelled.records()) == (content.text, content.records())
