"""`fanout role template` and `fanout role policy`: what to deploy, so that fanout may enter and work."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from fanout.cli.command import Example, Verb
from fanout.cli.invocation import Invocation, begin
from fanout.cli.nested import Lower, nest
from fanout.cli.options import GENERAL
from fanout.cli.taskline import loader
from fanout.model.errors import UsageError

if TYPE_CHECKING:
    from fanout.tools.roles.reading import RoleAsk
    from fanout.tools.roles.writing import Written

_SPECS = tuple(spec for spec in GENERAL if spec.name != "sandbox")  # nothing here asks AWS
_MAY, _ENTER, _ROLE, _PUT = "What the role may do", "Who may enter", "The role", "The document"


@dataclass(frozen=True, slots=True)
class _Own:
    """An option of these verbs alone: without a metavar it is a flag, `many` is repeatable."""

    name: str
    metavar: str | None
    help: str
    title: str
    many: bool = False

    def parameter(self) -> inspect.Parameter:
        """The option in typer's own terms."""
        kind: Any = bool if self.metavar is None else (list[str] | None if self.many else str | None)
        option = typer.Option(
            f"--{self.name}",
            help=f"{self.help} (Repeatable.)" if self.many else self.help,
            metavar=self.metavar,
            show_default=False,
            rich_help_panel=self.title,
        )
        dest = self.name.replace("-", "_")
        default = False if self.metavar is None else None
        return inspect.Parameter(
            dest, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )


_TASK = _Own("task", "TASK", "A task that it shall run, or several with commas.", _MAY, many=True)
_ALLOW = _Own("allow", "ACTION[@ARN]", "More that it may do: s3:GetObject@arn:aws:s3:::bucket/*.", _MAY, many=True)
_STATEMENT = _Own("statement", "FILE|JSON", "Statements of a policy, in a file or as JSON.", _MAY, many=True)
_OUT = _Own("out", "FILE", "Write to this file, whole or not at all.", _PUT)
_FORCE = _Own("force", None, "Replace the file if it is there.", _PUT)

_TEMPLATE = (
    _TASK,
    _ALLOW,
    _STATEMENT,
    _Own("managed-policy", "ARN", "A managed policy that is attached.", _MAY, many=True),
    _Own("permissions-boundary", "ARN", "The managed policy that bounds it.", _MAY),
    _Own("trust", "PRINCIPAL", "The ARN of a role or user, or an account's id.", _ENTER, many=True),
    _Own("external-id", "ID|generate", "What callers must give; `generate` makes one.", _ENTER),
    _Own("mfa", None, "Only with MFA.", _ENTER),
    _Own("mfa-max-age", "DURATION", "Only with an MFA code no older than this: 1h.", _ENTER),
    _Own("not-before", "TIME", "Only from then on: 2031-05-01T08:00Z.", _ENTER),
    _Own("not-after", "TIME", "Only until then.", _ENTER),
    _Own("source-ip", "CIDR", "Only from these addresses.", _ENTER, many=True),
    _Own("org-id", "o-ID", "Only from this organization.", _ENTER),
    _Own("session-tags", None, "Callers may pass session tags (sts:TagSession).", _ENTER),
    _Own("source-identity", None, "Callers may pass a source identity (sts:SetSourceIdentity).", _ENTER),
    _Own("name", "NAME", "Its name; for tasks there is a default.", _ROLE),
    _Own("path", "PATH", "Its path, such as /audit/.", _ROLE),
    _Own("description", "TEXT", "Its description; {{ and }} are braces.", _ROLE),
    _Own("max-session", "DURATION", "Its longest session, 1h to 12h.  [default: 1h]", _ROLE),
    _Own("tag", "KEY=VALUE", "A tag of it, beside fanout:managed.", _ROLE, many=True),
    _Own("partition", "PARTITION", "aws, aws-cn or aws-us-gov.  [default: that of the ARNs]", _ROLE),
    _Own("parameter", "NAME[=DEFAULT]", "A parameter, used as {NAME}.", _PUT, many=True),
    _Own("caller", None, "Write the caller's side: the policy to enter these roles.", _PUT),
    _Own("account", "ID", "With --caller: in these accounts, not in all.", _PUT, many=True),
    _Own("format", "FORMAT", "cloudformation, terraform or json.  [default: by --out, else cloudformation]", _PUT),
    _OUT,
    _FORCE,
)

_POLICY = (
    _TASK,
    _ALLOW,
    _STATEMENT,
    _Own("session", None, "The session policy that fanout itself sends for the task.", _PUT),
    _OUT,
    _FORCE,
)


def command() -> TyperCommand:
    """`fanout role`."""
    upper = Verb(
        name="role",
        help="Write what to deploy so that fanout may work: roles, and the policies of both sides.",
        function=_none,
        specs=_SPECS,
        usage="VERB [OPTIONS]",
        examples=(
            Example(
                "A role for one task, as CloudFormation",
                "fanout role template --task describe-instances \\\n    --trust arn:aws:iam::111122223333:role/Hub",
            ),
            Example("What a task needs", "fanout role policy --task describe-instances"),
        ),
    )
    return nest(
        upper,
        {
            "template": Lower("A role: its trust and its permissions, ready to deploy.", _template_verb),
            "policy": Lower("The permissions of tasks alone, and how long they are.", _policy_verb),
        },
    )


