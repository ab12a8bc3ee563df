"""An account, and what an account id is."""

from __future__ import annotations

import pytest

from fanout.model.account import Account, is_account_id


@pytest.mark.parametrize("text", ["000000000000", "012345678901"])
def test_twelve_digits_are_an_account_id(text):
    assert is_account_id(text)


@pytest.mark.parametrize(
    "text", ["", "12345678901", "1234567890123", "12345678901a", " 123456789012", "123456789012\n"]
)
def test_anything_else_is_none(text):
    assert not is_account_id(text)


def test_digits_of_other_scripts_are_none():
    assert not is_account_id("\u0661" * 12)


def test_an_account_never_shows_its_external_id():
    assert "open-sesame" not in repr(Account(id="111122223333", external_id="open-sesame"))
