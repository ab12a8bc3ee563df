"""What `overhead.py` compares fanout with: the usual aioboto3 script, one client for each account and region.

One session for all, one AssumeRole per account, then a client per pair in `async with`, as aioboto3's documentation
shows. It makes the same rows as fanout's task, with the task's own function.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

import aioboto3

from fanout_plugins.describe_instances import row

ROLE_ARN = "arn:aws:iam::{account_id}:role/CMDBDiscovery"


async def main(accounts: int, regions: int, concurrency: int) -> None:
    session = aioboto3.Session()
    bound = asyncio.Semaphore(concurrency)
    async with session.client("organizations") as organizations, session.client("ec2") as ec2:
        pages = organizations.get_paginator("list_accounts").paginate()
        found = [account async for page in pages for account in page["Accounts"]][:accounts]
        names = [region["RegionName"] for region in (await ec2.describe_regions())["Regions"]][:regions]
    async with session.client("sts") as sts:
        await asyncio.gather(*(_account(session, sts, account, names, bound) for account in found))


async def _account(
    session: aioboto3.Session, sts: Any, account: Mapping[str, str], regions: list[str], bound: asyncio.Semaphore
) -> None:
    async with bound:
        assumed = await sts.assume_role(RoleArn=ROLE_ARN.format(account_id=account["Id"]), RoleSessionName="inventory")
    keys = assumed["Credentials"]
    await asyncio.gather(*(_pair(session, keys, account, region, bound) for region in regions))


async def _pair(
    session: aioboto3.Session,
    keys: Mapping[str, str],
    account: Mapping[str, str],
    region: str,
    bound: asyncio.Semaphore,
) -> None:
    client = session.client(
        "ec2",
        region_name=region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    async with bound, client as ec2:
        async for page in ec2.get_paginator("describe_instances").paginate(MaxResults=1000):
            for reservation in page["Reservations"]:
                for instance in reservation["Instances"]:
                    _write(account, region, row(instance))


def _write(account: Mapping[str, str], region: str, found: Mapping[str, Any]) -> None:
    leading = {"account_id": account["Id"], "account_name": account["Name"], "region": region}
    sys.stdout.write(json.dumps({**leading, **found}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--regions", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    asyncio.run(main(options.accounts, options.regions, options.concurrency))
