"""Our faster parsers give what botocore's own give: for the endpoint's answers, and for whatever a model allows."""

from __future__ import annotations

import asyncio
import base64
import json
import string
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

import anyio
import botocore.session
import pytest
from aiobotocore.parsers import PROTOCOL_PARSERS, AioResponseParserFactory
from botocore.config import Config
from botocore.context import start_as_current_context
from botocore.model import ShapeResolver
from botocore.parsers import ResponseParserError
from botocore.useragent import UserAgentString, register_feature_id
from botocore.utils import parse_timestamp as theirs
from dateutil.parser import UnknownTimezoneWarning
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.aws import parsing
from fanout.aws.parsing import ParserFactory, RememberedUserAgent, parse_timestamp
from fanout.testing import Endpoint, World
from tests.aws.ways import opened, use

OPERATIONS = (
    ("ec2", "DescribeInstances"),
    ("ec2", "DescribeVpcs"),
    ("ec2", "DescribeRegions"),
    ("ec2", "DescribeImages"),
    ("ec2", "DescribeSecurityGroups"),
    ("ec2", "DescribeInstanceTypes"),
    ("ec2", "GetConsoleOutput"),
    ("ec2", "DescribeReservedInstancesOfferings"),
    ("sts", "AssumeRole"),
    ("sts", "GetCallerIdentity"),
    ("iam", "GetRole"),
    ("iam", "ListRoles"),
    ("iam", "SimulatePrincipalPolicy"),
    ("iam", "GetAccountSummary"),
    ("iam", "GenerateCredentialReport"),
    ("sns", "GetTopicAttributes"),
    ("rds", "DescribeDBInstances"),
    ("rds", "DescribeDBSnapshots"),
    ("elbv2", "DescribeLoadBalancers"),
    ("autoscaling", "DescribeAutoScalingGroups"),
    ("cloudformation", "DescribeStacks"),
    ("elasticache", "DescribeCacheClusters"),
    ("redshift", "DescribeClusters"),
)


@lru_cache(maxsize=1)
def session():
    return botocore.session.get_session()


@lru_cache(maxsize=64)
def operation(service: str, name: str):
    return session().get_service_model(service).operation_model(name)


@lru_cache(maxsize=8)
def parsers(protocol: str):
    return ParserFactory().create_parser(protocol), AioResponseParserFactory().create_parser(protocol)


def parse(parser, body: bytes, shape, status: int = 200, **headers: str):
    answer = {"headers": headers, "body": body, "status_code": status, "context": {}}
    return asyncio.run(parser.parse(answer, shape))


def both(service: str, name: str, body: bytes, **options):
    """What our parser makes of an answer, after a check that botocore's makes the same of it."""
    model = operation(service, name)
    ours, botocores = parsers(model.service_model.metadata["protocol"])
    read = parse(ours, body, model.output_shape, **options)
    assert read == parse(botocores, body, model.output_shape, **options)
    return read


