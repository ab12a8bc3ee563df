"""`fanout accounts` and `fanout regions`: what a selection resolves to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from fanout.cli import checks, listing
from fanout.cli.command import Example, Verb, build
from fanout.cli.errors import SOME_FAILED
from fanout.cli.invocation import begin, sandboxed, start_logs
from fanout.cli.names import LISTING, TIMEOUTS
from fanout.cli.options import GENERAL, SELECTION
from fanout.cli.options_of_access import ACCESS

_SPECS = (*SELECTION, *ACCESS, *TIMEOUTS, *LISTING, *GENERAL)


def accounts_command() -> TyperCommand:
    """`fanout accounts`."""
    return build(
        Verb(
            name="accounts",
            help="List the accounts that a selection resolves to, and those that are skipped and why.\n\n"
            "Nothing is entered: only the organization is read, where a term needs it.",
            function=_accounts,
            specs=_SPECS,
            examples=(
                Example("All accounts of the organization", "fanout accounts --accounts org"),
                Example(
                    "Production but for one account, as CSV",
                    "fanout accounts -a 'ou:/prod' -x 111122223333 -o csv --out accounts.csv",
                ),
                Example("By tag and name", "fanout accounts -a 'tag:env=prod' --only 'name:web-*'"),
            ),
        )
    )


def regions_command() -> TyperCommand:
    """`fanout regions`."""
    return build(
        Verb(
            name="regions",
            help="List the account and region pairs that a selection resolves to.\n\n"
            "Each selected account is entered and asked for its regions where that is needed (-r enabled).",
            function=_regions,
            specs=_SPECS,
            examples=(
                Example("What each account has enabled", "fanout regions --accounts org"),
                Example("European regions of two accounts", "fanout regions -a 111122223333,444455556666 -r 'eu-*'"),
            ),
        )
    )


def _accounts(flags: Mapping[str, Any]) -> int:
    return _list("accounts", flags)


def _regions(flags: Mapping[str, Any]) -> int:
    return _list("regions", flags)


def _list(which: str, flags: Mapping[str, Any]) -> int:
    invocation = begin(flags)
    checks.check_accounts(invocation.resolved, f"fanout {which}")
    checks.check_access(invocation.resolved)
    listing.check(invocation)
    with sandboxed(invocation) as inside:
        import anyio

        from fanout import app

        secrets = start_logs(inside)
        ask = app.accounts_listing if which == "accounts" else app.regions_listing
        found = anyio.run(ask, inside.settings, app.Streams(inside.stdin, inside.stdout, inside.stderr), secrets.add)
        for note in found.notes:
            inside.say(f"fanout: {note}")
        listing.show(inside, found.rows, found.columns)
    return SOME_FAILED if found.failed else 0
