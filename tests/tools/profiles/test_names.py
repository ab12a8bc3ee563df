"""Names of profiles are what every tool takes, and stay apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.app.profiling import Way
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.tools.profiles.names import check_template, clean, name_profiles


def way(number: int, name: str = "", unit: str = "") -> Way:
    account = Account(id=f"{number:012}", name=name, ou_path=unit)
    return Way(account=account, role="Read+Only", role_arn=f"arn:aws:iam::{account.id}:role/Read+Only")


def test_tokens_stand_for_what_is_known_of_an_account():
    names, notes = name_profiles(
        "{partition}.{ou}.{account_name}.{account_id}-{role}", [way(1, "Web & Co", "/prod/eu"), way(2, "", "/")], "aws"
    )

    assert names == {
        "000000000001": "aws.prod-eu.Web-Co.000000000001-Read+Only",
        "000000000002": "aws.root.000000000002.000000000002-Read+Only",
    }
    assert notes == ()


def test_only_those_that_would_be_alike_get_their_ids():
    names, notes = name_profiles("{account_name}", [way(1, "web"), way(2, "web!"), way(3, "data")], "aws")

    assert list(names.values()) == ["web-000000000001", "web-000000000002", "data"]
    assert notes == ("2 accounts would be web: their ids stand behind it",)


def test_an_account_called_default_gets_its_id():
    names, notes = name_profiles("{account_name}", [way(1, "default"), way(2, "web")], "aws")

    assert list(names.values()) == ["default-000000000001", "web"]
    assert notes == ("account 000000000001 would be default: its id stands behind it",)


def test_the_name_default_is_refused_where_it_was_asked_for():
    with pytest.raises(UsageError, match="no profile of that name") as caught:
        name_profiles("default", [way(1, "web")], "aws")
    assert "-x 000000000001" in caught.value.hint


def test_a_name_that_is_alike_even_with_its_id_is_refused():
    with pytest.raises(UsageError, match="two accounts would be web-000000000001"):
        name_profiles("{account_name}", [way(1, "web"), way(2, "web"), way(3, "web-000000000001")], "aws")


@given(st.text())
def test_whatever_a_name_held_is_fit_and_clean_already_the_second_time(text: str):
    once = clean(text)

    assert clean(once) == once
    assert not once or check_template("x" + once) is None


@pytest.mark.parametrize("template", ["", "-x", "a:b", "{}", "{role", "role}", "{account}", "a]b", "a\nb"])
def test_templates_that_cannot_be_are_refused(template: str):
    with pytest.raises(UsageError, match="--name"):
        check_template(template)