# Generated answers

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=8
)
MOMENTS = st.integers(86_400_000_000, 4_102_444_800_000_000).map(
    lambda each: datetime.fromtimestamp(each / 1e6, timezone.utc).replace(tzinfo=None)
)
STAMPS = st.one_of(
    MOMENTS.map(lambda each: each.strftime("%Y-%m-%dT%H:%M:%SZ")),
    MOMENTS.map(lambda each: each.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"),
    MOMENTS.map(lambda each: each.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")),
    MOMENTS.map(lambda each: each.strftime("%Y-%m-%dT%H:%M:%S-07:00")),
)
SCALARS = {
    "string": TEXT.map(escape),
    "character": TEXT.map(escape),
    "boolean": st.sampled_from(["true", "false", "True", "1", ""]),
    "integer": st.integers(-(2**31), 2**31).map(str),
    "long": st.integers(-(2**63), 2**63).map(str),
    "float": st.floats(allow_nan=False).map(str),
    "double": st.floats(allow_nan=False).map(str),
    "timestamp": STAMPS,
    "blob": st.binary(max_size=6).map(lambda each: base64.b64encode(each).decode()),
}
ODDITIES = (
    "<unknown/>",
    "<unknown><item>x</item></unknown>",
    "<!-- a comment -->",
    "\n  ",
    '<x:y xmlns:x="urn:x">z</x:y>',
)


class Writer:
    """Writes random XML for a shape, as AWS serializes it, with oddities between the elements."""

    def __init__(self, draw, ec2: bool) -> None:
        self.draw = draw
        self.ec2 = ec2

    def element(self, name: str, content: str) -> str:
        if not content and self.draw(st.booleans()):
            return f"<{name}/>"
        attribute = f" kind={quoteattr('x')}" if self.draw(st.integers(0, 9)) == 0 else ""
        return f"<{name}{attribute}>{content}</{name}>"

    def content(self, shape, depth: int) -> str:
        if shape.type_name == "structure":
            return self.structure(shape, depth)
        if shape.type_name == "list":
            name = shape.member.serialization.get("name", "item" if self.ec2 else "member")
            return "".join(self.element(name, self.content(shape.member, depth + 1)) for _ in range(self.count(depth)))
        if shape.type_name == "map":
            return "".join(self.element("entry", self.pair(shape, depth)) for _ in range(self.count(depth)))
        return self.draw(SCALARS[shape.type_name])

    def count(self, depth: int) -> int:
        return self.draw(st.sampled_from([1, 2, 0] if depth < 3 else [1, 0])) if depth < 7 else 0

    def pair(self, shape, depth: int) -> str:
        key = self.element(shape.key.serialization.get("name", "key"), self.content(shape.key, depth + 1))
        return key + self.element(shape.value.serialization.get("name", "value"), self.content(shape.value, depth + 1))

    def structure(self, shape, depth: int) -> str:
        if depth > 7:
            return ""
        least = min(len(shape.members), 3 if depth < 3 else 1)
        some = st.lists(st.sampled_from(list(shape.members)), unique=True, min_size=least, max_size=8 - depth)
        parts = [
            part
            for name in (self.draw(some) if shape.members else ())
            for part in self.member(shape.members[name], name, depth)
        ]
        if self.draw(st.integers(0, 3)) == 0:
            parts.insert(self.draw(st.integers(0, len(parts))), self.draw(st.sampled_from(ODDITIES)))
        return "".join(parts)

    def member(self, member, name: str, depth: int) -> list[str]:
        about = member.serialization
        if about.get("location"):
            return []
        if about.get("flattened") and member.type_name == "list":
            each = member.member.serialization.get("name", about.get("name", name))
            return [self.element(each, self.content(member.member, depth + 1)) for _ in range(self.count(depth))]
        if about.get("flattened") and member.type_name == "map":
            pairs = range(self.count(depth))
            return [self.element(about.get("name", name), self.pair(member, depth)) for _ in pairs]
        return [self.element(about.get("name", name), self.content(member, depth + 1))]


@st.composite
def answers(draw, service: str, name: str) -> bytes:
    model = operation(service, name)
    shape = model.output_shape
    ec2 = model.service_model.metadata["protocol"] == "ec2"
    content = Writer(draw, ec2).content(shape, 0)
    namespace = draw(st.sampled_from(["", ' xmlns="https://example.amazonaws.com/doc/"']))
    if ec2:
        return f"<{name}Response{namespace}><requestId>r-1</requestId>{content}</{name}Response>".encode()
    wrapper = shape.serialization["resultWrapper"]
    metadata = "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
    return f"<{name}Response{namespace}><{wrapper}>{content}</{wrapper}>{metadata}</{name}Response>".encode()


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_generated_answers_are_read_as_botocore_reads_them(service, name):
    @settings(max_examples=25, deadline=None, database=None)
    @given(answers(service, name))
    def check(body: bytes) -> None:
        assert both(service, name, body)["ResponseMetadata"]["RequestId"] == "r-1"

    check()


def test_the_generated_answers_are_worth_the_name():
    """They have nested lists with members, and the fast way reads them: botocore's own is the exception."""
    fallbacks, items = [], []
    ours, _ = parsers("ec2")

    class Counting(type(ours)):
        def _parse_shape(self, shape, node):
            fallbacks.append(shape.name)
            return super()._parse_shape(shape, node)

    counting = Counting(timestamp_parser=parse_timestamp)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(answers("ec2", "DescribeInstances"))
    def check(body: bytes) -> None:
        found = parse(counting, body, operation("ec2", "DescribeInstances").output_shape)
        items.extend(each for r in found.get("Reservations", []) for each in r.get("Instances", []))

    check()
    assert len(items) > 5
    assert any(items)
    assert not fallbacks


# Forms that only botocore's own parser knows


def member(name: str, value: str) -> str:
    return f"<{name}>{value}</{name}>"


CASES = {
    "a list that comes twice": (
        "ec2",
        "DescribeVpcs",
        "<vpcSet><item><vpcId>a</vpcId></item></vpcSet><vpcSet><item><vpcId>b</vpcId></item></vpcSet>",
    ),
    "an empty list": ("ec2", "DescribeVpcs", "<vpcSet/>"),
    "a list with a break in it": ("ec2", "DescribeVpcs", "<vpcSet>\n</vpcSet>"),
    "nothing at all": ("ec2", "DescribeVpcs", ""),
    "an empty text": ("ec2", "DescribeVpcs", "<vpcSet><item><vpcId/><state></state></item></vpcSet>"),
    "an empty structure": ("ec2", "DescribeInstances", "<reservationSet><item/></reservationSet>"),
    "a map of texts": (
        "sns",
        "GetTopicAttributes",
        "<Attributes><entry><key>k</key><value>v</value></entry><entry><key>l</key><value/></entry></Attributes>",
    ),
    "a map of numbers": (
        "iam",
        "GetAccountSummary",
        "<SummaryMap><entry><key>Users</key><value>3</value></entry></SummaryMap>",
    ),
}


@pytest.mark.parametrize(("service", "name", "content"), CASES.values(), ids=CASES)
def test_odd_forms_are_read_as_botocore_reads_them(service, name, content):
    model = operation(service, name)
    wrapper = model.output_shape.serialization.get("resultWrapper")
    both(service, name, f"<R>{member(wrapper, content) if wrapper else content}</R>".encode())


def test_a_text_that_comes_twice_is_left_to_botocore():
    model = operation("ec2", "DescribeVpcs")
    body = b"<R><nextToken>a</nextToken><nextToken>b</nextToken></R>"
    ours, botocores = (parse(each, body, model.output_shape)["NextToken"] for each in parsers("ec2"))
    assert [each.text for each in ours] == [each.text for each in botocores] == ["a", "b"]


def shape_of(members: dict, **shapes):
    """A structure of our own making, with shapes that the services of the query protocol hardly have."""
    known = {
        "Out": {"type": "structure", "members": members},
        "Text": {"type": "string"},
        "Texts": {"type": "list", "member": {"shape": "Text"}},
        "FlatTexts": {"type": "list", "member": {"shape": "Text", "locationName": "T"}, "flattened": True},
        "FlatMap": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}, "flattened": True},
        **shapes,
    }
    return ShapeResolver(known).get_shape_by_name("Out")


