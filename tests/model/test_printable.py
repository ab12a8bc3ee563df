"""Text from elsewhere that is harmless on terminals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.model.printable import printable


@given(st.text())
def test_printable_text_moves_no_cursor_and_reorders_nothing(text):
    shown = printable(text)

    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029")
    shown.encode()


def test_what_is_harmless_is_shown_as_it_is():
    assert printable("prod [red]é日本👩‍💻") == "prod [red]é日本👩‍💻"
    assert printable("a\x1b[31m\n\u202eb\x9b") == "a\\x1b[31m\\n\\u202eb\\x9b"
