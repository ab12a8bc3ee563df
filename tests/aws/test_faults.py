"""The border: what every exception of the SDK means, as a table."""

from __future__ import annotations

import re
from functools import lru_cache

import aiohttp
import botocore.session
import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker
from botocore.validate import validate_parameters
from hypothesis import given
from hypothesis import strategies as st

from fanout.aws.faults import BY_CODE, BY_EXCEPTION, HINTS, HINTS_BY_CODE, CallFailed, classify, failed
from fanout.aws.transport import RedirectRefused
from fanout.model.fault import NOT_EXECUTED, RETRYABLE, FaultKind, Stage

SERVICES = (
    "accessanalyzer",
    "account",
    "acm",
    "apigateway",
    "athena",
    "autoscaling",
    "backup",
    "batch",
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "config",
    "dynamodb",
    "ebs",
    "ecr",
    "ecs",
    "efs",
    "eks",
    "elbv2",
    "emr",
    "events",
    "firehose",
    "glue",
    "guardduty",
    "iam",
    "inspector2",
    "kafka",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "macie2",
    "organizations",
    "rds",
    "redshift",
    "route53",
    "s3",
    "s3control",
    "secretsmanager",
    "securityhub",
    "service-quotas",
    "sns",
    "sqs",
    "ssm",
    "sso",
    "sts",
    "support",
    "wafv2",
)


def client_error(code: str | None, message: str | None = "", status: int = 400) -> sdk.ClientError:
    error = {name: value for name, value in (("Code", code), ("Message", message)) if value is not None}
    return sdk.ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, "DescribeVpcs")


@pytest.mark.parametrize(("code", "kind"), BY_CODE.items())
def test_a_code_of_the_table_means_what_the_table_says(code, kind):
    for status in (400, 403, 500, 503):
        fault = classify(client_error(code, "some words", status))
        assert (fault.kind, fault.code, fault.message, fault.stage) == (kind, code, "some words", Stage.CALL)
        assert fault.hint == HINTS_BY_CODE.get(code, HINTS.get(kind, ""))


@pytest.mark.parametrize(
    ("status", "code", "kind", "named"),
    [
        (429, "Whatever", FaultKind.THROTTLED, "Whatever"),
        (503, "503", FaultKind.UNAVAILABLE, "http_503"),
        (500, None, FaultKind.UNAVAILABLE, "http_500"),
        (502, "Unknown", FaultKind.UNAVAILABLE, "http_502"),
        (307, "307", FaultKind.REFUSED, "http_307"),
        (301, "PermanentRedirect", FaultKind.REFUSED, "PermanentRedirect"),
        (304, "304", FaultKind.FAILED, "http_304"),
        (401, "Odd", FaultKind.DENIED, "Odd"),
        (403, "", FaultKind.DENIED, "http_403"),
        (404, "NoSuchThing", FaultKind.FAILED, "NoSuchThing"),
        (412, "DryRunOperation", FaultKind.FAILED, "DryRunOperation"),
        (0, None, FaultKind.FAILED, "http_Unknown"),
    ],
)
def test_a_code_that_nobody_knows_is_judged_by_its_status(status, code, kind, named):
    fault = classify(client_error(code, None, status))
    assert (fault.kind, fault.code) == (kind, named)
    assert named in fault.message


EXCEPTIONS = [
    (RedirectRefused(endpoint_url="u", host="h", error="e"), FaultKind.REFUSED),
    (sdk.SSLError(endpoint_url="https://x", error="self-signed"), FaultKind.TLS),
    (sdk.ProxyConnectionError(proxy_url="http://p", error="no"), FaultKind.UNREACHABLE),
    (sdk.ConnectTimeoutError(endpoint_url="u", error="slow"), FaultKind.UNREACHABLE),
    (sdk.EndpointConnectionError(endpoint_url="u", error="no"), FaultKind.UNREACHABLE),
    (sdk.ReadTimeoutError(endpoint_url="u", error="slow"), FaultKind.TIMEOUT),
    (sdk.ConnectionClosedError(endpoint_url="u", error="gone"), FaultKind.CONNECTION_LOST),
    (ResponseParserError("invalid XML received: <SecretAccessKey>canary"), FaultKind.MALFORMED_RESPONSE),
    (sdk.ParamValidationError(report='Missing required parameter in input: "RoleArn"'), FaultKind.INVALID),
    (sdk.NoCredentialsError(), FaultKind.DENIED),
    (sdk.HTTPClientError(error="broken"), FaultKind.CONNECTION_LOST),
    (sdk.PaginationError(message="the same token twice"), FaultKind.MALFORMED_RESPONSE),
    (sdk.WaiterError(name="vpc_available", reason="Max attempts exceeded", last_response={}), FaultKind.FAILED),
]