@pytest.mark.parametrize(
    ("members", "content"),
    [
        ({"M": {"shape": "FlatMap"}}, "<M><key>a</key><value>b</value></M><M><key>c</key><value>d</value></M>"),
        ({"M": {"shape": "FlatMap"}}, ""),
        ({"F": {"shape": "FlatTexts"}}, "<T>a</T><T>b</T>"),
        ({"F": {"shape": "FlatTexts"}}, "<T/>"),
        ({"F": {"shape": "FlatTexts"}, "G": {"shape": "Text"}}, "<T>a</T><G>x</G><T>b</T>"),
        ({"A": {"shape": "Text", "locationName": "x"}, "B": {"shape": "Text", "locationName": "x"}}, "<x>1</x>"),
        ({"A": {"shape": "Text", "xmlAttribute": True, "locationName": "kind"}, "B": {"shape": "Text"}}, "<B>1</B>"),
        ({"A": {"shape": "Text", "location": "header"}, "B": {"shape": "Text"}}, "<A>1</A><B>2</B>"),
    ],
)
@pytest.mark.parametrize("protocol", ["query", "ec2"])
def test_shapes_that_are_rare_are_read_as_botocore_reads_them(protocol, members, content):
    ours, botocores = parsers(protocol)
    shape = shape_of(members)
    body = f'<R kind="k">{content}</R>'.encode()
    assert parse(ours, body, shape) == parse(botocores, body, shape)


