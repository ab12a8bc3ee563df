"""Files, stdin and profiles are read once, concurrently within a bound, and say how an account is entered."""

from __future__ import annotations

import io

import anyio.lowlevel
import pytest

from fanout.aws.accounts_file import any_region
from fanout.aws.listed import Listed, lists_by_term, read_lists, read_profiles
from fanout.model.account import Account
from fanout.model.errors import AccessError, UsageError
from fanout.model.selection import parse_terms

pytestmark = pytest.mark.anyio

WEB = "222222222222"


async def test_a_file_named_twice_is_read_once(tmp_path):
    path = tmp_path / "list"
    path.write_text(WEB)
    terms = parse_terms([f"@{path}"]) + parse_terms([f"file:{path}", "org"])
    found = await read_lists(terms, io.StringIO(), any_region)
    assert list(found) == list(terms[:2])
    assert found[terms[0]] is found[terms[1]]


async def test_a_home_directory_may_be_a_tilde(sealed):
    (sealed / "list").write_text(WEB)
    terms = parse_terms(["@~/list"])
    assert (await read_lists(terms, io.StringIO(), any_region))[terms[0]] == (Account(id=WEB),)


async def test_profiles_that_do_not_say_their_account_are_asked_for_concurrently_within_a_bound():
    in_flight, most = 0, 0

    async def ask(name: str) -> str:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await anyio.lowlevel.checkpoint()
        in_flight -= 1
        return name.zfill(12)

    (term,) = parse_terms(["profile:*"])
    found = await read_profiles([term], {str(number): {} for number in range(1, 40)}, ask)
    assert [account.id for account in found[term]] == [str(number).zfill(12) for number in range(1, 40)]
    assert 1 < most <= 8


async def test_what_asking_for_a_profiles_account_raises_comes_out_as_it_is():
    async def ask(name: str) -> str:
        raise AccessError(f"the token of profile {name} has expired")

    with pytest.raises(AccessError, match="profile dev has expired"):
        await read_profiles(parse_terms(["profile:dev"]), {"dev": {}}, ask)


def test_a_name_that_is_known_counts_more_than_a_listed_one():
    listed = Listed({}, files={WEB: Account(id=WEB, name="mine", regions=("eu-west-1",))})
    assert listed.entering(Account(id=WEB, name="web")) == Account(id=WEB, name="web", regions=("eu-west-1",))
    assert listed.entering(Account(id=WEB)).name == "mine"
    assert listed.entering(Account(id="333333333333")) == Account(id="333333333333")


def test_lists_that_agree_are_merged_and_those_that_differ_refused():
    one, two = parse_terms(["@one", "@two"])
    by_term = {one: [Account(id=WEB, role="Reader")], two: [Account(id=WEB, external_id="x:1")]}
    assert lists_by_term(by_term, [one, two], []).files[WEB] == Account(id=WEB, role="Reader", external_id="x:1")
    by_term[two] = [Account(id=WEB, role="Writer")]
    with pytest.raises(UsageError, match="@two gives account 222222222222 another role"):
        lists_by_term(by_term, [one, two], [])
