"""The options of getting in, declared once."""

from __future__ import annotations

from fanout.cli import kinds
from fanout.cli.spec import Group, May, OptionSpec, negated
from fanout.model.checks import (
    check_external_id,
    check_mfa_code,
    check_mfa_serial,
    check_role,
    check_session_name,
    check_source_identity,
)
from fanout.model.settings import DEFAULT_ROLE

ACCESS = (
    OptionSpec(
        name="profile",
        kind=kinds.text("NAME"),
        group=Group.ACCESS,
        field="profile",
        help="The profile of the source credentials.",
    ),
    OptionSpec(
        name="role",
        kind=kinds.text("ROLE", "a role", check_role),
        group=Group.ACCESS,
        field="role",
        shown_default=DEFAULT_ROLE,
        help="The role to assume in each account: NAME, path/NAME, or an ARN with {account_id} and {partition}.",
    ),
    OptionSpec(
        name="external-id",
        kind=kinds.text("ID", "an external id", check_external_id),
        group=Group.ACCESS,
        field="external_id",
        secret=True,
        help="The external id that the role's trust policy asks for.",
    ),
    OptionSpec(
        name="session-name",
        kind=kinds.text("NAME", "a session name", check_session_name),
        group=Group.ACCESS,
        field="session_name",
        shown_default="fanout-RUN",
        help="The name of the sessions, as CloudTrail shows it.",
    ),
    OptionSpec(
        name="duration",
        kind=kinds.SESSION_LENGTH,
        group=Group.ACCESS,
        field="duration",
        shown_default="1h",
        help="How long credentials live: 15m, 1h, 3600. They are refreshed for as long as the run lasts.",
    ),
    OptionSpec(
        name="shorten",
        kind=kinds.FLAG,
        group=Group.ACCESS,
        field="shorten",
        default="false",
        help="Where --duration is longer than a role allows, take the longest that works instead of failing.",
    ),
    OptionSpec(
        name="role-chain",
        kind=kinds.HOP,
        group=Group.ACCESS,
        field="role_chain",
        multiple=True,
        help="Roles to assume first, once and in order, on the way to every account (repeatable): ARN[,external-id=ID].",
    ),
    OptionSpec(
        name="source-identity",
        kind=kinds.text("NAME", "a source identity", check_source_identity),
        group=Group.ACCESS,
        field="source_identity",
        help="Who is behind the sessions, as CloudTrail shows it through all roles; trust needs sts:SetSourceIdentity.",
    ),
    OptionSpec(
        name="session-tag",
        kind=kinds.TAG,
        group=Group.ACCESS,
        field="session_tags",
        multiple=True,
        help="A tag of the sessions in the accounts (repeatable): KEY=VALUE[,transitive]; trust needs sts:TagSession.",
    ),
    OptionSpec(
        name="session-policy",
        kind=kinds.SESSION_POLICY,
        group=Group.ACCESS,
        field="session_policy",
        may=May.NOT_PROJECT,
        help="A session policy in place of the derived one: a file, kept to the declared actions, or a managed policy's ARN.",
    ),
    OptionSpec(
        name="mfa-serial",
        kind=kinds.text("SERIAL", "the serial number of an MFA device", check_mfa_serial),
        group=Group.ACCESS,
        field="mfa_serial",
        shown_default="mfa_serial of the profile",
        help="The MFA device of the user whose keys are the source credentials; one code lets into every account.",
    ),
    OptionSpec(
        name="mfa-code",
        kind=kinds.text("CODE", "a code of six digits", check_mfa_code),
        group=Group.ACCESS,
        field="mfa_code",
        secret=True,
        may=May.NOT_PROJECT,
        shown_default="asked for on the terminal",
        help="The code that the MFA device shows.",
    ),
    OptionSpec(
        name="sso",
        kind=kinds.text("SESSION[:SET]", "an sso-session and perhaps a permission set", kinds.sso),
        group=Group.ACCESS,
        field="sso",
        help="Enter accounts through IAM Identity Center, with the permission set that is assigned (or --role names).",
    ),
    OptionSpec(
        name="cache",
        kind=kinds.FLAG,
        group=Group.ACCESS,
        field="cache",
        default="false",
        may=May.NOT_PROJECT,
        help="Keep credentials of roles in fanout's own files (0600) until they end, for the next command.",
    ),
    OptionSpec(
        name="list-role",
        kind=kinds.text("ARN", "the ARN of a role", kinds.role_arn),
        group=Group.ACCESS,
        field="list_role",
        help="A role to assume for listing the organization.",
    ),
    OptionSpec(
        name="no-scope",
        kind=kinds.FLAG,
        group=Group.ACCESS,
        field="scoped",
        adapt=negated,
        default="false",
        may=May.NOT_PROJECT,
        help="Assume roles without the session policy derived from the task's declared actions.",
    ),
    OptionSpec(
        name="self-direct",
        kind=kinds.FLAG,
        group=Group.ACCESS,
        field="self_direct",
        default="false",
        may=May.NOT_PROJECT,
        help="Let a changing task enter the caller's own account with the caller's credentials.",
    ),
    OptionSpec(
        name="allow-endpoint",
        kind=kinds.HOST,
        group=Group.ACCESS,
        field="allow_endpoints",
        multiple=True,
        may=May.NOT_PROJECT,
        help="A host that may be called although it is not AWS's own for the service and region.",
    ),
    OptionSpec(
        name="assume-rate",
        kind=kinds.RATE,
        group=Group.ACCESS,
        field="assume_rate",
        default="50",
        help="AssumeRole calls a second, at most.",
    ),
)

_OF_NOW = (
    "profile",
    "external-id",
    "role-chain",
    "role",
    "mfa-serial",
    "mfa-code",
    "no-scope",
    "allow-endpoint",
    "assume-rate",
)

ACCESS_OF_NOW = tuple(spec for spec in ACCESS if spec.name in _OF_NOW)
"""What can be said of access to a run that was planned before: whose credentials, and secrets that are kept nowhere."""
