"""References in documents, and the parameters that they lead to."""

from __future__ import annotations

import pytest

from fanout.model.errors import UsageError
from fanout.tools.roles.references import (
    Parameter,
    Reference,
    check_parameters,
    check_references,
    filled,
    finished,
    parts,
    references,
    rewritten,
    sample,
)


def test_a_text_is_cut_at_its_references_and_variables_of_iam_stay():
    assert list(parts("a{b-c}d${aws:username}{e}")) == ["a", Reference("b_c"), "d${aws:username}", Reference("e")]


def test_doubled_braces_stand_for_themselves():
    assert list(parts("{{a}} {b} }} ${aws:username} {")) == ["{a} ", Reference("b"), " } ${aws:username} {"]
    assert filled("{{a}} {a}", {"a": "1"}) == "{{a}} 1"
    assert finished("{{a}} {a} {b}", {"a": "1"}) == "{a} 1 {b}"
    assert references("{{a}}") == set()


def test_references_are_found_in_values_at_any_depth_but_not_in_keys():
    assert references({"{no}": ["{a}", {"x": ("{b}", 1, None, "${aws:userid}")}]}) == {"a", "b"}


def test_a_document_is_rewritten_text_by_text():
    assert rewritten({"a": ["x", 1], "b": {"c": "y"}}, str.upper) == {"a": ["X", 1], "b": {"c": "Y"}}


def test_what_has_no_value_stays():
    assert filled("{a}-{b}", {"a": "1"}) == "1-{b}"


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("{account}", "000000000000"),
        ("arn:{partition}:iam::{account}:role/ci-{env}", "arn:aws:iam::000000000000:role/ci-test"),
        ("deploy-{account}", "deploy-x"),
    ],
)
def test_a_text_is_checked_as_it_may_look(text: str, looks: str):
    assert sample(text, [Parameter.parse("account"), Parameter.parse("env=test")]) == looks


def test_a_parameter_has_a_name_for_each_format():
    parameter = Parameter.parse("source-account=111122223333")

    assert (parameter.name, parameter.camel, parameter.default) == ("source_account", "SourceAccount", "111122223333")
    assert Parameter.parse("a=").default == ""
    assert Parameter.parse("a").default is None


@pytest.mark.parametrize(
    "text", ["", "1a", "a b", "a-", "partition", "Account-Id", "external-id", "role_name=x", "count", "a=\n", "x" * 65]
)
def test_a_name_that_a_format_does_not_take_is_refused(text: str):
    with pytest.raises(UsageError, match="parameter"):
        Parameter.parse(text)


def test_two_parameters_that_one_format_would_not_tell_apart_are_refused():
    with pytest.raises(UsageError, match="given twice"):
        check_parameters([Parameter.parse("bucket_a"), Parameter.parse("BucketA")])


def test_a_reference_that_leads_nowhere_is_refused_with_the_near_name():
    with pytest.raises(UsageError) as caught:
        check_references("{bukcet}", [Parameter.parse("bucket")], "--name")
    assert "{bukcet}" in caught.value.message
    assert "bucket" in caught.value.hint
