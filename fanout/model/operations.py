"""Which AWS operations only read, and which IAM action an operation needs."""

from __future__ import annotations

import re

_READING = re.compile(
    # License Manager hands licenses out and takes them back, Step Functions assigns an activity's task to the asker.
    r"(?!CheckIn|Checkout|GetActivityTask)"
    r"(Describe|Get|List|Head|Search|Lookup|BatchGet|BatchDescribe|Query|Scan|Select|Check|Count|Estimate|Filter"
    r"|Simulate|Validate|Decode|AssumeRole|View|Discover|Download)(?![a-z])"
    # Reports that IAM makes for whoever asks; nothing of the account changes.
    r"|GenerateServiceLastAccessedDetails|GenerateCredentialReport"
    # Actions of API Gateway are methods of HTTP.
    r"|(GET|HEAD)$"
)
_PREFIXES = {
    "IoTSecuredTunneling": "iot",
    "cloudcontrolapi": "cloudformation",
    "iot-jobs-data": "iotjobsdata",
    "iotdata": "iot",
    "monitoring": "cloudwatch",
    "mturk-requester": "mechanicalturk",
    "partnercentral-selling": "partnercentral",
    "s3control": "s3",
    "tagging": "tag",
}
"""What actions begin with, where services sign with another name."""

_ACTIONS = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
    "s3control:PutPublicAccessBlock": "s3:PutAccountPublicAccessBlock",
    "s3control:DeletePublicAccessBlock": "s3:PutAccountPublicAccessBlock",
    "access-analyzer:GetFindingV2": "access-analyzer:GetFinding",
    "access-analyzer:ListFindingsV2": "access-analyzer:ListFindings",
}


def reads(operation: str) -> bool:
    """Whether an operation (in AWS's spelling, `DescribeVpcs`) only reads, judged by its verb; in doubt it does not."""
    return _READING.match(operation) is not None


def action_of(service: str, operation: str) -> str:
    """The IAM action of an operation; `service` is the signing name, or s3control, which signs as s3 does.

    Operation and action mostly share their name (AWS Service Authorization Reference); the exceptions are a table.
    """
    action = f"{service}:{operation}"
    return _ACTIONS.get(action, f"{_PREFIXES.get(service, service)}:{operation}")