def test_shapes_that_hold_themselves_are_read_to_any_depth():
    shape = shape_of(
        {"Inner": {"shape": "Node"}},
        Node={"type": "structure", "members": {"Inner": {"shape": "Node"}, "V": {"shape": "Text"}}},
    )
    body = b"<R>" + b"<Inner>" * 40 + b"<V>x</V>" + b"</Inner>" * 40 + b"</R>"
    ours, botocores = parsers("ec2")
    assert parse(ours, body, shape) == parse(botocores, body, shape)


@pytest.mark.parametrize("service", ["ec2", "iam"])
def test_refusals_are_read_as_botocore_reads_them(service):
    name = {"ec2": "DescribeVpcs", "iam": "GetRole"}[service]
    bodies = {
        "ec2": b"<Response><Errors><Error><Code>C</Code><Message>M</Message></Error></Errors><RequestID>r</RequestID></Response>",
        "iam": b"<ErrorResponse><Error><Type>Sender</Type><Code>C</Code><Message>M</Message></Error><RequestId>r</RequestId></ErrorResponse>",
    }
    found = both(service, name, bodies[service], status=400)
    assert found["Error"]["Code"] == "C"
    assert both(service, name, b"<html><body>no</body></html>", status=503)["Error"]["Code"] == "503"


def test_a_modeled_error_is_read_as_botocore_reads_it():
    model = session().get_service_model("sts")
    shape = model.shape_for("ExpiredTokenException")
    body = b"<ErrorResponse><Error><Code>ExpiredTokenException</Code><message>m</message></Error></ErrorResponse>"
    ours, botocores = parsers("query")
    assert parse(ours, body, shape, status=400) == parse(botocores, body, shape, status=400) == {"message": "m"}


# What cannot be read

INSTANCE = b"<R><reservationSet><item><instancesSet><item>X</item></instancesSet></item></reservationSet></R>"


@pytest.mark.parametrize(
    ("service", "name", "body"),
    [
        ("sts", "AssumeRole", b"<AssumeRoleResponse><AssumeRoleResult><SecretAccessKey>canary"),
        ("sts", "AssumeRole", b"<html><body>canary</body></html>"),
        ("sts", "AssumeRole", b""),
        (
            "ec2",
            "DescribeInstances",
            INSTANCE.replace(b"X", b"<amiLaunchIndex>canary</amiLaunchIndex>"),
        ),
        (
            "ec2",
            "DescribeInstances",
            INSTANCE.replace(b"X", b"<launchTime>canary</launchTime>"),
        ),
        ("ec2", "GetConsoleOutput", b"<R><timestamp></timestamp></R>"),
        ("organizations", "ListRoots", b'{"Roots": [{"Id": "canary'),
        ("organizations", "ListRoots", b"null"),
        ("organizations", "ListRoots", b'{"Roots": "canary"}'),
        ("lambda", "ListFunctions", b"<html>canary</html>"),
        ("s3", "ListBuckets", b"<ListAllMyBucketsResult><Buckets>canary"),
        ("cloudwatch", "ListMetrics", b"\xffcanary"),
    ],
)
def test_an_answer_that_cannot_be_read_is_one_kind_of_error_that_does_not_repeat_it(service, name, body):
    model = operation(service, name)
    parser = ParserFactory().create_parser(model.service_model.metadata["protocol"])
    with pytest.raises(ResponseParserError, match="status 200, cannot be read") as caught:
        parse(parser, body, model.output_shape)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.binary(max_size=60), st.sampled_from(["sts", "ec2", "organizations", "lambda", "s3", "cloudwatch"]))
