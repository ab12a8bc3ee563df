"""A credential_process that needs itself is noticed; one that needs another is not held up."""

from __future__ import annotations

import pytest

from fanout.model.errors import AccessError
from fanout.tools.assume.loop import CHAIN, no_endless_loop

ENVIRON = {"HOME": "/h"}


def test_the_same_question_within_itself_is_refused():
    environ = dict(ENVIRON)
    with (
        no_endless_loop("prod", "111122223333", environ),
        pytest.raises(AccessError, match="profile 'prod', is run by a credential_process"),
        no_endless_loop("prod", "111122223333", environ),
    ):
        pass


def test_other_profiles_and_accounts_may_nest_and_leave_nothing_behind():
    environ = dict(ENVIRON)
    with (
        no_endless_loop("prod", "111122223333", environ),
        no_endless_loop("hub", "111122223333", environ),
        no_endless_loop("hub", "profile:prod", environ),
        no_endless_loop(None, "111122223333", environ),
    ):
        assert CHAIN in environ
    assert environ == ENVIRON


@pytest.mark.parametrize("text", ["", "{", "{}", "7"])
def test_a_mark_that_is_not_ours_is_no_reason_to_refuse(text: str):
    environ = {CHAIN: text}
    with no_endless_loop("prod", "111122223333", environ):
        pass
    assert environ == {CHAIN: text}
