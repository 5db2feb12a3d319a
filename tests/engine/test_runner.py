from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from atso_monai.engine import Plan, Scheme, Step, build_plan
from atso_monai.engine.executors import InlineExecutor
from atso_monai.engine.orders import Draft
from atso_monai.engine.record import Result, hash_files, why_not_done, write_result
from atso_monai.engine.runner import walk
from atso_monai.engine.schedule import Room
from atso_monai.engine.worker import Order
from atso_monai.errors import StepFailedError
from atso_monai.files import hash_json


class Fake:
    """A run whose steps write what ``content`` says, without any bundle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content: dict[str, str] = {}
        self.fails: dict[str, BaseException] = {}
        self.settings: dict[str, str] = {}
        self.shards: dict[str, int] = {}
        self.seconds = 0.0
        self.ran: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.at_a_time, self.most = 0, 0
        self._lock = threading.Lock()

    def draft(self, step: Step, digests: Mapping[str, str]) -> Draft:
        assert set(digests) == set(step.needs)
        key = hash_json([step.makes, self.settings.get(step.makes), dict(digests)])
        shards = [self._draft(f"{step.makes}/shards/{n}", f"{key} {n}") for n in range(self.shards.get(step.makes, 0))]
        return replace(self._draft(step.makes, key), shards=tuple(shards))

    def _draft(self, makes: str, key: str) -> Draft:
        return Draft(Order(makes, "predict", str(self.folder / makes), key, (), 1), {}, [])

    def gather(self, draft: Draft) -> Result:
        assert all(not why_not_done(Path(one.order.folder), one.order.key) for one in draft.shards)
        folder = Path(draft.order.folder)
        (folder / "made.txt").write_text(self.content.get(draft.order.makes, draft.order.makes))
        result = Result(draft.order.makes, draft.order.key, hash_files(folder, "*.txt"), 0.0)
        write_result(folder, result)
        return result

    def write(self, draft: Draft) -> str:
        Path(draft.order.folder).mkdir(parents=True, exist_ok=True)
        return ""

    def execute(self, order: Order, device: str | None = None) -> dict[str, Any]:
        with self._lock:
            self.ran.append(order.makes)
            self.at_a_time += 1
            self.most = max(self.most, self.at_a_time)
        time.sleep(self.seconds)
        with self._lock:
            self.at_a_time -= 1
        if order.makes in self.fails:
            raise self.fails[order.makes]
        folder = Path(order.folder)
        (folder / "made.txt").write_text(self.content.get(order.makes, order.makes))
        result = Result(order.makes, order.key, hash_files(folder, "*.txt"), 0.0)
        write_result(folder, result)
        return asdict(result)

    def walk(self, plan: Plan, executor: Executor | None = None, slots: int | Room = 1) -> list[str]:
        """Walk the plan and say what ran."""
        self.ran = []
        walk(
            plan,
            executor or InlineExecutor(),
            draft=self.draft,
            write=self.write,
            execute=self.execute,
            gather=self.gather,
            listener=self,
            room=slots if isinstance(slots, Room) else Room(slots),
        )
        return self.ran

    # --- as a listener

    def kept(self, step: Step) -> None:
        self.events.append(("kept", step.makes))

    def started(self, step: Step, reason: str, note: str = "") -> None:
        self.events.append((reason, step.makes))

    def finished(self, step: Step, result: Result) -> None:
        self.events.append(("finished", step.makes))

    def failed(self, step: Step, reason: str) -> None:
        self.events.append((f"failed: {reason}", step.makes))

    def tick(self) -> None:
        pass


A = Step("a", "train")
B = Step("b", "predict", needs=("a",))
C = Step("c", "train", needs=("b",))
D = Step("d", "predict")
CHAIN = Plan((A, B, C, D))


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_every_step_runs_after_what_it_needs(fake: Fake, scheme: Callable[..., Scheme]) -> None:
    plan = build_plan(scheme(compare=("stso", "oracle", "supervised_matched")))
    fake.seconds = 0.002
    with ThreadPoolExecutor(3) as pool:
        ran = fake.walk(plan, pool, slots=3)
    assert sorted(ran) == sorted(step.makes for step in plan.steps)
    when = {event: number for number, event in enumerate(fake.events)}
    for step in plan.steps:
        for need in step.needs:
            assert when["finished", need] < when["not made yet", step.makes]
    assert fake.most <= 3


def test_slots_are_used_and_not_exceeded(fake: Fake) -> None:
    plan = Plan(tuple(Step(f"s{n}", "train") for n in range(8)))
    fake.seconds = 0.05
    with ThreadPoolExecutor(8) as pool:
        fake.walk(plan, pool, slots=3)
    assert fake.most == 3


def test_trainings_wait_for_all_their_devices(fake: Fake) -> None:
    plan = Plan((*(Step(f"t{n}", "train", epochs=9) for n in range(3)), Step("p", "predict"), Step("q", "predict")))
    fake.seconds = 0.05
    with ThreadPoolExecutor(8) as pool:
        ran = fake.walk(plan, pool, slots=Room(8, devices=3, ranks=2))
    assert ran == ["t0", "t1", "t2", "p", "q"]  # none overtakes
    assert fake.most == 2


def test_long_trainings_go_first(fake: Fake) -> None:
    steps = (Step("score", "score"), Step("short", "train", epochs=1), Step("long", "train", epochs=9))
    assert fake.walk(Plan(steps)) == ["long", "short", "score"]


def test_a_second_walk_runs_nothing(fake: Fake) -> None:
    assert sorted(fake.walk(CHAIN)) == ["a", "b", "c", "d"]
    fake.events.clear()
    assert fake.walk(CHAIN) == []
    assert {kind for kind, _ in fake.events} == {"kept"}


def test_what_is_gone_is_made_again_and_nothing_else_when_it_comes_out_the_same(fake: Fake) -> None:
    fake.walk(CHAIN)
    (fake.folder / "a" / "made.txt").unlink()
    fake.events.clear()
    assert fake.walk(CHAIN) == ["a"]
    assert ("made.txt is missing", "a") in fake.events


def test_what_changed_is_told_downstream_until_it_comes_out_the_same(fake: Fake) -> None:
    fake.walk(CHAIN)
    fake.settings["a"] = "another seed"
    fake.content["a"] = "other weights"
    assert fake.walk(CHAIN) == ["a", "b"]  # b wrote what it had written before, so c is still right
    fake.settings["a"] = "yet another"
    fake.content |= {"a": "new", "b": "new labels"}
    fake.events.clear()
    assert fake.walk(CHAIN) == ["a", "b", "c"]
    assert ("what it is made from changed", "b") in fake.events


def test_a_failure_lets_the_others_finish_and_is_raised(fake: Fake) -> None:
    plan = Plan(
        (Step("slow", "train"), Step("bad", "train"), Step("next", "train", needs=("bad",)), Step("later", "train"))
    )
    fake.fails["bad"] = ValueError("no number\nsecond line")
    fake.seconds = 0.05
    with ThreadPoolExecutor(2) as pool, pytest.raises(StepFailedError) as caught:
        fake.walk(plan, pool, slots=2)
    assert caught.value.step == "bad"
    assert caught.value.log == fake.folder / "bad" / "log.txt"
    assert caught.value.exit_code == 1
    for part in ("Step bad failed: ValueError: no number", str(caught.value.log), "Run the same command again"):
        assert part in str(caught.value)
    assert "next" not in fake.ran
    assert why_not_done(fake.folder / "slow") == ""
    assert why_not_done(fake.folder / "bad") == "not made yet"
    fake.fails.clear()
    assert {"bad", "next"} <= set(fake.walk(plan)) <= {"bad", "next", "later"}


def test_an_interrupt_is_not_taken_for_a_failed_step(fake: Fake) -> None:
    fake.fails["b"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        fake.walk(CHAIN)
    fake.fails.clear()
    assert sorted(fake.walk(CHAIN)) == ["b", "c", "d"]


@pytest.mark.parametrize("stop", range(1, 20))
def test_stopped_anywhere_a_run_ends_the_same(tmp_path: Path, scheme: Callable[..., Scheme], stop: int) -> None:
    plan = build_plan(scheme(generations=1))
    whole, broken = Fake(tmp_path / "whole"), Fake(tmp_path / "broken")
    whole.walk(plan)
    name = whole.ran[stop % len(whole.ran)]
    broken.fails[name] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        broken.walk(plan)
    first = [one for one in broken.ran if one != name]
    broken.fails.clear()
    assert sorted(first + broken.walk(plan)) == sorted(whole.ran)
    for step in plan.steps:
        records = [(run.folder / step.makes / "result.json").read_text() for run in (whole, broken)]
        assert records[0] == records[1]


def test_shards_run_side_by_side_and_become_one_step(fake: Fake) -> None:
    fake.shards["b"] = 5
    fake.seconds = 0.05
    with ThreadPoolExecutor(4) as pool:
        ran = fake.walk(CHAIN, pool, slots=4)
    assert sorted(ran) == ["a", *(f"b/shards/{n}" for n in range(5)), "c", "d"]
    assert fake.most == 4
    assert fake.events.count(("not made yet", "b")) == fake.events.count(("finished", "b")) == 1
    assert fake.walk(CHAIN) == []
    fake.shards.clear()
    assert fake.walk(CHAIN) == []  # the same artefact in one piece


def test_only_missing_shards_run_again(fake: Fake) -> None:
    fake.shards["b"] = 3
    fake.fails["b/shards/1"] = ValueError("no number")
    with pytest.raises(StepFailedError) as caught:
        fake.walk(Plan((A, B, C)))
    assert caught.value.step == "b"
    assert caught.value.log == fake.folder / "b/shards/1/log.txt"
    fake.fails.clear()
    assert fake.walk(Plan((A, B, C))) == ["b/shards/1", "b/shards/2", "c"]
    (fake.folder / "b" / "made.txt").unlink()
    assert fake.walk(Plan((A, B, C))) == []  # all shards were there still: gathered again
