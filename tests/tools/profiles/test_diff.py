"""A difference shows what changes, and no value that could be a secret."""

from __future__ import annotations

from fanout.tools.profiles.diff import diff, hidden


def test_only_values_that_are_known_to_be_harmless_are_shown():
    text = (
        b"[default]\n# a comment\nregion = eu-west-1\naws_secret_access_key = canary-1\nexternal_id=canary-2\n"
        b"credential_process = /bin/x --token canary-3\n  canary-4\n-canary-5\n\n"
    )

    assert hidden(text) == (
        "[default]\n# a comment\nregion = eu-west-1\naws_secret_access_key = ***\nexternal_id=***\n"
        "credential_process = ***\n***\n***\n\n"
    )
    for old, new in ((text, b""), (b"", text), (text, text + b"[x]\n")):
        assert "canary" not in diff(old, new, "file")


def test_a_change_is_seen_although_its_values_are_not():
    assert diff(b"[a]\nexternal_id = 1\n", b"[a]\nexternal_id = 2\n", "f") == (
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n [a]\n-external_id = ***\n+external_id = ***\n"
    )


def test_no_change_is_no_text():
    assert diff(b"[a]\n", b"[a]\r\n", "f") == ""
