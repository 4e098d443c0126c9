"""Errors travel as problem documents and come back as what they were."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.wire import codec, problems
from cairnfs.wire.problems import Problem


@pytest.mark.parametrize("kind", e.BY_CODE.values(), ids=lambda kind: kind.code)
def test_every_error_comes_back_as_itself(kind: type[e.CairnError]) -> None:
    error = kind("what happened", hint="what to do", path="/a\\xff")
    error.retry_after_ms = 250
    sent = codec.encode(problems.from_error(error, "r-1"))
    back = problems.to_error(codec.decode(Problem, sent))
    assert type(back) is kind
    assert (back.detail, back.hint, back.path, back.retry_after_ms) == (
        "what happened", "what to do", "/a\\xff", 250,
    )  # fmt: skip


def test_codes_are_stable_and_name_one_class_each() -> None:
    """A code is promised to programs. New ones may be added here; none may change."""
    assert set(e.BY_CODE) >= {
        "bad_request", "unknown_field", "bad_name", "path_too_long", "bad_cursor", "bad_range",
        "request_reused", "length_mismatch", "hash_mismatch", "method_not_allowed", "unsupported_media",
        "not_found", "no_such_commit", "before_horizon", "chunk_collected", "forbidden", "unauthenticated",
        "bad_credentials", "token_expired", "token_invalid", "seal_invalid", "invitation_required",
        "join_refused", "foreign_cluster", "receipt_invalid", "conflict", "exists", "not_a_directory",
        "is_a_directory", "not_empty", "rename_into_itself", "root_is_fixed", "version_changed",
        "incarnation_changed", "session_ended", "not_durable", "aborted", "unavailable", "busy",
        "deadline_exceeded", "outcome_unknown", "too_few_copies", "not_a_member", "chunk_not_yet",
        "unreachable", "too_many_logins", "limit", "too_large", "too_many_operations", "no_space",
        "chunk_lost", "chunk_missing", "internal",
    }  # fmt: skip
    assert all(400 <= kind.status <= 599 for kind in e.BY_CODE.values())
    assert e.BY_CODE["not_found"] is e.NotFound


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (Problem(code="of_tomorrow", status=503, retryable=True), e.Unavailable),
        (Problem(code="of_tomorrow", status=404), e.Missing),
        (Problem(code="of_tomorrow", status=403), e.Denied),
        (Problem(code="of_tomorrow", status=401), e.Denied),
        (Problem(code="of_tomorrow", status=400), e.Usage),
        (Problem(code="of_tomorrow", status=422), e.Usage),
        (Problem(code="of_tomorrow", status=409), e.Conflict),
        (Problem(code="of_tomorrow", status=412), e.Conflict),
        (Problem(code="of_tomorrow", status=413), e.Limit),
        (Problem(code="of_tomorrow", status=507), e.Limit),
        (Problem(code="of_tomorrow", status=500), e.Internal),
    ],
)
def test_a_code_of_a_newer_server_becomes_the_nearest_class(
    problem: Problem, kind: type[e.CairnError]
) -> None:
    assert isinstance(problems.to_error(problem), kind)


def test_a_problem_of_a_newer_server_may_have_more_fields() -> None:
    problem = codec.decode(Problem, b'{"code":"busy","status":503,"instance":"x","type":"about:blank"}')
    assert isinstance(problems.to_error(problem), e.Busy)


def test_without_a_detail_the_code_speaks() -> None:
    problem = problems.from_error(e.NotEmpty())
    assert (problem.title, problem.detail) == ("not empty", "not empty")
    assert problem.hint
