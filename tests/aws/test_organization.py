"""An organization is read politely and whole, and a refusal says who was refused what."""

from __future__ import annotations

import pytest
from aiobotocore.session import get_session

from fanout.aws.faults import failed
from fanout.aws.organization import Organization, OrganizationIdentity, OrganizationReader, check_organization
from fanout.model.errors import AccessError, UsageError
from fanout.model.fault import FaultKind, Stage
from tests.aws.fake_organizations import MANAGEMENT, ORGANIZATION, Clock, FakeOrganizations, account, refusal
from tests.aws.fake_organizations import small_organization as small

pytestmark = pytest.mark.anyio

ME = "arn:aws:iam::111111111111:user/me"
WHICH = OrganizationIdentity(ORGANIZATION, MANAGEMENT)


def reader(client: FakeOrganizations, clock: Clock | None = None) -> OrganizationReader:
    clock = clock or Clock()
    return OrganizationReader(client, ME, sleep=clock.sleep, clock=clock, jitter=lambda: 1.0)


async def read(client: FakeOrganizations, *, units: bool = False, tags: bool = False) -> Organization:
    return await reader(client).read(WHICH, with_units=units, with_tags=tags, read_at=5.0)


async def test_all_accounts_come_in_the_order_listed_with_their_states_and_the_management_account_marked():
    found = await read(small())
    assert [each.name for each in found.accounts][:2] == ["management", "web-prod"]
    assert [each.id for each in found.accounts if each.management] == [MANAGEMENT]
    states = [each.state for each in found.accounts][-4:]
    assert states == ["SUSPENDED", "PENDING_CLOSURE", "CLOSED", "PENDING_ACTIVATION"]
    assert found.read_at == 5.0


async def test_status_is_read_where_state_is_lacking():
    client = FakeOrganizations([{"Id": "222222222222", "Name": "old", "Status": "SUSPENDED"}])
    (only,) = (await read(client)).accounts
    assert only.state == "SUSPENDED"


async def test_accounts_are_read_20_a_page_one_page_after_the_other():
    client = FakeOrganizations([account(f"{number:012d}", f"a{number}") for number in range(1, 102)])
    found = await read(client)
    assert len(found.accounts) == 101
    assert client.calls == {"list_accounts": 6}
    assert client.most_in_flight == 1


async def test_empty_pages_with_a_token_do_not_end_a_list():
    client = small()
    client.empty_first, client.page = True, 1
    found = await read(client, units=True, tags=True)
    assert len(found.accounts) == 8
    assert len(found.units) == 4
    assert found.accounts[1].tags == {"env": "prod", "team": "web"}


async def test_a_token_that_comes_again_is_refused_instead_of_followed_for_ever():
    client = small()
    client.stuck = True
    with pytest.raises(AccessError, match="same page token twice"):
        await read(client)


async def test_neither_units_nor_tags_are_asked_for_unless_wanted():
    client = small()
    found = await read(client)
    assert set(client.calls) == {"list_accounts"}
    assert found.units == ()
    assert all(not each.tags and not each.ou_path for each in found.accounts)


async def test_units_are_walked_whole_and_each_account_knows_its_place():
    found = await read(small(), units=True)
    assert [unit.path for unit in found.units] == ["/", "/prod", "/dev", "/prod/payments"]
    payments = next(each for each in found.accounts if each.name == "payments-prod")
    assert payments.ou_path == "/prod/payments"
    assert payments.ou_ids == ("r-root", "ou-root-prod0000", "ou-root-payments")
    assert found.accounts[0].ou_path == "/"


async def test_tags_are_read_concurrently_within_a_bound():
    client = FakeOrganizations([account(f"{number:012d}", f"a{number}") for number in range(1, 61)])
    client.tags = {"000000000060": {"env": "prod"}}
    found = await read(client, tags=True)
    assert found.accounts[-1].tags == {"env": "prod"}
    assert client.calls["list_tags_for_resource"] == 60
    assert 1 < client.most_in_flight <= 8


@pytest.mark.parametrize(
    "throttle",
    [refusal("TooManyRequestsException"), failed(FaultKind.THROTTLED, "TooManyRequestsException", "slow down")],
)
async def test_throttles_are_waited_out_with_growing_pauses(throttle):
    client, clock = small(), Clock()
    client.failures["list_accounts"] = [throttle] * 4
    found = await reader(client, clock).read(WHICH, with_units=False, with_tags=False, read_at=0)
    assert len(found.accounts) == 8
    assert clock.slept == [2, 4, 8, 16]