def test_no_bytes_make_a_parser_raise_anything_else(body, service):
    name = {
        "sts": "AssumeRole",
        "ec2": "DescribeVpcs",
        "organizations": "ListRoots",
        "lambda": "ListFunctions",
        "s3": "ListBuckets",
        "cloudwatch": "ListMetrics",
    }[service]
    model = operation(service, name)
    ours, _ = parsers(model.service_model.metadata["protocol"])
    for status in (200, 400, 503):
        try:
            assert isinstance(parse(ours, body, model.output_shape, status=status), dict)
        except ResponseParserError:
            continue


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT, lambda each: st.lists(each) | st.dictionaries(TEXT, each)
    )
)
def test_json_that_is_json_is_read_as_botocore_reads_it(document):
    model = operation("organizations", "ListRoots")
    ours, botocores = parsers("json")
    body = json.dumps({"NextToken": "t", "message": "m", "Unknown": document}).encode()
    assert parse(ours, body, model.output_shape) == parse(botocores, body, model.output_shape)


# Timestamps


@given(
    st.one_of(
        STAMPS,
        MOMENTS.map(lambda each: format_datetime(each.replace(tzinfo=timezone.utc), usegmt=True)),
        st.integers(0, 4102444800),
        st.integers(0, 4102444800).map(str),
        st.floats(0, 4e9).map(lambda n: round(n, 3)),
        st.floats(0, 4e9).map(lambda n: f"{n:.3f}"),
        MOMENTS.map(lambda each: each.isoformat()),
        MOMENTS.map(lambda each: each.strftime("%Y%m%dT%H%M%SZ")),
        MOMENTS.map(lambda each: each.strftime("%Y-%m-%d")),
    )
)
def test_timestamps_in_every_form_are_read_as_botocore_reads_them(value):
    ours, botocores = parse_timestamp(value), theirs(value)
    assert (ours, ours.tzinfo is None, ours.utcoffset()) == (botocores, botocores.tzinfo is None, botocores.utcoffset())


@settings(max_examples=150)
@given(st.text(string.digits + "-:TZ.+ W", min_size=1, max_size=26))
def test_whatever_looks_like_a_timestamp_is_read_as_botocore_reads_it_or_refused_as_well(value):
    refused = (ValueError, OverflowError, OSError, RuntimeError, UnknownTimezoneWarning)
    try:
        expected = theirs(value)
    except refused:
        with pytest.raises(refused):
            parse_timestamp(value)
    else:
        assert parse_timestamp(value) == expected


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-22T10:21:00Z", datetime(2026, 11, 22, 10, 21, tzinfo=timezone.utc)),
        ("2026-11-22T10:21:00.123Z", datetime(2026, 11, 22, 10, 21, 0, 123000, tzinfo=timezone.utc)),
        ("2026-11-22T10:21:00.123456789Z", datetime(2026, 11, 22, 10, 21, 0, 123456, tzinfo=timezone.utc)),
        ("2026-11-22T10:21:00+02:00", datetime(2026, 11, 22, 8, 21, tzinfo=timezone.utc)),
        ("Sun, 22 Nov 2026 10:21:00 GMT", datetime(2026, 11, 22, 10, 21, tzinfo=timezone.utc)),
        (1795342860, datetime(2026, 11, 22, 10, 21, tzinfo=timezone.utc)),
        ("1795342860", datetime(2026, 11, 22, 10, 21, tzinfo=timezone.utc)),
        (1795342860.5, datetime(2026, 11, 22, 10, 21, 0, 500000, tzinfo=timezone.utc)),
    ],
)
def test_timestamps_mean_what_they_mean(value, moment):
    assert parse_timestamp(value) == moment


