"""Fault rules: which calls they match, and how often they are good."""

from __future__ import annotations

import pytest

from fanout.testing import Answer, FaultRule
from fanout.testing.faults import FaultBook

CALL = ("ec2", "DescribeInstances", "111122223333", "eu-west-1")


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({}, True),
        ({"service": "ec2", "action": "Describe*", "account": "1111*", "region": "eu-*"}, True),
        ({"service": "sts"}, False),
        ({"action": "AssumeRole"}, False),
        ({"account": "444455556666"}, False),
        ({"region": "us-*"}, False),
    ],
)
def test_rule_matches_when_all_its_globs_do(where, matches):
    assert FaultRule(answer=Answer.THROTTLE, **where).matches(*CALL) is matches


def test_rule_is_good_for_its_times_after_those_it_skips():
    book = FaultBook([FaultRule(answer=Answer.DENY, skip=1, times=2)])
    assert [book.draw(*CALL) is not None for _ in range(5)] == [False, True, True, False, False]


def test_rule_without_times_is_good_for_ever():
    book = FaultBook([FaultRule(answer=Answer.DENY)])
    assert all(book.draw(*CALL) for _ in range(50))


def test_used_up_rule_makes_way_for_the_next():
    book = FaultBook([FaultRule(answer=Answer.RESET, times=1), FaultRule(answer=Answer.DENY)])
    assert [book.draw(*CALL).answer for _ in range(3)] == [Answer.RESET, Answer.DENY, Answer.DENY]


def test_replaced_rules_are_forgotten():
    book = FaultBook([FaultRule(answer=Answer.RESET)])
    book.replace([])
    assert book.draw(*CALL) is None


def test_rule_is_read_from_plain_values():
    rule = FaultRule.from_json({"answer": "redirect-307", "location": "http://127.0.0.1:1/", "times": 2})
    assert rule == FaultRule(answer=Answer.REDIRECT, location="http://127.0.0.1:1/", times=2)


@pytest.mark.parametrize("document", [{}, {"answer": "nonsense"}, {"answer": "deny", "acount": "1"}])
def test_rule_with_an_unknown_word_is_refused(document):
    with pytest.raises(ValueError, match=r"nonsense|acount|Answer"):
        FaultRule.from_json(document)