async def test_throttles_that_never_end_are_given_up_after_two_minutes():
    client, clock = small(), Clock()
    client.failures["list_accounts"] = [refusal("TooManyRequestsException")] * 100
    with pytest.raises(AccessError, match="still throttles ListAccounts after 120 seconds"):
        await reader(client, clock).read(WHICH, with_units=False, with_tags=False, read_at=0)
    assert 120 <= sum(clock.slept) < 150


async def test_patience_starts_anew_with_each_answer():
    client, clock = FakeOrganizations([account(f"{number:012d}", "a") for number in range(1, 42)]), Clock()
    slow = OrganizationReader(client, ME, sleep=clock.sleep, clock=clock, jitter=lambda: 1.0)
    listing = client.list_accounts

    async def throttled_often(**arguments):
        if client.calls["list_accounts"] % 8 < 7:
            client.failures["list_accounts"] = [refusal("TooManyRequestsException")]
        return await listing(**arguments)

    client.list_accounts = throttled_often
    found = await slow.read(WHICH, with_units=False, with_tags=False, read_at=0)
    assert len(found.accounts) == 41
    assert sum(clock.slept) > 120


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("AccessDeniedException", "lacks organizations:ListAccounts", "--list-role"),
        ("AWSOrganizationsNotInUseException", "belongs to no organization", "by id"),
        ("ExpiredTokenException", "ListAccounts failed (ExpiredTokenException: no)", "ran out"),
        ("ServiceException", "ListAccounts failed", ""),
        ("UnrecognizedClientException", "does not accept the credentials", "renew"),
    ],
)
async def test_a_refusal_says_who_was_refused_what(code, message, hint):
    client = small()
    client.failures["list_accounts"] = [refusal(code)]
    with pytest.raises(AccessError) as caught:
        await read(client)
    assert caught.value.exit_code == 6
    assert ME in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


async def test_a_list_role_that_cannot_be_entered_is_not_said_to_lack_a_permission():
    client = small()
    client.failures["list_accounts"] = [
        failed(FaultKind.DENIED, "AccessDenied", "sts:AssumeRole was denied", stage=Stage.ACCESS, hint="trust it")
    ]
    with pytest.raises(AccessError, match="cannot be entered: sts:AssumeRole was denied") as caught:
        await read(client)
    assert caught.value.hint == "trust it"


async def test_a_refusal_among_concurrent_calls_comes_out_as_it_is():
    client = small()
    client.failures["list_tags_for_resource"] = [refusal("AccessDeniedException", "ListTagsForResource")]
    with pytest.raises(AccessError, match="organizations:ListTagsForResource"):
        await read(client, tags=True)


async def test_a_bug_is_not_taken_for_a_refusal():
    client = small()
    client.failures["list_accounts"] = [ZeroDivisionError("bug")]
    with pytest.raises(ZeroDivisionError):
        await read(client)


async def test_an_organization_without_any_account_is_not_believed():
    with pytest.raises(AccessError, match="no account at all"):
        await read(FakeOrganizations([]))


async def test_the_organization_is_identified_and_another_than_expected_refused_naming_both():
    found = await reader(small()).identify()
    assert found == WHICH
    check_organization(found, None, ME)
    check_organization(found, ORGANIZATION, ME)
    with pytest.raises(AccessError, match=f"o-zzzzzzzzzz.*{ORGANIZATION}"):
        check_organization(found, "o-zzzzzzzzzz", ME)


async def test_an_answer_without_an_organization_is_refused():
    client = small()

    async def nothing():
        return {}

    client.describe_organization = nothing
    with pytest.raises(AccessError, match="without an organization"):
        await reader(client).identify()


async def test_units_are_found_by_id_and_path_with_all_below_them():
    found = await read(small(), units=True)

    def names(unit: str) -> list[str]:
        return [each.name for each in found.under(unit)]

    assert names("/prod") == names("ou-root-prod0000") == ["web-prod", "payments-prod"]
    assert names("/prod/payments") == ["payments-prod"]
    assert len(names("/")) == len(names("r-root")) == 8


@pytest.mark.parametrize(
    ("unit", "hint"),
    [
        ("/prod/payment", "/prod/payments"),
        ("/Prod", "/prod"),
        ("ou-root-prod0001", "ou-root-prod0000"),
        ("/zzz", "/dev"),
    ],
)
async def test_a_mistyped_unit_is_refused_with_those_that_are_near(unit, hint):
    found = await read(small(), units=True)
    with pytest.raises(UsageError) as caught:
        found.under(unit)
    assert hint in caught.value.hint