def test_milliseconds_are_refused_as_botocore_refuses_them_and_not_taken_for_the_year_1712():
    with pytest.raises(RuntimeError):
        parse_timestamp("1712011231234")


# With the endpoint


@pytest.fixture(scope="module")
def endpoint():
    with Endpoint(World.generate(3, instances=11)) as running:
        yield running


def test_answers_of_the_endpoint_are_read_as_botocore_reads_them(endpoint, monkeypatch):
    use(monkeypatch, endpoint)
    seen = []

    async def ask() -> None:
        async with opened() as way:
            account = endpoint.world.accounts[1].id
            ec2, sts = way.client(account), way.client(account, "sts")
            for client in (ec2, sts):
                client.meta.events.register("response-received.*", lambda **about: seen.append(about))
            await ec2.describe_instances()
            await ec2.describe_vpcs()
            await ec2.describe_regions(AllRegions=True)
            await sts.get_caller_identity()
            with pytest.raises(Exception, match="InvalidVpcID"):
                await ec2.describe_vpcs(VpcIds=["vpc-0"])

    anyio.run(ask)
    assert len(seen) == 6  # AssumeRole is among them
    for about in seen:
        answer = about["response_dict"]
        name = about["event_name"].split(".")
        shape = operation(name[1], name[2]).output_shape
        protocol = "ec2" if name[1] == "ec2" else "query"
        ours, botocores = parsers(protocol)
        plain = {
            "headers": answer["headers"],
            "body": answer["body"],
            "status_code": answer["status_code"],
            "context": {},
        }
        assert asyncio.run(ours.parse(dict(plain), shape)) == asyncio.run(botocores.parse(dict(plain), shape))


# User agents


def agent(cls, features=(), **config) -> str:
    made = cls.from_environment().set_session_config("fanout", "1.0", "extra").with_client_config(Config(**config))
    with start_as_current_context():
        for feature in features:
            register_feature_id(feature)
        first = made.to_string()
        assert made.to_string() == first
    return first


@pytest.mark.parametrize("features", [(), ("WAITER",), ("PAGINATOR", "WAITER")])
@pytest.mark.parametrize(
    "config", [{}, {"user_agent_extra": "run/1"}, {"retries": {"mode": "standard"}}, {"user_agent_appid": "app"}]
)
def test_a_remembered_user_agent_is_the_one_that_botocore_would_make(features, config):
    assert agent(RememberedUserAgent, features, **config) == agent(UserAgentString, features, **config)


def test_a_user_agent_is_remembered_for_each_set_of_features_and_each_client():
    made = RememberedUserAgent.from_environment()
    made.set_session_config("fanout", "1.0", None)
    one, other = (made.with_client_config(Config(user_agent_extra=name)) for name in ("one", "other"))
    plain = one.to_string()
    with start_as_current_context():
        register_feature_id("WAITER")
        assert one.to_string() != plain
    assert one.to_string() == plain
    assert "other" in other.to_string()
    assert made.to_string()


def test_every_protocol_of_the_sdk_has_a_parser():
    assert set(parsing._OURS) == set(PROTOCOL_PARSERS)
    for protocol, botocores in PROTOCOL_PARSERS.items():
        assert isinstance(ParserFactory().create_parser(protocol), botocores)
