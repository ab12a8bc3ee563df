"""The grammar of account terms: what is taken, and what a person who mistyped is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.errors import UsageError
from fanout.model.fault import FaultKind
from fanout.model.job import Outcome
from fanout.model.selection import Term, TermKind, is_glob, matches, parse_terms


def one(text: str) -> tuple[TermKind, str, str | None]:
    (term,) = parse_terms([text])
    return term.kind, term.value, term.pattern


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org", (TermKind.ORG, "", None)),
        ("self", (TermKind.SELF, "", None)),
        ("-", (TermKind.STDIN, "", None)),
        ("111122223333", (TermKind.ID, "111122223333", None)),
        ("000000000012", (TermKind.ID, "000000000012", None)),
        ("ou:ou-a1b2-c3d4e5f6", (TermKind.OU, "ou-a1b2-c3d4e5f6", None)),
        ("ou:r-a1b2", (TermKind.OU, "r-a1b2", None)),
        ("ou:/prod/payments", (TermKind.OU, "/prod/payments", None)),
        ("ou:/prod/", (TermKind.OU, "/prod", None)),
        ("ou:/", (TermKind.OU, "/", None)),
        ("ou:/With Space/x:y", (TermKind.OU, "/With Space/x:y", None)),
        ("tag:env=prod", (TermKind.TAG, "env", "prod")),
        ("tag:env=pr*d=x", (TermKind.TAG, "env", "pr*d=x")),
        ("tag:env=", (TermKind.TAG, "env", "")),
        ("tag:team", (TermKind.TAG, "team", None)),
        ("tag:aws:cloudformation:stack=x", (TermKind.TAG, "aws:cloudformation:stack", "x")),
        ("name:web-*", (TermKind.NAME, "web-*", None)),
        ("name:Acme? Inc", (TermKind.NAME, "Acme? Inc", None)),
        ("profile:dev-*", (TermKind.PROFILE, "dev-*", None)),
        ("file:accounts.csv", (TermKind.FILE, "accounts.csv", None)),
        ("@accounts.csv", (TermKind.FILE, "accounts.csv", None)),
        ("run:last", (TermKind.RUN, "last", None)),
        ("run:last:failed", (TermKind.RUN, "last", "failed")),
        ("run:20261122-0935:unreached", (TermKind.RUN, "20261122-0935", "unreached")),
        ("run:20261122-093558-k3f9:throttled", (TermKind.RUN, "20261122-093558-k3f9", "throttled")),
    ],
)
def test_each_kind_of_term_is_read(text, expected):
    assert one(text) == expected


def test_terms_are_split_at_commas_and_repeated_ones_kept_once():
    terms = parse_terms(["org, 111122223333", "111122223333", "@a,file:a"])
    assert [term.text for term in terms] == ["org", "111122223333", "@a"]


def test_a_path_with_a_comma_works_where_the_whole_text_is_an_existing_file():
    existing = {"my,accounts.csv"}
    assert parse_terms(["@my,accounts.csv"], is_file=existing.__contains__) == (
        Term(TermKind.FILE, "@my,accounts.csv", "my,accounts.csv"),
    )
    assert [term.kind for term in parse_terms(["@my,org"], is_file=existing.__contains__)] == [
        TermKind.FILE,
        TermKind.ORG,
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty term"),
        ("org,,self", "empty term"),
        ("org,", "empty term"),
        ("11112222333", "it was 011112222333"),
        ("1111222233334", "this has 13"),
        ("1111-2222-3333", "write 111122223333"),
        ("1.11E+11", "rounded"),
        ("arn:aws:iam::111122223333:role/x", "alone: 111122223333"),
        ("orgg", "did you mean org?"),
        ("Org", "did you mean org?"),
        ("all", "did you mean org?"),
        ("*", "did you mean org?"),
        ("ORG:", "did you mean org?"),
        ("nmae:web", "did you mean name?"),
        ("tags:env=prod", "did you mean tag?"),
        ("id:111122223333", "write 111122223333"),
        ("org:x", "write org alone"),
        ("prod", "did you mean name:prod?"),
        ("ou-a1b2-c3d4e5f6", "write ou:ou-a1b2-c3d4e5f6"),
        ("o-a1b2c3d4e5", "--org-id"),
        ("/prod", "did you mean ou:/prod"),
        ("ou:prod/payments", "ou:/prod/payments"),
        ("ou:", "names no organizational unit"),
        ("ou:ou-123", "it is like ou:ou-a1b2-c3d4e5f6"),
        ("ou:/prod//payments", "empty part"),
        ("ou://", "empty part"),
        ("tag:", "no tag key"),
        ("tag:=prod", "no tag key"),
        ("name:", "no name"),
        ("profile:", "no profile"),
        ("@", "no file"),
        ("file:", "no file"),
        ("run:", "names no run"),
        ("run::failed", "names no run"),
        ("run:last:", "'' is no outcome and no kind of fault"),
        ("run:last:faild", "did you mean failed"),
        ("run:last:throtled", "did you mean throttled"),
        ("run:last:xyzzy", "outcomes are ok, changed, failed, skipped, unknown, unreached"),
        ("run:last:failed:denied", "'failed:denied' is no outcome"),
        ("run:last:FAILED", "did you mean failed"),
        ("rnu:last:failed", "did you mean run?"),
    ],
)
def test_a_mistyped_term_is_refused_with_what_may_be_meant(text, says):
    with pytest.raises(UsageError) as caught:
        parse_terms([text], option="--only")
    assert says in f"{caught.value.message} | {caught.value.hint}"
    assert caught.value.message.startswith("--only: ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("ending", [*Outcome, *FaultKind])
def test_every_outcome_and_every_kind_of_fault_selects_accounts_of_a_run(ending):
    assert one(f"run:last:{ending.value}") == (TermKind.RUN, "last", ending.value)


def test_an_outcome_and_another_of_one_run_are_two_terms():
    terms = parse_terms(["run:last:failed,run:last:unknown", "run:last:failed"])
    assert [term.pattern for term in terms] == ["failed", "unknown"]


def test_a_name_matches_itself_even_where_it_looks_like_a_glob():
    assert matches("prod [old]", "prod [old]")
    assert matches("Acme, Inc", "Acme? Inc")
    assert not matches("Web", "web")
    assert not is_glob("prod")
    assert is_glob("pro?")


@given(st.text(max_size=40))
def test_any_text_is_terms_or_a_usage_error(text):
    try:
        terms = parse_terms([text])
    except UsageError:
        return
    assert terms
    assert all(term.text.strip() for term in terms)


@pytest.mark.parametrize("text", ["run", "tag", "ou", "name", "file", "profile"])
def test_a_kind_that_needs_a_value_is_not_said_to_stand_alone(text):
    with pytest.raises(UsageError) as caught:
        parse_terms([text])
    assert f"write {text} alone" not in caught.value.hint