async def test_a_path_that_two_units_share_is_refused_with_their_ids():
    client = small()
    client.units["r-root"].append(("ou-root-slash000", "prod/payments"))
    found = await read(client, units=True)
    with pytest.raises(UsageError) as caught:
        found.under("/prod/payments")
    assert "ou:ou-root-slash000 or ou:ou-root-payments" in caught.value.hint


async def test_tags_and_names_match_globs_and_case():
    found = await read(small(), tags=True)
    assert [each.name for each in found.tagged("env", "pro*")] == ["web-prod", "payments-prod"]
    assert [each.name for each in found.tagged("team", None)] == ["web-prod", "payments-prod", "web-dev"]
    assert found.tagged("Env", "prod") == ()
    assert [each.name for each in found.named("web-*")] == ["web-prod", "web-dev"]


@pytest.fixture(scope="module")
def moto_endpoint():
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


async def test_a_simulated_organization_is_read_through_the_real_sdk(moto_endpoint):
    """End to end over HTTP: nested units, tags, a closed account, through aiobotocore's own client."""
    async with get_session().create_client(
        "organizations",
        region_name="us-east-1",
        endpoint_url=moto_endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ) as client:
        await client.create_organization(FeatureSet="ALL")
        root = (await client.list_roots())["Roots"][0]["Id"]
        prod = (await client.create_organizational_unit(ParentId=root, Name="prod"))["OrganizationalUnit"]["Id"]
        below = (await client.create_organizational_unit(ParentId=prod, Name="payments"))["OrganizationalUnit"]["Id"]
        ids = []
        for number in range(22):
            made = await client.create_account(
                AccountName=f"member-{number}",
                Email=f"m{number}@x.example",
                Tags=[{"Key": "number", "Value": str(number)}],
            )
            ids.append(made["CreateAccountStatus"]["AccountId"])
        await client.move_account(AccountId=ids[0], SourceParentId=root, DestinationParentId=below)
        await client.close_account(AccountId=ids[1])

        asking = OrganizationReader(client, ME)
        which = await asking.identify()
        found = await asking.read(which, with_units=True, with_tags=True, read_at=0)

    assert len(found.accounts) == 23
    assert sum(each.management for each in found.accounts) == 1
    assert [each.id for each in found.under("/prod")] == [ids[0]]
    assert [each.id for each in found.accounts if each.state != "ACTIVE"] == [ids[1]]
    assert [each.id for each in found.tagged("number", "21")] == [ids[21]]


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnknownOperationException"])
async def test_who_may_list_but_not_describe_learns_the_organization_from_an_accounts_arn(code):
    arn = f"arn:aws:organizations::{MANAGEMENT}:account/{ORGANIZATION}/222222222222"
    client = FakeOrganizations([{"Id": "222222222222", "Name": "one", "Arn": arn}], empty_first=True)
    client.failures["describe_organization"] = [refusal(code, "DescribeOrganization")]
    assert await reader(client).identify() == WHICH


async def test_without_an_arn_the_refusal_to_describe_stands():
    client = FakeOrganizations([{"Id": "222222222222", "Name": "one"}])
    client.failures["describe_organization"] = [refusal("AccessDeniedException", "DescribeOrganization")]
    with pytest.raises(AccessError, match="DescribeOrganization"):
        await reader(client).identify()


async def test_who_may_neither_describe_nor_list_is_told_of_the_listing():
    client = small()
    client.failures["describe_organization"] = [refusal("AccessDeniedException", "DescribeOrganization")]
    client.failures["list_accounts"] = [refusal("AccessDeniedException")]
    with pytest.raises(AccessError, match="ListAccounts"):
        await reader(client).identify()


@pytest.mark.parametrize("account_id", [{}, {"Id": "12"}])
async def test_an_account_without_an_id_is_not_believed(account_id):
    with pytest.raises(AccessError, match="without an id"):
        await read(FakeOrganizations([{"Name": "odd", **account_id}]))


async def test_empty_pages_without_end_are_given_up():
    class Endless(FakeOrganizations):
        async def list_accounts(self, **_arguments):
            self.calls["list_accounts"] += 1
            return {"Accounts": [], "NextToken": str(self.calls["list_accounts"])}

    with pytest.raises(AccessError, match="empty pages in a row"):
        await read(Endless([]))
