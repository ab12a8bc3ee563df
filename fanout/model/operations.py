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
)
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
    "access-analyzer:GetFindingV2": "access-analyzer:GetFinding",
    "access-analyzer:ListFindingsV2": "access-analyzer:ListFindings",
}


def reads(operation: str) -> bool:
    """Whether an operation (in AWS's spelling, `DescribeVpcs`) only reads, judged by its verb; in doubt it does not."""
    return _READING.match(operation) is not None


def action_of(service: str, operation: str) -> str:
    """The IAM action of an operation; `service` is the signing name.

    Operation and action mostly share their name (AWS Service Authorization Reference); the exceptions are a table.
    """
    action = f"{service}:{operation}"
    return _ACTIONS.get(action, action)