@pytest.mark.parametrize(("error", "kind"), EXCEPTIONS, ids=lambda each: type(each).__name__)
def test_an_exception_of_the_table_means_what_the_table_says(error, kind):
    fault = classify(error)
    assert (fault.kind, fault.stage) == (kind, Stage.CALL)
    assert fault.hint == HINTS.get(kind, "")
    assert classify(error, Stage.ACCESS).stage is Stage.ACCESS


def test_every_line_of_the_exception_table_is_tried_here():
    assert {row[0] for row in BY_EXCEPTION} == {type(error) for error, _ in EXCEPTIONS}


def test_no_line_of_the_exception_table_stands_behind_one_that_takes_its_errors():
    for number, (theirs, _, _) in enumerate(BY_EXCEPTION):
        assert not any(issubclass(theirs, earlier) for earlier, _, _ in BY_EXCEPTION[:number])


def test_other_errors_of_the_sdk_fail_the_call_and_a_deadline_is_a_timeout():
    unknown = classify(sdk.UnknownServiceError(service_name="x", known_service_names="y"))
    assert (unknown.kind, unknown.code, unknown.stage) == (FaultKind.FAILED, "UnknownServiceError", Stage.CALL)
    assert classify(TimeoutError()).kind is FaultKind.TIMEOUT


def test_what_is_a_fault_already_stays_it():
    error = failed(FaultKind.QUOTA, "Code", "words", stage=Stage.REGIONS)
    assert classify(error, Stage.ACCESS) is error.fault
    assert str(error) == "words"
    assert error.fault.hint == HINTS[FaultKind.QUOTA]
    assert isinstance(error, CallFailed)


def test_a_task_that_raises_is_a_bug_with_file_and_line():
    try:
        {}["missing"]
    except KeyError as error:
        fault = classify(error)
    assert (fault.kind, fault.stage, fault.code) == (FaultKind.TASK_BUG, Stage.TASK, "KeyError")
    assert re.search(r"KeyError: 'missing' \(.*test_faults\.py:\d+\)", fault.message)


SCP = (
    "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-x/service_control_policy/p-y"
)
USER = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: ec2:RunInstances"


@pytest.mark.parametrize(
    ("code", "status", "message", "kind", "hint"),
    [
        ("UnauthorizedOperation", 403, f"{USER} {SCP}", FaultKind.DENIED_BY_SCP, "service control policy"),
        ("AccessDeniedException", 400, f"{USER} {SCP}", FaultKind.DENIED_BY_SCP, "service control policy"),
        ("Odd", 403, f"{USER} {SCP}", FaultKind.DENIED_BY_SCP, "service control policy"),
        (
            "AccessDenied",
            403,
            f"{USER} because no session policy allows the ec2:RunInstances action",
            FaultKind.DENIED_BY_SCOPE,
            "declare ec2:RunInstances in the task's actions=[...] (or --action of `fanout call`), or use --no-scope",
        ),
        (
            "UnauthorizedOperation",
            403,
            "with an explicit deny in a session policy",
            FaultKind.DENIED_BY_SCOPE,
            "add the action to the task's actions=[...] (or --action of `fanout call`), or use --no-scope",
        ),
        ("AccessDenied", 403, USER, FaultKind.DENIED, "grant ec2:RunInstances to the role"),
        (
            "AccessDenied",
            403,
            "because no identity-based policy allows the ssm:GetParameter action",
            FaultKind.DENIED,
            "grant ssm:GetParameter to the role",
        ),
        ("AccessDenied", 403, "Your account is suspended", FaultKind.ACCOUNT_UNUSABLE, "suspended"),
        ("SignatureDoesNotMatch", 403, "Signature expired", FaultKind.DENIED, "clock"),
        ("InvalidSignatureException", 400, "Signature expired", FaultKind.DENIED, "clock"),
        ("RequestTimeTooSkewed", 403, "too large", FaultKind.DENIED, "clock"),
        ("RegionDisabledException", 403, "STS is not activated", FaultKind.DENIED, "AWS_REGION"),
        ("ValidationError", 400, "a session policy is too long", FaultKind.INVALID, ""),
        ("Odd", 400, "the session policy is odd", FaultKind.FAILED, ""),
    ],
)
def test_a_denial_says_which_policy_denies_and_what_mends_it(code, status, message, kind, hint):
    fault = classify(client_error(code, message, status))
    assert (fault.kind, fault.message) == (kind, message)
    assert hint in fault.hint


