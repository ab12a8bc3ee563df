"""What a program prints: hidden, kept, shown."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from fanout.tools.programs.streams import Ends, Hidden, Kept, Shown, Stream

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY="
KEY = "ASIAIOSFODNN7EXAMPLE"


@pytest.fixture
def hidden() -> Hidden:
    hidden = Hidden()
    hidden.add(SECRET)
    hidden.shorten(KEY)
    return hidden


def through(hidden: Hidden, *pieces: bytes) -> list[bytes]:
    found: list[bytes] = []
    stream = Stream(hidden, [found.append])
    for piece in pieces:
        stream.feed(piece)
    stream.finish()
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("form", [SECRET, SECRET.replace("/", "\\/"), quote(SECRET, safe="")], ids=["", "json", "url"])
def test_a_secret_is_never_handed_on_whatever_the_pieces(hidden, form, size):
    text = f"first\nkey={form} {KEY}\nend {form}".encode()
    pieces = [text[place : place + size] for place in range(0, len(text), size)]

    found = b"".join(through(hidden, *pieces))

    assert found == b"first\nkey=*** ASIAIOSF...\nend ***"


@pytest.mark.parametrize("before", range(65_510, 65_560, 7))
def test_a_secret_in_an_endless_line_is_not_cut_in_two(hidden, before):
    text = b"x" * before + SECRET.encode() + b"y" * 70_000
    pieces = [text[place : place + 65_536] for place in range(0, len(text), 65_536)]

    found = through(hidden, *pieces)

    assert b"".join(found) == b"x" * before + b"***" + b"y" * 70_000
    assert len(found) > 1, "an endless line must not be gathered without end"


def test_secrets_that_are_learnt_later_are_hidden_from_then_on(hidden):
    found: list[bytes] = []
    stream = Stream(hidden, [found.append])
    stream.feed(b"half a renewed-")
    hidden.add("renewed-secret")
    stream.feed(b"secret\n")
    assert found == [b"half a ***\n"]


def test_short_words_are_no_secrets():
    hidden = Hidden()
    hidden.add("a", "")
    assert hidden.clean(b"a banana") == b"a banana"


def test_a_file_is_private_and_there_is_none_where_nothing_was_printed(tmp_path: Path):
    kept = Kept(tmp_path / "x.out")
    assert kept.path is None
    kept.take(b"one\n")
    kept.take(b"two\n")
    kept.close()

    assert kept.path == str(tmp_path / "x.out")
    assert (tmp_path / "x.out").read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "x.out").stat().st_mode) == 0o600

    Kept(tmp_path / "y.out").close()
    assert not (tmp_path / "y.out").exists()


def test_a_file_has_a_bound_and_says_what_was_cut(tmp_path: Path):
    kept = Kept(tmp_path / "x", limit=5)
    for _ in range(3):
        kept.take(b"abc")
    kept.close()
    assert (tmp_path / "x").read_text() == "abcab\n[fanout: 4 more bytes were not kept]\n"


def test_a_file_that_cannot_be_written_or_is_a_link_is_told_and_stops_nothing(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "no" / "such", tmp_path / "link"):
        kept = Kept(path)
        kept.take(b"x")
        kept.take(b"y")
        kept.close()
        assert kept.failure
        assert kept.path is None
    assert not (tmp_path / "elsewhere").exists()


def test_lines_are_shown_behind_a_prefix_with_nothing_that_a_terminal_would_act_on():
    said: list[str] = []
    shown = Shown(said.append, "1 eu | ")
    shown.take(b"one\n\n\x1b[2Jtwo\x07\n10%\r50%\rdone\r\n\ta\tb\n\xff\xe2\x80\xaexyz\n")
    assert said == [
        "1 eu | one\n1 eu | \n1 eu | \\x1b[2Jtwo\\x07\n1 eu | done\n1 eu |         a       b\n1 eu | �\\u202exyz\n"
    ]


def test_the_ends_are_remembered():
    ends = Ends()
    ends.take(b"begin\n" + b"x" * 5000 + b"\n")
    ends.take(b"Traceback:\n  \x1b[1mlast\n\n \n")
    assert ends.head.startswith("begin\nxxx")
    assert len(ends.head) == 1024
    assert ends.last_line == "\\x1b[1mlast"
    assert (Ends().head, Ends().last_line) == ("", "")
