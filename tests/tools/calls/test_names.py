"""Services and operations are found in every spelling, and what is mistyped gets the nearest names."""

from __future__ import annotations

import pytest

from fanout.aws import operations_model
from fanout.model.errors import UsageError
from fanout.tools.calls.names import find


@pytest.mark.parametrize(
    ("service", "operation", "found"),
    [
        ("ec2", "describe-vpcs", "DescribeVpcs"),
        ("ec2", "DescribeVpcs", "DescribeVpcs"),
        ("ec2", "describe_vpcs", "DescribeVpcs"),
        ("EC2", "describevpcs", "DescribeVpcs"),
        ("access-analyzer", "list-findings-v2", "ListFindingsV2"),
        ("rds", "describe-db-instances", "DescribeDBInstances"),
        ("iam", "list-mfa-devices", "ListMFADevices"),
    ],
)
def test_an_operation_is_found_in_every_spelling(service, operation, found):
    assert find(service, operation).name == found


@pytest.mark.parametrize(
    ("service", "operation", "message", "hint"),
    [
        ("ec3", "describe-vpcs", "AWS has no service 'ec3'", "ec2"),
        ("states", "list-executions", "AWS has no service 'states'", "stepfunctions"),
        ("elasticloadbalancing", "x", "AWS has no service", "elbv2"),
        ("zzzzzz", "x", "AWS has no service 'zzzzzz'", "named as in the AWS CLI"),
        ("ec2", "describe-vpc", "ec2 has no operation 'describe-vpc'", "describe-vpcs"),
        ("ec2", "DescribeVpc", "ec2 has no operation 'DescribeVpc'", "DescribeVpcs"),
        ("ec2", "describe_vpc", "ec2 has no operation 'describe_vpc'", "describe_vpcs"),
    ],
)
def test_what_is_mistyped_gets_the_nearest_names_as_they_are_typed(service, operation, message, hint):
    with pytest.raises(UsageError) as refused:
        find(service, operation)

    assert message in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("service", "operation", "account_wide"),
    [
        ("iam", "ListRoles", True),
        ("organizations", "ListRoots", True),
        ("route53", "ListHostedZones", True),
        ("ec2", "DescribeVpcs", False),
        ("neptune-graph", "ListGraphs", False),
    ],
)
def test_a_service_with_one_endpoint_is_the_accounts(service, operation, account_wide):
    assert operations_model.operation(service, operation).account_wide is account_wide


def test_pages_bodies_and_streams_are_known_from_the_models():
    functions = operations_model.operation("lambda", "ListFunctions")
    distributions = operations_model.operation("cloudfront", "ListDistributions")

    assert functions.pagination is not None
    assert functions.pagination.results == ("Functions",)
    assert distributions.pagination is not None
    assert distributions.pagination.results == ("DistributionList.Items",)
    assert operations_model.operation("iam", "GetRole").pagination is None
    assert operations_model.operation("pinpoint", "GetApps").pagination is None
    assert operations_model.operation("s3", "GetObject").body == "Body"
    assert operations_model.operation("s3", "PutObject").body is None
    assert operations_model.operation("logs", "StartLiveTail").events
    assert operations_model.operation("apigateway", "UpdateRestApi").http_method == "PATCH"
