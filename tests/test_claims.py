"""What is being worked on: each thing once, so many at a time, and nobody held up by another one's disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from scriptixd.jobs.claims import Claims


@dataclass(frozen=True)
class Work:
    id: int
    folder: str


ALL = (Work(1, "nas"), Work(2, "nas"), Work(3, "disk"), Work(4, "disk"))


def _first(*work: Work) -> Callable[[Collection[int], Mapping[str, int]], Work | None]:
    return lambda claimed, _turns: next((one for one in work if one.id not in claimed), None)


def _always(_: Work) -> bool:
    return True


def test_nobody_has_what_another_has() -> None:
    claims: Claims[Work] = Claims(9, tuple)
    with ExitStack() as working:
        taken = [working.enter_context(claims.take(_first(*ALL[:2]), _always)) for _ in range(3)]
        assert taken == [*ALL[:2], None]
    with claims.take(_first(*ALL), _always) as again:
        assert again == ALL[0]


def test_no_more_are_worked_on_than_may_be() -> None:
    claims: Claims[Work] = Claims(2, tuple)
    with ExitStack() as working:
        taken = [working.enter_context(claims.take(_first(*ALL), _always)) for _ in range(3)]
        assert taken == [*ALL[:2], None]


def test_whoever_waits_for_a_disk_that_may_hang_takes_nobodys_place() -> None:
    stuck: set[str] = set()
    claims: Claims[Work] = Claims(2, lambda: stuck)
    with ExitStack() as working:
        for _ in range(2):
            assert working.enter_context(claims.take(_first(*ALL), _always)) in ALL[:2]
        stuck.add("nas")
        others = [working.enter_context(claims.take(_first(*ALL[2:]), _always)) for _ in range(2)]
        assert others == list(ALL[2:])
        stuck.clear()
        assert working.enter_context(claims.take(_first(*ALL, Work(5, "disk")), _always)) is None


def test_a_folder_is_full_with_as_many_as_it_may_have_by_itself() -> None:
    claims: Claims[Work] = Claims(9, tuple, {"nas": 1, "idle": 2})
    assert claims.full() == set()

    def pick(claimed: Collection[int], _turns: Mapping[str, int]) -> Work | None:
        full = claims.full()
        return next((one for one in ALL if one.id not in claimed and one.folder not in full), None)

    with ExitStack() as working:
        taken = [working.enter_context(claims.take(pick, _always)) for _ in range(4)]
        assert taken == [ALL[0], ALL[2], ALL[3], None]
        assert claims.full() == {"nas"}
    assert claims.full() == set()


def test_turns_are_counted_for_what_takes_one() -> None:
    claims: Claims[Work] = Claims(9, tuple)
    seen: list[Mapping[str, int]] = []

    def pick(claimed: Collection[int], turns: Mapping[str, int]) -> Work | None:
        seen.append(dict(turns))
        return ALL[len(seen) - 1]

    for _ in range(4):
        with claims.take(pick, lambda one: one.id != 2):
            pass
    assert seen == [{}, {"nas": 1}, {"nas": 1}, {"nas": 1, "disk": 2}]
