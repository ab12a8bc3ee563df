"""What a run's sessions may do at most, and who keeps them to it."""

from __future__ import annotations

import json

import pytest

from fanout.model.errors import UsageError
from fanout.model.role import SessionPolicy
from fanout.model.scope import Scope, reading_actions
from fanout.model.settings import AccessSettings
from fanout.testing.policies import Policy as Evaluated
from fanout.testing.policies import Ruling

READS, CHANGES = "ec2:DescribeVpcs", "ec2:CreateVpc"
OWN_DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Action": ["ec2:*", "s3:GetObject"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    },
}
FILE = SessionPolicy.of_document(json.dumps(OWN_DOCUMENT), "own.json")


def ruling(scope: Scope, action: str, region: str = "eu-west-1") -> bool:
    return Evaluated.parse(scope.document or "").ruling(action, "*", region) is Ruling.ALLOWED


def test_declared_actions_and_fanouts_own_make_the_session_policy():
    scope = Scope.of((READS,), AccessSettings())
    assert ruling(scope, READS)
    assert ruling(scope, "ec2:DescribeRegions")
    assert not ruling(scope, CHANGES)
    assert (scope.allowed, scope.reading) == ((READS,), False)


def test_a_file_is_intersected_with_the_declared_actions():
    scope = Scope.of((READS, "iam:ListRoles"), AccessSettings(session_policy=FILE))
    assert ruling(scope, READS)
    assert not ruling(scope, READS, region="us-east-1")
    assert not ruling(scope, CHANGES)
    assert not ruling(scope, "iam:ListRoles")
    assert not ruling(scope, "s3:GetObject")


def test_a_file_never_widens_what_declares_nothing():
    scope = Scope.of((), AccessSettings(session_policy=FILE))
    assert not ruling(scope, READS)
    assert not ruling(scope, "ec2:DescribeRegions")


def test_a_file_that_is_too_long_with_the_fence_is_refused():
    with pytest.raises(UsageError, match="AWS takes 2048"):
        Scope.of([f"ec2:Describe{'X' * 20}{n}" for n in range(60)], AccessSettings(session_policy=FILE))


def test_a_managed_policy_replaces_the_document_and_the_client_keeps_to_the_actions():
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    scope = Scope.of((READS,), AccessSettings(session_policy=SessionPolicy.of_arn(arn)))
    assert (scope.document, scope.arn, scope.allowed) == (None, arn, (READS,))


def test_without_scope_only_what_was_chosen_counts():
    assert Scope.of((READS,), AccessSettings(scoped=False)) == Scope()
    chosen = Scope.of((READS,), AccessSettings(scoped=False, session_policy=FILE))
    assert (chosen.document, chosen.allowed) == (FILE.document, None)
    assert Scope.whole(AccessSettings(session_policy=FILE)).document == FILE.document
    assert Scope.whole(AccessSettings()) == Scope()


def test_a_dry_run_holds_only_actions_that_read():
    scope = Scope.of((READS, CHANGES), AccessSettings(), dry_run=True)
    assert ruling(scope, READS)
    assert not ruling(scope, CHANGES)
    assert (scope.allowed, scope.reading) == ((READS,), True)
    assert Scope.of((READS,), AccessSettings(scoped=False), dry_run=True).reading


def test_an_action_with_a_wildcard_reads_only_if_all_that_it_covers_does():
    actions = ["ec2:Describe*", "ec2:*", "ec2:De*", "iam:Get?olicy", "s3:PutObject", "ssm:GetParameter*"]
    assert list(reading_actions(actions)) == ["ec2:Describe*", "iam:Get?olicy", "ssm:GetParameter*"]
