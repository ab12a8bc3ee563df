"""The list of accounts is kept privately, for a quarter of an hour, and never trusted when it is odd."""

from __future__ import annotations

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.aws.cache import MAXIMUM_AGE, OrganizationCache, stable_identity
from fanout.aws.organization import Organization, Unit
from fanout.model.account import Account

ME = "arn:aws:iam::111111111111:user/me"
NOW = 1_000_000.0


def organization(*, units: bool = True, tags: bool = True, read_at: float = NOW) -> Organization:
    return Organization(
        id="o-a1b2c3d4e5",
        management_account_id="111111111111",
        accounts=(
            Account(id="111111111111", name="management", management=True),
            Account(
                id="222222222222",
                name="wéb",
                state="SUSPENDED",
                ou_path="/prod" if units else "",
                ou_ids=("r-root", "ou-root-prod0000") if units else (),
                tags={"env": "prod"} if tags else {},
            ),
        ),
        units=(Unit("r-root", "/", ("r-root",)),) if units else (),
        with_units=units,
        with_tags=tags,
        read_at=read_at,
    )


def load(cache, identity=ME, *, units=False, tags=False, now=NOW, organization_id="o-a1b2c3d4e5"):
    return cache.load(organization_id, identity, with_units=units, with_tags=tags, now=now)


@pytest.fixture
def cache(tmp_path) -> OrganizationCache:
    return OrganizationCache(tmp_path / "home" / "cache")


def test_what_is_stored_comes_back_whole(cache):
    cache.store(organization(), ME)
    assert load(cache, units=True, tags=True) == organization()


def test_files_and_directories_are_private_and_nothing_is_left_beside(cache):
    cache.directory.mkdir(parents=True, mode=0o755)
    cache.store(organization(), ME)
    cache.store(organization(), ME)
    (file,) = cache.directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("age", "found"), [(0, True), (MAXIMUM_AGE - 1, True), (MAXIMUM_AGE, False), (1e9, False), (-1, False)]
)
def test_a_list_counts_for_a_quarter_of_an_hour_and_never_from_the_future(cache, age, found):
    cache.store(organization(), ME)
    assert (load(cache, now=NOW + age) is not None) is found


def test_another_organization_or_identity_has_another_list(cache):
    cache.store(organization(), ME)
    assert load(cache, "arn:aws:iam::111111111111:user/you") is None
    assert load(cache, organization_id="o-zzzzzzzzzz") is None


def test_a_list_that_holds_more_serves_who_asks_for_less_and_never_the_other_way(cache):
    cache.store(organization(units=True, tags=False), ME)
    assert load(cache) is not None
    assert load(cache, units=True) is not None
    assert load(cache, tags=True) is None
    assert load(cache, units=True, tags=True) is None


def test_the_youngest_of_several_lists_counts(cache):
    cache.store(organization(read_at=NOW - 100), ME)
    cache.store(organization(units=False, tags=False, read_at=NOW - 10), ME)
    assert load(cache).read_at == NOW - 10
    assert load(cache, tags=True).read_at == NOW - 100


def changed(**parts):
    def change(text: str) -> str:
        return json.dumps(json.loads(text) | parts)

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "null",
        lambda text: "[" * 100_000,
        changed(format=99),
        changed(accounts=[]),
        changed(accounts=[["12", "", "ACTIVE", "", [], {}]]),
        changed(accounts=[["111111111111", "", "ACTIVE", "", [], {"a": 1}]]),
        changed(accounts=[["111111111111", None, "ACTIVE", "", [], {}]]),
        changed(accounts=5),
        changed(units=[["r-root"]]),
        changed(read_at="yesterday"),
        changed(read_at=float("nan")),
        changed(id="o-zzzzzzzzzz"),
    ],
)
def test_a_damaged_file_counts_as_absent(cache, damage):
    cache.store(organization(), ME)
    (file,) = cache.directory.iterdir()
    file.write_text(damage(file.read_text()))
    assert load(cache, units=True, tags=True) is None


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(cache):
    cache.store(organization(), ME)
    with pytest.raises(TypeError):
        cache.store(organization(read_at=object()), ME)  # what JSON cannot say stops the writing half-way
    assert len(list(cache.directory.iterdir())) == 1
    assert load(cache) == organization()


@given(
    name=st.text(),
    tags=st.dictionaries(st.text(), st.text(), max_size=3),
    account_id=st.from_regex(r"[0-9]{12}", fullmatch=True),
)
def test_any_name_and_tag_survives(tmp_path_factory, name, tags, account_id):
    cache = OrganizationCache(tmp_path_factory.mktemp("cache"))
    accounts = (Account(id=account_id, name=name, tags=tags),)
    kept = Organization(id="o-a1b2c3d4e5", management_account_id="", accounts=accounts, with_tags=True, read_at=NOW)
    cache.store(kept, ME)
    assert load(cache, tags=True) == kept


def test_an_identity_is_stable_without_the_name_of_its_session():
    session = "arn:aws:sts::111111111111:assumed-role/path/Reader/botocore-session-17"
    assert stable_identity(session) == "arn:aws:sts::111111111111:assumed-role/path/Reader"
    assert stable_identity(ME) == ME