def _none(flags: Mapping[str, Any]) -> int:
    del flags
    raise UsageError("`fanout role` needs a verb", "there are: template, policy")


def _template_verb() -> Verb:
    return Verb(
        name="template",
        help="Write a role for chosen tasks: who may enter, and the least that the tasks need.\n\n"
        "Nothing is asked of AWS and nothing is changed there: the template is for you to deploy.",
        function=_template,
        own=tuple(each.parameter() for each in _TEMPLATE),
        specs=_SPECS,
        examples=(
            Example(
                "For a stack set, with an external id that is made here",
                "fanout role template --task describe-instances --trust arn:aws:iam::111122223333:role/Hub \\\n"
                "  --external-id generate --out discovery.template.json",
            ),
            Example(
                "The caller's side of the same",
                "fanout role template --task describe-instances --caller --org-id o-a1b2c3d4e5",
            ),
            Example(
                "With parameters of your own, for Terraform",
                "fanout role template --name 'deploy-{environment}' --trust '{source_account}' \\\n"
                "  --allow 's3:GetObject@arn:aws:s3:::{bucket}/*' --parameter environment=test \\\n"
                "  --parameter source_account --parameter bucket --out role.tf.json",
            ),
        ),
    )


def _policy_verb() -> Verb:
    return Verb(
        name="policy",
        help="Print the permissions that tasks need, as a policy document, and how far it is from AWS's limits.",
        function=_policy,
        own=tuple(each.parameter() for each in _POLICY),
        specs=_SPECS,
        examples=(
            Example("What two tasks need", "fanout role policy --task describe-instances,list-vpcs"),
            Example("What fanout sends as the session policy", "fanout role policy --task list-vpcs --session"),
        ),
    )


def _template(flags: Mapping[str, Any], **values: Any) -> int:
    from fanout.tools.roles import reading, writing

    invocation = begin(flags)
    ask, load = _ask(values), loader(require_actions=True)
    out, force = _path(values), bool(values["force"])
    form = writing.format_of(values["format"], out)
    if values["caller"]:
        blueprint = reading.read_caller(ask, load)
        written = writing.caller(blueprint, form)
    elif values["account"]:
        raise UsageError("--account is for the caller's side, and --caller was not given", "add --caller")
    else:
        blueprint = reading.read(ask, load, datetime.now(timezone.utc))
        written = writing.role(blueprint, form)
    _put(invocation, replace(written, warnings=blueprint.warnings), out, force=force)
    if blueprint.generated is not None:  # told whatever --quiet says: callers need it
        invocation.stderr.write(f"fanout: the external id, told this once: {blueprint.generated}\n")
    return 0


def _policy(flags: Mapping[str, Any], **values: Any) -> int:
    from fanout.tools.roles import reading, writing

    invocation = begin(flags)
    task, allow, statement = (tuple(values[name] or ()) for name in ("task", "allow", "statement"))
    if not (task or allow or statement):
        raise UsageError("no task was named", "give --task; `fanout tasks` lists them")
    if values["session"] and (allow or statement):
        raise UsageError("--session is what fanout sends for a task, and --allow or --statement are not part of it")
    tasks = reading.load_tasks(task, loader(require_actions=True)) if task else ()
    written = writing.sent(tasks) if values["session"] else writing.policy(tasks, allow, statement)
    _put(invocation, written, _path(values), force=bool(values["force"]))
    return 0


def _ask(values: Mapping[str, Any]) -> RoleAsk:
    """What was typed, by option; what was not typed has its default."""
    from fanout.tools.roles.reading import RoleAsk

    typed: dict[str, Any] = {
        each.name: values[each.name] for each in fields(RoleAsk) if values[each.name] not in (None, [], ())
    }
    for name, value in typed.items():
        _check_text(name, [value] if isinstance(value, str) else value)
        typed[name] = tuple(value) if isinstance(value, (list, tuple)) else value
    return RoleAsk(**typed)


def _check_text(name: str, texts: Sequence[str] | bool) -> None:
    if isinstance(texts, bool):
        return
    if not all(each.strip() for each in texts):
        raise UsageError(f"--{name.replace('_', '-')} is empty", "give it a value, or leave it out")


def _path(values: Mapping[str, Any]) -> Path | None:
    return Path(values["out"]) if values["out"] else None


def _put(invocation: Invocation, written: Written, out: Path | None, *, force: bool) -> None:
    from fanout.tools.roles import writing

    if out is None:
        invocation.stdout.write(written.text)
        invocation.stdout.flush()
    else:
        writing.write(written, out, force=force)
        private = " for you alone (mode 0600), as an external id is in it" if written.private else ""
        invocation.say(f"fanout: wrote {out}{private}")
    for note in written.notes:
        invocation.say(f"fanout: {note}")
    for warning in written.warnings:
        invocation.stderr.write(f"fanout: warning: {warning}\n")
