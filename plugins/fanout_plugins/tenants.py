"""Providers and services that act for many customers: what tells whether a trust policy holds them to one."""

from __future__ import annotations

import re

from fanout_plugins.policies import Condition, Conditions

_WILD = re.compile(r"[*?]")
_OWNER = re.compile(
    r"(?:^|:)(?:(?:repo|repository|job_workflow_ref|workflow_ref):[^/:]+/"
    r"|(?:repository_owner|repository_owner_id|repository_id):[^:]+:)"
)
_SUBJECTS = {
    "token.actions.githubusercontent.com": _OWNER,
    "gitlab.com": re.compile(r"^project_path:[^/:]+/"),
    "app.terraform.io": re.compile(r"^organization:[^:]+:"),
    "agent.buildkite.com": re.compile(r"^organization:[^:]+:"),
    "oidc.vercel.com": re.compile(r"^owner:[^:]+:"),
}
"""How a subject of a provider that all its customers share begins, up to whose it is (the providers' own guides on AWS:
GitHub "OpenID Connect reference", GitLab "Configure OIDC in AWS", HCP Terraform "Dynamic credentials with AWS", Buildkite
"OIDC with AWS", Vercel "OIDC federation reference")."""

_SENDS_SOURCE = frozenset(
    {
        "airflow",
        "airflow-env",
        "amplify",
        "bedrock",
        "codebuild",
        "comprehend",
        "config",
        "datasync",
        "dms",
        "ecs-tasks",
        "events",
        "firehose",
        "fis",
        "forecast",
        "frauddetector",
        "hooks.cloudformation",
        "iot",
        "kendra",
        "kinesisanalytics",
        "logs",
        "monitoring.rds",
        "personalize",
        "pipes",
        "rekognition",
        "resources.cloudformation",
        "sagemaker",
        "scheduler",
        "ssm",
        "states",
        "transfer",
        "vpc-flow-logs",
    }
)
"""Services whose own guides show a role's trust policy with aws:SourceAccount or aws:SourceArn (the page "Cross-service
confused deputy prevention" of each, or the one on its service role). Others, such as EC2 and Lambda, send neither when
they assume a role: a condition on them would lock the service out."""


def sends_source(principal: str) -> bool:
    """Whether a service, such as states.amazonaws.com, tells on whose behalf it assumes a role."""
    name = principal.lower().removesuffix(".cn").removesuffix(".amazonaws.com")
    return re.sub(r"\.[a-z]{2}(?:-[a-z]+)+-\d$", "", name) in _SENDS_SOURCE


def any_subject(provider: str, conditions: Conditions) -> bool:
    """Whether an OIDC provider (its ARN) may vouch for users of any of its customers: none is named, or by a wildcard."""
    subject = _SUBJECTS.get(provider.partition(":oidc-provider/")[2].lower())
    return all(_is_wild(condition, subject) for condition in conditions.holding("*:sub"))


def _is_wild(condition: Condition, subject: re.Pattern[str] | None) -> bool:
    """Whether a value has a wildcard before it has said whose user it is; one of several is enough to come in."""
    if subject is None or not condition.globs:
        return False
    fixed = (value[: found.start()] for value in condition.values if (found := _WILD.search(value)))
    return any(subject.search(text) is None for text in fixed)
