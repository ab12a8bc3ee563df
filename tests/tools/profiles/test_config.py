"""Configuration files are read as the AWS CLI reads them, or not at all."""

from __future__ import annotations

import botocore.configloader
import botocore.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.errors import UsageError
from fanout.tools.profiles.config import read_sections

PARTS = st.sampled_from(
    ["[default]", "[profile a]", '[profile "a b"]', "[profilea b]", "[x]", "k = v", "s3 =", "  n = 1", "  n", "#c",
     "", " ", "k", "\ufeff", "[DEFAULT]", "[open", "\x0b", "[sso-session s]", "[profile 'q]", ":", "= v"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_is_read_and_what_is_refused_is_as_with_the_sdk(tmp_path_factory, parts: list[str], eol: str):
    path = tmp_path_factory.getbasetemp() / "config"
    data = eol.join(parts).encode()
    path.write_bytes(data)
    try:
        expected = set(botocore.configloader.load_config(str(path))["profiles"])
    except botocore.exceptions.ConfigParseError:
        with pytest.raises(UsageError, match="line"):
            read_sections(data, "config", bare=False)
    else:
        assert set(read_sections(data, "config", bare=False).profiles()) == expected


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a\n", "line 1, column 1: the line belongs to no section"),
        (b"[a]\r\n\r\n  secret-word\r\n", "line 3, column 3: this is neither a section"),
        (b"[a]\nx = 1\nx = 2\n", "line 3, column 1: x stands in [a] a second time"),
        (b"[a]\rb=1\r[a]\r", "line 3, column 1: the section [a] stands there a second time"),
        (b"[a]\ns3 =\n  n = 1\n  secret-word\n", "line 4, column 3: this line of s3 is no key"),
        (b"[default\nregion = x\n", "line 1, column 1: the name of a section begins there, and no ] ends it"),
        (b"[a]\n  [secret-word\n", "line 2, column 3: the name of a section begins there, and no ] ends it"),
        (b"[a]\nx = \xff\n", "line 2, column 5: it is not UTF-8"),
        (b"\xef\xbb\xbf[a]\n", "line 1, column 1: it begins with a byte order mark"),
    ],
)
def test_a_mistake_is_named_with_line_and_column_and_never_quoted(data: bytes, said: str):
    with pytest.raises(UsageError) as caught:
        read_sections(data, "/x/config", bare=False)

    assert f"/x/config cannot be read, {said}" in caught.value.message
    assert "secret-word" not in caught.value.message


def test_sections_have_their_lines():
    sections = read_sections(b"[default]\n\n[profile 'a b']\n[sso-session s]\n[x]\n", "config", bare=False)

    assert sections.profiles() == {"a b": 3, "default": 1}
    assert sections.sso_sessions() == {"s": 4}
    assert read_sections(b"[x]\n", "credentials", bare=True).profiles() == {"x": 1}
