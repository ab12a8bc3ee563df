"""A block is put into a file and taken out again, and nothing else of the file changes."""

from __future__ import annotations

import pytest
from awscli.customizations.configure.writer import ConfigFileWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.tools.profiles.fence import FenceError, blanked, find_blocks, put, take

CONTENT = "[profile web]\nregion = eu-west-1\n"
OTHER = "[profile other]\nregion = eu-west-2\n"

lines = st.sampled_from([b"[default]", b"region = x", b"", b"# a", b"\xef\xbb\xbf", b"\xff", b"# >>> else >>>", b"\r"])
files = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda parts, eol, end: eol.join(parts) + end,
        st.lists(lines, max_size=6),
        st.sampled_from([b"\n", b"\r\n", b"\r"]),
        st.sampled_from([b"", b"\n", b"\r\n", b"\r"]),
    ),
).filter(lambda data: b"fanout profiles" not in data)


@settings(max_examples=60)
@given(files)
def test_what_was_put_in_and_taken_out_again_leaves_every_byte_as_it_was(data: bytes):
    written = put(data, "fanout", CONTENT)

    assert written.startswith(data)
    assert take(written, "fanout") == data
    assert take(put(written, "fanout", OTHER), "fanout") == data


@settings(max_examples=60)
@given(files, st.permutations(["a", "b", "c"]), st.permutations(["a", "b", "c"]))
def test_several_blocks_come_and_go_in_any_order(data: bytes, come: list[str], go: list[str]):
    written = data
    for name in come:
        written = put(written, name, CONTENT)
    for name in go:
        written = take(written, name)

    assert written == data


@settings(max_examples=60)
@given(files, files)
def test_a_block_between_other_lines_is_replaced_where_it_stands(before: bytes, after: bytes):
    written = put(before, "fanout", CONTENT)

    assert put(written + after, "fanout", OTHER) == put(before, "fanout", OTHER) + after


def test_lines_that_came_behind_a_block_do_not_run_into_the_line_before_it():
    written = put(b"[default]\nregion = x", "fanout", CONTENT) + b"[new]\n"

    assert take(written, "fanout") == b"[default]\nregion = x\n[new]\n"


def test_a_block_takes_the_line_ends_of_its_file():
    written = put(b"[default]\r\nregion = x\r\n", "fanout", CONTENT)

    assert written.count(b"\n") == written.count(b"\r\n") == 6
    assert not find_blocks(written)[0].edited


def test_other_line_ends_are_no_edit_and_a_changed_value_is():
    written = put(b"", "fanout", CONTENT)

    assert not find_blocks(written.replace(b"\n", b"\r\n"))[0].edited
    assert find_blocks(written.replace(b"eu-west-1", b"eu-west-2"))[0].edited
    assert find_blocks(written.replace(b" >>>\n", b" >>>\n\n"))[0].edited


def test_a_blanked_block_keeps_the_numbers_of_the_lines_around_it():
    written = put(b"[a]\n", "fanout", CONTENT) + b"[b]\n"

    assert blanked(written, "fanout") == b"[a]\n" + b"\n" * 4 + b"[b]\n"


OPEN, CLOSE = b"# >>> fanout profiles x sha256-00 >>>\n", b"# <<< fanout profiles x <<<\n"


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"[a]\n" + OPEN, 2, "does not end"),
        (CLOSE, 1, "has not begun"),
        (OPEN + CLOSE + CLOSE, 3, "has not begun"),
        (OPEN + OPEN.replace(b" x ", b" y "), 2, "inside of the block x"),
        (OPEN + CLOSE.replace(b" x ", b" y "), 2, "inside of the block x"),
        (OPEN + CLOSE + OPEN + CLOSE, 3, "two blocks"),
        (b"# >>> fanout profiles\n", 1, "not how fanout opens"),
        (b"# >>> fanout profiles a/b sha256-00 >>>\n", 1, "not how fanout opens"),
        (OPEN + b"# <<< fanout profiles\n", 2, "not how fanout closes"),
    ],
)
def test_fences_that_do_not_fit_are_named_with_their_line(data: bytes, line: int, reason: str):
    with pytest.raises(FenceError, match=reason) as caught:
        put(data, "x", CONTENT)

    assert caught.value.line == line


def test_aws_configure_set_does_not_take_a_fence_for_an_option(tmp_path):
    """The AWS CLI looks for the last option of a section, and takes comments with `:` or `=` for options too."""
    config = tmp_path / "config"
    config.write_bytes(put(b"[default]\nregion = x\n", "fanout", CONTENT) + b"# end\n")

    ConfigFileWriter().update_config({"output": "json"}, str(config))

    assert config.read_bytes() == put(b"[default]\nregion = x\noutput = json\n", "fanout", CONTENT) + b"# end\n"
