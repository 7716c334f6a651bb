"""Directories listed ahead, and those that need no comparison: the speed of a look, and what it must not cost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bench import WATCHED, Bench
from memory_book import MemoryBook

from scriptixd.errors import FileTrouble, ShareTrouble, SourceMissing
from scriptixd.jobs.clock import read_clock
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Entry, Kind, Listing
from scriptixd.watch.listings import Listings
from scriptixd.watch.tree import Calm, Tree

WIDTH = 4
PATIENCE = 20.0  # s


class Network(LocalRoot):
    """A root on which each call waits until as many are under way as may be, where so many are wanted."""

    def __init__(self, path: Path, wait_for: int = WIDTH) -> None:
        super().__init__(path)
        self.most = 0
        self._under_way = 0
        self._change = threading.Condition()
        self._wait_for = wait_for

    @property
    def at_once(self) -> int:
        return WIDTH

    def listing(self, directory: str) -> Listing:
        with self._change:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            self._change.notify_all()
            if directory:
                assert self._change.wait_for(lambda: self.most >= self._wait_for, PATIENCE)
        try:
            return super().listing(directory)
        finally:
            with self._change:
                self._under_way -= 1


def _made(place: Path, names: Sequence[str]) -> Path:
    for name in names:
        (place / name).mkdir(parents=True)
        (place / name / "a.wav").write_bytes(b"sound")
    return place


def _none(_: str) -> None:
    """Nothing is to be covered."""


def test_on_a_network_as_many_calls_are_under_way_as_are_worth_it(tmp_path: Path) -> None:
    root = Network(_made(tmp_path, [f"{number}" for number in range(3 * WIDTH)]))
    with Listings(root, read_clock, _none) as listings:
        names = sorted(entry.name for entry in listings.take("").listing)
        for place, name in enumerate(names):
            listings.ahead(names[place:])
            assert [entry.name for entry in listings.take(name).listing] == ["a.wav"]
    assert root.most == WIDTH


def test_what_fails_fails_when_its_turn_comes(tmp_path: Path) -> None:
    root = Network(_made(tmp_path, ["a", "b"]), wait_for=1)
    with Listings(root, read_clock, _none) as listings:
        listings.ahead(["a", "not there", "b"])
        assert len(listings.take("a").listing) == 1
        with pytest.raises(SourceMissing):
            listings.take("not there")
        assert len(listings.take("b").listing) == 1


def test_a_directory_is_covered_before_it_is_listed_and_the_span_holds_the_listing(tmp_path: Path) -> None:
    order: list[str] = []

    class Told(LocalRoot):
        def listing(self, directory: str) -> Listing:
            order.append(f"list {directory}")
            return super().listing(directory)

    before = read_clock()
    with Listings(
        Told(_made(tmp_path, ["a"])), read_clock, lambda directory: order.append(f"cover {directory}")
    ) as told:
        seen = told.take("a")
    assert order == ["cover a", "list a"]
    assert before.boot <= seen.span.began.boot <= seen.span.ended.boot <= read_clock().boot


def test_nobody_waits_for_what_is_under_way_when_a_look_has_failed(tmp_path: Path) -> None:
    let_go = threading.Event()

    class Slow(LocalRoot):
        @property
        def at_once(self) -> int:
            return WIDTH

        def listing(self, directory: str) -> Listing:
            if directory:
                assert let_go.wait(PATIENCE)
            return super().listing(directory)

    before = set(threading.enumerate())
    with (
        pytest.raises(ShareTrouble),
        Listings(Slow(_made(tmp_path, ["a"])), read_clock, _none) as listings,
    ):
        listings.ahead(["a"])
        raise ShareTrouble("the share is away")
    assert not let_go.is_set()
    let_go.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    place = tmp_path / "media"
    place.mkdir()
    return Bench(place, MemoryBook(), replace(WATCHED, ask_above=None))


def _compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that are compared with the book from now on."""
    compared: list[str] = []
    ask: Callable[[str, str], object] = bench.book.in_directory

    def asked(folder: str, directory: str) -> object:
        compared.append(directory)
        return ask(folder, directory)

    monkeypatch.setattr(bench.book, "in_directory", asked)
    return compared


def test_a_directory_in_which_nothing_is_to_be_done_is_not_compared_until_it_changes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("a.wav", "calm/b.wav", "other/c.wav"):
        bench.put(path)
    bench.settle()
    bench.run(1000)
    compared = _compared(bench, monkeypatch)
    for _ in range(3):
        bench.run(1000)
    assert compared == []
    assert bench.root.listed.count("calm") > 3
    os.utime(bench.folder / "calm" / "b.wav", (1, 1))
    bench.run(1000)
    assert compared == ["calm"]


def test_what_waits_for_anything_is_compared_each_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put("growing/a.wav")
    bench.put("gone/b.wav")
    bench.put("calm/c.wav")
    bench.settle()
    bench.run(1000)
    compared = _compared(bench, monkeypatch)
    (bench.folder / "gone" / "b.wav").unlink()
    bench.put("growing/a.wav", b"more sound" * 1000)
    bench.run(1000)
    assert set(compared) == {"growing", "gone"}
    compared.clear()
    bench.run(1000)
    assert set(compared) == {"growing", "gone"}
    assert bench.book.gone == ["gone/b.wav"]


def test_a_directory_that_could_not_be_read_for_a_while_is_compared_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("sub/a.wav")
    bench.settle()
    bench.run(1000)
    compared = _compared(bench, monkeypatch)

    def refuse(directory: str) -> None:
        if directory == "sub":
            raise FileTrouble("sub may not be read")

    with monkeypatch.context() as patch:
        patch.setattr(bench.root, "before_listing", refuse)
        bench.run(1000)
    assert compared == []
    bench.run(1000)
    assert compared == ["sub"]


def test_a_listing_has_the_same_signature_as_long_as_nothing_in_it_changes() -> None:
    entries = [Entry("a.wav", Kind.FILE, None), Entry("sub", Kind.DIRECTORY, None)]
    assert Listing.of(entries).signature == Listing.of(entries).signature
    assert Listing.of(entries).signature != Listing.of(entries[:1]).signature
    assert list(Listing.of(entries)) == entries


def test_a_tree_that_is_cut_forgets_what_was_calm_in_it() -> None:
    tree = Tree(["a/b", "c"])
    tree.calmed("a/b", Calm(7, 1, ()))
    assert tree.calm("a/b", 7) == Calm(7, 1, ())
    assert tree.calm("a/b", 8) is None
    assert sorted(tree.cut("a")) == ["a", "a/b"]
    tree.add("a/b")
    assert tree.calm("a/b", 7) is None
