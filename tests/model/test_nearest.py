"""Names that somebody may have meant."""

from __future__ import annotations

from fanout.model.nearest import did_you_mean, nearest

REGIONS = ("eu-west-1", "eu-west-2", "us-east-1", "ap-south-1")


def test_the_nearest_names_come_best_first():
    assert nearest("eu-wets-1", REGIONS)[0] == "eu-west-1"


def test_case_does_not_count_and_the_known_spelling_is_given():
    assert nearest("PROD-WEB", ["Prod-Web", "other"]) == ["Prod-Web"]


def test_no_more_than_the_limit():
    assert len(nearest("eu-west", REGIONS, 1)) == 1


def test_a_hint_names_them_and_is_empty_where_nothing_is_near():
    assert did_you_mean("us-eats-1", REGIONS).startswith("did you mean us-east-1")
    assert did_you_mean("eu-west-3", ("eu-west-1", "eu-west-2")).endswith("?")
    assert ", or " in did_you_mean("eu-west-3", ("eu-west-1", "eu-west-2"))
    assert did_you_mean("xyz", REGIONS) == ""
    assert did_you_mean("anything", []) == ""