def test_a_broken_answer_is_never_repeated():
    fault = classify(ResponseParserError("Unable to parse: b'<SecretAccessKey>canary"), Stage.ACCESS)
    assert "canary" not in str(fault)
    assert "cannot be read" in fault.message


@lru_cache(maxsize=1)
def put_parameter():
    return botocore.session.get_session().get_service_model("ssm").operation_model("PutParameter").input_shape


def refused(params) -> sdk.ParamValidationError:
    with pytest.raises(sdk.ParamValidationError) as caught:
        validate_parameters(params, put_parameter())
    return caught.value


@given(
    st.one_of(
        st.text().map(lambda each: f"canary {each}"), st.sampled_from(["canary, type: x, valid", 'canary\nin x: "y"'])
    )
)
def test_a_refused_parameter_is_named_but_its_value_is_not_shown(secret):
    error = refused({"Name": ["x"], "Value": {"hidden": secret}, "Type": [secret], "Description": 5})
    fault = classify(error)
    assert "canary" in str(error)
    assert fault.kind is FaultKind.INVALID
    assert fault.message == "parameter validation failed: Name, Value, Type"
    assert "canary" not in str(fault)


def test_a_missing_and_an_unknown_parameter_are_named():
    message = classify(refused({"Nmae": "x", "Value": "canary"})).message
    assert message == "parameter validation failed: Name, Nmae"


def test_the_throttling_codes_that_botocore_knows_are_known_here():
    unlike = {
        code
        for code in ThrottledRetryableChecker._THROTTLED_ERROR_CODES
        if BY_CODE.get(code) is not FaultKind.THROTTLED
    }
    assert unlike == {"LimitExceededException"}  # a hard quota at Organizations and IAM


@lru_cache(maxsize=1)
def modeled_errors():
    session = botocore.session.get_session()
    return [(name, shape) for name in SERVICES for shape in session.get_service_model(name).error_shapes]


def test_every_modeled_error_has_one_meaning():
    """Unknown codes are never taken for something after which a change may be sent again."""
    kinds = set()
    assert len(modeled_errors()) > 700
    for _, shape in modeled_errors():
        about = shape.metadata.get("error", {})
        status = about.get("httpStatusCode", 400)
        fault = classify(client_error(shape.error_code, "words", status))
        assert fault.code == shape.error_code
        kinds.add(fault.kind)
        if shape.error_code not in BY_CODE:
            assert fault.kind not in NOT_EXECUTED or status == 429
            assert fault.kind not in RETRYABLE or status == 429 or status >= 500
    assert {FaultKind.FAILED, FaultKind.THROTTLED, FaultKind.DENIED, FaultKind.UNAVAILABLE, FaultKind.INVALID} <= kinds


def test_what_the_models_call_throttling_is_throttling_or_a_quota():
    wrong = set()
    for service, shape in modeled_errors():
        if (shape.metadata.get("retryable") or {}).get("throttling"):
            status = shape.metadata.get("error", {}).get("httpStatusCode", 400)
            if classify(client_error(shape.error_code, "", status)).kind not in (FaultKind.THROTTLED, FaultKind.QUOTA):
                wrong.add(f"{service} {shape.error_code}")
    assert not wrong


def test_faults_of_kinds_that_people_can_mend_say_how():
    assert set(FaultKind) - set(HINTS) == {
        FaultKind.FAILED,
        FaultKind.INVALID,
        FaultKind.STOPPED,
        FaultKind.TASK_BUG,
        FaultKind.WRONG_ACCOUNT,
    }


def test_aiohttp_errors_never_reach_the_border_unwrapped():
    """aiobotocore wraps them; a bare one would count as a bug of the task, and says so."""
    assert classify(aiohttp.ClientError()).kind is FaultKind.TASK_BUG
