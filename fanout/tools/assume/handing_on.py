"""One account's credentials: printed, or lent to a program for as long as it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from fanout.app.entering import Entered, enter_account
from fanout.app.inherited import source_profile
from fanout.aws.credential_server import serve_credentials
from fanout.aws.lease import OnSecrets, keep_no_secrets
from fanout.model.row import iso
from fanout.model.settings import SelectionSettings, Settings
from fanout.tools.assume.environment import endpoint_variables, program_environment
from fanout.tools.assume.formats import FORMATS, as_variables
from fanout.tools.assume.loop import no_endless_loop
from fanout.tools.assume.program import run_program
from fanout.tools.assume.request import Request

if TYPE_CHECKING:
    from fanout.app.streams import Streams

_ASK_AGAIN = timedelta(hours=1)
"""When a program is to ask again for keys that do not expire."""


async def assume(
    settings: Settings, request: Request, streams: Streams, on_secrets: OnSecrets = keep_no_secrets
) -> int:
    """Enter the account and do what was asked; returns the exit code, which is the program's where one runs.

    :raises AccessError: if there is no way in, saying why.
    :raises SelectionError: if the term does not stand for one account.
    """
    source = source_profile(settings.access, os.environ)
    # ACCOUNT alone decides, but for what a file says is to be left out always
    chosen = settings.selection
    selection = SelectionSettings(exclude=chosen.exclude, org_id=chosen.org_id, refresh=chosen.refresh)
    settings = replace(settings, selection=selection)
    with no_endless_loop(source, request.account, os.environ):
        async with enter_account(settings, request.account, streams, on_secrets, region=request.region) as entered:
            if request.serve:
                return await _served(entered, request, on_secrets)
            keys = await entered.keys()
            if not request.command:
                streams.stdout.write(FORMATS[request.form](keys, entered.identity))
                return 0
    own = {**entered.inherited, **as_variables(keys), "AWS_ACCOUNT_ID": keys.account_id}
    return await run_program(request.command, _environment(entered, request, own))


async def _served(entered: Entered, request: Request, on_secrets: OnSecrets) -> int:
    """Run the program beside an endpoint that gives it fresh credentials for as long as it runs."""

    async def ask() -> dict[str, str]:
        return await _document(entered)

    async with serve_credentials(ask) as address:
        on_secrets(address.token)
        with endpoint_variables(address.url, address.token, os.environ) as variables:
            own = {**entered.inherited, **variables}
            return await run_program(request.command, _environment(entered, request, own))


def _environment(entered: Entered, request: Request, own: Mapping[str, str]) -> dict[str, str]:
    return program_environment(os.environ, own, region=entered.region, hidden=request.hidden)


async def _document(entered: Entered) -> dict[str, str]:
    """Credentials as a container's endpoint answers; SDKs insist on a token and an end, where there are none too."""
    keys = await entered.keys()
    return {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "Token": keys.token or "",
        "Expiration": iso(keys.expiration or (datetime.now(timezone.utc) + _ASK_AGAIN).replace(microsecond=0)),
        "AccountId": keys.account_id,
    }
