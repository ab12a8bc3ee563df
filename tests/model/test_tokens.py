"""Tokens of the target in texts: exactly those, once, and nothing else between braces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.model.tokens import NAMES, fill, names_tags, tokens_of

ACCOUNT = Account(
    id="111122223333",
    name="pay {region}",
    tags={"env": "prod", "cost centre": "42", "aws:stack": "x", "loop": "{tag:loop}", "empty": ""},
)


def filled(text: str) -> str:
    return fill(text, ACCOUNT, "eu-west-1", "aws-cn")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("no token", "no token"),
        ("{account_id}", "111122223333"),
        ("a-{region}-{account_id}-{region}", "a-eu-west-1-111122223333-eu-west-1"),
        ("arn:{partition}:iam::{account_id}:role/x", "arn:aws-cn:iam::111122223333:role/x"),
        ("{tag:env}/{tag:cost centre}/{tag:aws:stack}", "prod/42/x"),
        ("<{tag:empty}>", "<>"),
        # What a value says is not filled once more: others choose names and tags.
        ("{account_name}", "pay {region}"),
        ("{tag:loop}", "{tag:loop}"),
        # Every other brace stays.
        ('{"region": "{region}"}', '{"region": "eu-west-1"}'),
        ("{{region}}", "{eu-west-1}"),
        ("${account}", "${account}"),
        ("{Region} { region } {region", "{Region} { region } {region"),
        ("{tag:} {tag} {}", "{tag:} {tag} {}"),
        ("{account_id!r} {region:>9}", "{account_id!r} {region:>9}"),
        ("%s {0} \\1 \\g<0>", "%s {0} \\1 \\g<0>"),
    ],
)
def test_tokens_are_replaced_and_every_other_brace_stays(text, expected):
    assert filled(text) == expected


def test_a_tag_that_the_account_lacks_is_an_error_that_names_both():
    with pytest.raises(UsageError) as caught:
        filled("{tag:team}")

    assert caught.value.message == "account 111122223333 has no tag 'team', which {tag:team} stands for"
    assert "--exclude" in caught.value.hint


def test_the_case_of_a_tags_key_matters():
    with pytest.raises(UsageError, match="has no tag 'Env'"):
        filled("{tag:Env}")


@pytest.mark.parametrize(
    ("text", "tokens", "tags"),
    [
        ("plain {x}", (), False),
        ("{region} {account_id} {region}", ("region", "account_id", "region"), False),
        ("{tag:env}{region}", ("tag:env", "region"), True),
        ("{tag:}", (), False),
        (f"{{tag:{'k' * 128}}}", (f"tag:{'k' * 128}",), True),
        (f"{{tag:{'k' * 129}}}", (), False),
    ],
)
def test_the_tokens_of_a_text_are_known_before_anything_runs(text, tokens, tags):
    assert tokens_of(text) == tokens
    assert names_tags(text) is tags


def test_every_name_is_a_token():
    assert tokens_of("".join(f"{{{name}}}" for name in NAMES)) == NAMES


@given(st.lists(st.sampled_from(["{", "}", "{region}", "{account_id}", "region", "$", "\\", "ü"]), max_size=12))
def test_around_its_tokens_a_text_is_as_it_was(pieces):
    text = "".join(pieces)

    assert filled(text) == text.replace("{region}", "eu-west-1").replace("{account_id}", "111122223333")
