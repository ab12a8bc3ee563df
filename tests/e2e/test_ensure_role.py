"""A role from its template into every account, entered by the trust that it has, and taken away again."""

from __future__ import annotations

import json

from fanout.testing import World

HUB = "arn:aws:iam::999900000000:user/hub"
EXTERNAL_ID = "s3cret-of-the-hub"
MEMBERS = ("-a", "org", "-x", "999900000000")


def test_a_role_goes_into_every_account_is_entered_and_goes_again(serve):
    endpoint, fanout = serve(World.generate(4, consistency_seconds=0.3))
    members = [account.id for account in endpoint.world.accounts[1:]]
    told = ("--name", "Visitor", "--external-id", EXTERNAL_ID, "--format", "json", "--out", "role.json")
    assert fanout("role", "template", "--task", "describe-instances", "--trust", HUB, *told).code == 0

    dry = fanout("run", "ensure-role", "--spec", "role.json", *MEMBERS, "--dry-run")
    assert dry.code == 0, dry.stderr
    assert [(row["account_id"], row["action"]) for row in dry.rows] == [(each, "create") for each in members]
    assert {each.action for each in endpoint.log() if each.service == "iam"} == {"GetRole"}

    made = fanout("run", "ensure-role", "--spec", "role.json", *MEMBERS, "--yes")
    assert made.code == 0, made.stderr
    assert "changed 3" in made.stderr

    entering = ("run", "describe-instances", *MEMBERS, "-r", "us-east-1", "--role", "Visitor")
    entered = fanout(*entering, "--external-id", EXTERNAL_ID)
    assert entered.code == 0, entered.stderr
    assert {row["account_id"] for row in entered.rows} == set(members)
    assert fanout(*entering).code != 0

    removed = fanout("run", "remove-role", "--role-name", "Visitor", *MEMBERS, "--yes")
    assert removed.code == 0, removed.stderr
    assert [endpoint.role(each, "Visitor") for each in members] == [None] * 3


def test_what_is_kept_of_a_run_holds_the_files_digest_and_no_external_id(serve):
    endpoint, fanout = serve(World.generate(2))
    told = ("--external-id", EXTERNAL_ID, "--format", "json", "--out", "role.json")
    fanout("role", "template", "--task", "describe-instances", "--trust", HUB, *told)
    assert EXTERNAL_ID in (fanout.home / "role.json").read_text()

    made = fanout("run", "ensure-role", "--spec", "role.json", *MEMBERS, "--yes", "-vv")
    (run,) = (path.stem for path in (fanout.home / "fanout" / "runs").glob("*.db"))
    shown = fanout("runs", "show", run)

    assert (made.code, shown.code) == (0, 0), made.stderr + shown.stderr
    role = endpoint.role(endpoint.world.accounts[1].id, "FanoutDescribeInstances")
    assert EXTERNAL_ID in json.dumps(role.trust)
    kept = b"".join(path.read_bytes() for path in (fanout.home / "fanout").rglob("*") if path.is_file())
    assert b"role.json@sha256:" in kept
    for text in (made.stdout, made.stderr, shown.stdout, shown.stderr):
        assert EXTERNAL_ID not in text
    assert EXTERNAL_ID.encode() not in kept
