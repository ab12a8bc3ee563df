"""A selection resolves to accounts: unions, exclusions, skipped states, ways in, and errors before anything runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from fanout.aws.accounts import PROTECTED, AccountSource, Selection, select_accounts
from fanout.model.account import Account
from fanout.model.errors import AccessError, SelectionError, UsageError
from fanout.model.settings import Caller, SelectionSettings
from tests.aws.fake_organizations import MANAGEMENT, ORGANIZATION, Clock, FakeOrganizations, account, refusal
from tests.aws.fake_organizations import small_organization as small

pytestmark = pytest.mark.anyio

WEB, PAYMENTS, DEV, SUSPENDED = "222222222222", "333333333333", "444444444444", "555555555555"
OUTSIDE = "999999999999"
ACTIVE_IDS = [MANAGEMENT, WEB, PAYMENTS, DEV]


class House:
    """Everything that a selection is made from, and a clock that the test sets."""

    def __init__(self, home: Path) -> None:
        self.organizations = small()
        self.clock = Clock()
        self.asked_for_clients = 0
        self.options = {
            "caller": Caller(account_id=MANAGEMENT, arn=f"arn:aws:iam::{MANAGEMENT}:user/me", partition="aws"),
            "home": home,
            "stdin": io.StringIO(""),
        }

    async def client(self) -> FakeOrganizations:
        self.asked_for_clients += 1
        return self.organizations

    async def select(self, *accounts: str, **settings) -> Selection:
        settings = {
            key: (value,) if isinstance(value, str) and key != "org_id" else value for key, value in settings.items()
        }
        source = AccountSource(
            **self.options, organizations=self.client, now=self.clock, clock=self.clock, sleep=self.clock.sleep
        )
        return await select_accounts(SelectionSettings(accounts=accounts, **settings), source)

    async def ids(self, *accounts: str, **settings) -> list[str]:
        return [account.id for account in (await self.select(*accounts, **settings)).accounts]

    def file(self, name: str, text: str) -> str:
        path = self.options["home"] / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path)


async def refused(kind, coroutine):
    with pytest.raises(kind) as caught:
        await coroutine
    return f"{caught.value.message} | {caught.value.hint}"


async def test_org_is_all_active_accounts_and_the_others_are_skipped_with_their_reasons(house):
    found = await house.select("org")
    assert [account.id for account in found.accounts] == ACTIVE_IDS
    assert [(account.name, reason) for account, reason in found.skipped] == [
        ("old", "suspended"),
        ("leaving", "pending_closure"),
        ("gone", "closed"),
        ("coming", "pending_activation"),
    ]
    assert found.accounts[0].management
    assert found.organization_id == ORGANIZATION


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (["ou:/prod"], [WEB, PAYMENTS]),
        (["ou:ou-root-payments"], [PAYMENTS]),
        (["ou:/"], ACTIVE_IDS),
        (["tag:env=prod"], [WEB, PAYMENTS]),
        (["tag:team=w?b"], [WEB, DEV]),
        (["tag:team"], [WEB, PAYMENTS, DEV]),
        (["name:web-*"], [WEB, DEV]),
        (["name:web-dev"], [DEV]),
        (["self"], [MANAGEMENT]),
        (["name:web-dev,ou:/prod"], [DEV, WEB, PAYMENTS]),
        ([DEV, WEB], [DEV, WEB]),
        ([DEV, "org"], [DEV, MANAGEMENT, WEB, PAYMENTS]),
    ],
)
async def test_each_selector_selects_and_terms_are_a_union_in_their_order(house, terms, expected):
    assert await house.ids(*terms) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"only": "tag:team=web"}, [WEB, DEV]),
        ({"only": ("tag:team=web", "name:payments-*")}, [WEB, PAYMENTS, DEV]),
        ({"only": "tag:team=web", "exclude": DEV}, [WEB]),
        ({"exclude": "ou:/prod,self"}, [DEV]),
        ({"exclude": "name:web-*"}, [MANAGEMENT, PAYMENTS]),
        ({"first": 2}, [MANAGEMENT, WEB]),
        ({"exclude": MANAGEMENT, "first": 1}, [WEB]),
        ({"first": 100}, ACTIVE_IDS),
    ],
)
async def test_only_narrows_exclude_wins_and_first_comes_last(house, settings, expected):
    assert await house.ids("org", **settings) == expected


async def test_exclude_wins_even_over_an_account_that_is_named(house):
    assert await house.ids(WEB, DEV, exclude=DEV) == [WEB]


async def test_first_counts_accounts_that_are_entered(house):
    assert await house.ids(SUSPENDED, WEB, DEV, "name:old", first=1) == [WEB]


async def test_plain_ids_need_no_list_of_the_organization(house):
    found = await house.select(f"{DEV},{OUTSIDE}")
    assert [account.id for account in found.accounts] == [DEV, OUTSIDE]
    assert house.asked_for_clients == 0
    assert found.organization_id is None


async def test_ids_get_names_and_states_where_the_organization_is_read_anyway(house):
    found = await house.select(DEV, SUSPENDED, "name:web-prod")
    assert [account.name for account in found.accounts] == ["web-dev", "web-prod"]
    assert [(account.id, reason) for account, reason in found.skipped] == [(SUSPENDED, "suspended")]


async def test_only_what_is_needed_is_asked_of_the_organization(house):
    await house.select("org")
    assert house.organizations.calls == {"describe_organization": 1, "list_accounts": 1}


async def test_a_written_id_that_is_not_in_the_organization_is_refused_with_the_nearest(house):
    said = await refused(UsageError, house.select("org", "222222222221"))
    assert "not in organization o-a1b2c3d4e5: 222222222221" in said
    assert "did you mean 222222222222" in said
    said = await refused(UsageError, house.select("org", exclude="222222222221"))
    assert "222222222221" in said
    listed = house.file("list", f"{WEB}\n{OUTSIDE}\n")
    assert OUTSIDE in await refused(UsageError, house.select(f"@{listed}", only="tag:team=web"))


@pytest.mark.parametrize(
    ("term", "hint"),
    [("name:web-prd", "web-prod"), ("name:Web-Dev", "web-dev"), ("name:qqq", "name:*qqq*"), ("ou:/prd", "/prod")],
)
async def test_a_mistyped_name_or_unit_is_refused_even_where_other_terms_match(house, term, hint):
    assert hint in await refused(UsageError, house.select("org", term))
    assert hint in await refused(UsageError, house.select("org", exclude=term))


async def test_a_glob_or_tag_that_fits_nothing_is_a_note_while_others_do(house):
    found = await house.select("name:web-*", "name:zzz-*", "tag:env=zzz", exclude="name:yyy*")
    assert "name:zzz-* matches no account" in found.notes
    assert "tag:env=zzz matches no account" in found.notes
    assert "--exclude name:yyy* excludes none of the selected accounts" in found.notes


@pytest.mark.parametrize(
    ("accounts", "settings", "says"),
    [
        ((), {}, "no accounts were named"),
        (("name:zzz*",), {}, "--accounts name:zzz*: --accounts matches 0"),
        (("org",), {"only": "tag:env=zzz"}, "--accounts matches 8, --only keeps 0"),
        (("self",), {"exclude": "self"}, "--exclude leaves 0"),
        (("name:old",), {}, "all 1 of these are suspended"),
    ],
)
async def test_an_empty_selection_says_where_it_became_empty(house, accounts, settings, says):
    with pytest.raises(SelectionError) as caught:
        await house.select(*accounts, **settings)
    assert says in caught.value.message
    assert caught.value.exit_code == 7


async def test_first_of_nothing_is_refused(house):
    assert "1 or more" in await refused(UsageError, house.select("org", first=0))


async def test_the_organization_must_be_the_one_named_even_for_plain_ids(house):
    with pytest.raises(AccessError, match=f"o-zzzzzzzzzz.*{ORGANIZATION}") as caught:
        await house.select(WEB, org_id="o-zzzzzzzzzz")
    assert caught.value.exit_code == 6
    found = await house.select(WEB, org_id=ORGANIZATION)
    assert found.organization_id == ORGANIZATION
    assert house.organizations.calls["list_accounts"] == 0


async def test_an_organization_that_cannot_be_listed_names_the_list_role_where_it_asked(house):
    house.options["list_role"] = f"arn:aws:iam::{MANAGEMENT}:role/Lister"
    house.organizations.failures["list_accounts"] = [refusal("AccessDeniedException")]
    assert "role/Lister may not list" in await refused(AccessError, house.select("org"))


# The cache


async def test_the_list_is_kept_with_its_age_shown_and_refreshed_on_demand(house):
    first = await house.select("org")
    assert first.notes == (NOTE_OF_SELF,)
    house.clock.now += 250
    again = await house.select("org")
    assert again.accounts == first.accounts
    assert again.notes[0] == "organization list from 4m ago; --refresh reads it anew"
    assert house.organizations.calls["list_accounts"] == 1
    assert (await house.select("org", refresh=True)).notes == (NOTE_OF_SELF,)
    assert house.organizations.calls["list_accounts"] == 2


async def test_a_task_that_changes_things_never_uses_the_kept_list(house):
    await house.select("org")
    house.options["changes"] = True
    await house.select("org")
    assert house.organizations.calls["list_accounts"] == 2


async def test_a_kept_list_without_tags_does_not_serve_a_tag_term(house):
    await house.select("org")
    assert await house.ids("tag:env=dev") == [DEV]
    assert await house.ids("tag:env=prod") == [WEB, PAYMENTS]
    assert house.organizations.calls["list_tags_for_resource"] == 8


async def test_what_is_not_in_the_kept_list_is_looked_for_in_the_organization(house):
    await house.select("org")
    house.organizations.accounts.append(account(OUTSIDE, "brand-new"))
    assert await house.ids("name:brand-new") == [OUTSIDE]
    assert await house.ids("name:brand-*") == [OUTSIDE]
    assert house.organizations.calls["list_accounts"] == 2


async def test_the_kept_list_holds_no_addresses(house):
    await house.select("org,tag:env,ou:/")
    (file,) = (house.options["home"] / "cache").iterdir()
    assert "secret.example" not in file.read_text()


async def test_a_list_that_cannot_be_kept_is_a_note(house):
    (house.options["home"] / "cache").write_text("in the way")
    found = await house.select("org")
    assert any(note.startswith("the organization list could not be kept") for note in found.notes)
    assert len(found.accounts) == 4


# Files and stdin


async def test_what_a_file_says_of_an_account_is_kept_wherever_the_account_comes_from(house):
    listed = house.file("list.csv", f"account_id,name,role,regions,external_id\n{WEB},mine,Reader,eu-west-1,x:1\n")
    for terms, settings in (
        (("org", f"@{listed}"), {}),
        ((f"@{listed}", "org"), {}),
        (("org",), {"only": f"@{listed}"}),
    ):
        found = await house.select(*terms, **settings)
        web = next(account for account in found.accounts if account.id == WEB)
        assert (web.name, web.role, web.regions, web.external_id) == ("web-prod", "Reader", ("eu-west-1",), "x:1")
    (web,) = (await house.select(f"@{listed}")).accounts
    assert (web.name, web.state) == ("mine", "ACTIVE")


async def test_stdin_is_read_once_for_all_terms(house):
    house.options["stdin"] = io.StringIO(f"{WEB}\n{DEV}\n")
    assert await house.ids("-", only="-") == [WEB, DEV]
    house.options["stdin"] = io.StringIO("12\n")
    assert "stdin:1: '12'" in await refused(UsageError, house.select("-"))


async def test_mistakes_in_a_file_are_told_before_aws_is_asked(house):
    def check_region(region):
        raise UsageError(f"there is no region {region!r}")

    house.options["check_region"] = check_region
    listed = house.file("list.csv", f"account_id,regions\n{WEB},mars-1\n")
    assert "list.csv:2: there is no region 'mars-1'" in await refused(UsageError, house.select("org", f"@{listed}"))
    assert house.asked_for_clients == 0


async def test_two_files_that_differ_about_an_account_are_refused(house):
    one = house.file("one.csv", f"account_id,role\n{WEB},Reader\n")
    two = house.file("two.csv", f"account_id,role\n{WEB},Writer\n")
    said = await refused(UsageError, house.select(f"@{one}", f"@{two}"))
    assert f"two.csv gives account {WEB} another role" in said
    assert await house.ids(f"@{one}", DEV, exclude=f"@{two}") == [DEV]


async def test_a_path_may_hold_a_comma(house):
    listed = house.file("my,list", WEB)
    assert await house.ids(f"@{listed}") == [WEB]


@pytest.mark.parametrize("path", ["~nobody-by-this-name/list", "x" * 5000, "a\0b", "missing"])
async def test_a_path_that_cannot_be_is_a_usage_error(house, path):
    assert "cannot be read" in await refused(UsageError, house.select(f"@{path}"))


# Profiles


PROFILES = {
    "default": {},
    "dev": {"role_arn": f"arn:aws:iam::{DEV}:role/Dev", "source_profile": "default", "external_id": "x:1"},
    "dev-sso": {"sso_account_id": DEV, "sso_role_name": "Reader"},
    "web": {"sso_account_id": WEB},
    "keys": {"region": "eu-west-1"},
    "broken": {"role_arn": "Reader"},
    "short": {"sso_account_id": "1234"},
}


@pytest.fixture
def profiled(house) -> House:
    async def ask(name: str) -> str:
        return {"keys": OUTSIDE}[name]

    house.options |= {"profiles": PROFILES, "profile_account": ask}
    return house


async def test_a_profile_gives_its_account_and_the_way_in(profiled):
    found = await profiled.select("profile:dev,profile:web", "profile:keys")
    assert found.accounts == (
        Account(id=DEV, profile="dev", role=f"arn:aws:iam::{DEV}:role/Dev", external_id="x:1"),
        Account(id=WEB, profile="web"),
        Account(id=OUTSIDE, profile="keys"),
    )
    assert profiled.asked_for_clients == 0


async def test_of_several_profiles_for_one_account_the_first_counts_with_a_note(profiled):
    found = await profiled.select("profile:dev*")
    assert [account.profile for account in found.accounts] == ["dev"]
    assert found.notes == (f"profiles dev and dev-sso are both of account {DEV}; dev is used",)


async def test_a_profile_is_kept_beside_the_organization_and_may_lie_outside_of_it(profiled):
    found = await profiled.select("org", "profile:web", "profile:keys")
    by_id = {account.id: account for account in found.accounts}
    assert (by_id[WEB].name, by_id[WEB].profile) == ("web-prod", "web")
    assert by_id[OUTSIDE].profile == "keys"


async def test_a_role_in_a_file_counts_more_than_a_profile(profiled):
    listed = profiled.file("list.csv", f"account_id,role\n{DEV},Mine\n")
    (found,) = (await profiled.select("profile:dev", f"@{listed}")).accounts
    assert (found.role, found.profile, found.external_id) == ("Mine", None, None)


@pytest.mark.parametrize(
    ("term", "says"),
    [
        ("profile:wbe", "did you mean web"),
        ("profile:qqqqqq", "7 profiles"),
        ("profile:broken", "profile broken: its role_arn 'Reader'"),
        ("profile:short", "profile short: '1234' is not an account id"),
    ],
)
async def test_a_mistyped_or_broken_profile_is_refused(profiled, term, says):
    assert says in await refused(UsageError, profiled.select(term))


async def test_a_profile_whose_account_nobody_can_tell_is_refused(profiled):
    profiled.options["profile_account"] = None
    assert "does not say which account" in await refused(UsageError, profiled.select("profile:keys"))


# The caller's own account

NOTE_OF_SELF = (
    f"account {MANAGEMENT} is the caller's own: it is entered with the caller's credentials, as no role was named"
)


READING = [({}, True), ({"role_named": True}, False)]
CHANGING = [
    ({"changes": True}, False),
    ({"changes": True, "self_direct": True}, True),
    ({"changes": True, "self_direct": True, "role_named": True}, False),
]


@pytest.mark.parametrize(
    ("term", "options", "direct"),
    [
        *((term, *each) for term in ("self", "org", MANAGEMENT) for each in READING),
        *((term, *each) for term in ("self", MANAGEMENT, f"org,{MANAGEMENT}") for each in CHANGING),
    ],
)
async def test_the_callers_own_account_is_entered_directly_unless_a_role_was_named(house, term, options, direct):
    house.options |= options
    found = await house.select(term)
    assert [account.id for account in found.accounts if account.direct] == ([MANAGEMENT] if direct else [])
    assert (NOTE_OF_SELF in found.notes) is direct


@pytest.mark.parametrize("options", [options for options, _ in CHANGING])
@pytest.mark.parametrize("term", ["org", "ou:/", "name:*", "tag:env"])
async def test_what_changes_things_leaves_the_management_account_alone_unless_it_is_named(house, term, options):
    house.organizations.tags = {each: {"env": "prod"} for each in ACTIVE_IDS}
    house.options |= options

    found = await house.select(term)

    assert [account.id for account in found.accounts] == [WEB, PAYMENTS, DEV]
    assert [account.id for account, reason in found.skipped if reason == PROTECTED] == [MANAGEMENT]
    assert sum("is the management account: nothing changes it" in note for note in found.notes) == 1
    assert NOTE_OF_SELF not in found.notes


@pytest.mark.parametrize(
    ("accounts", "protected", "kept_out"),
    [
        (("org",), f"{WEB},{DEV}", [WEB, DEV]),
        (("org", WEB), f"{WEB},{DEV}", [DEV]),
        (("org", WEB, DEV), f"{WEB},{DEV}", []),
        ((WEB, PAYMENTS), WEB, []),
        (("org",), "ou:/prod", [WEB, PAYMENTS]),
        (("ou:/prod", "name:*-prod"), "tag:team=web", [WEB]),
    ],
)
async def test_protected_accounts_take_part_only_where_they_are_named_by_their_ids(
    house, accounts, protected, kept_out
):
    house.options |= {"changes": True}
    found = await house.select(*accounts, protected=protected)

    assert [each.id for each, reason in found.skipped if reason == PROTECTED and not each.management] == kept_out
    assert not {each.id for each in found.accounts} & set(kept_out)


async def test_reading_is_not_held_back_by_protection(house):
    assert await house.ids("org", protected="ou:/") == ACTIVE_IDS


async def test_what_is_protected_counts_against_no_first(house):
    house.options |= {"changes": True}

    assert await house.ids("org", first=2, protected=WEB) == [PAYMENTS, DEV]


async def test_the_callers_own_account_with_a_role_of_its_own_is_entered_through_it(house):
    listed = house.file("list.csv", f"account_id,role\n{MANAGEMENT},Reader\n")
    (own,) = (await house.select(f"@{listed}", "self")).accounts
    assert (own.role, own.direct) == ("Reader", False)
