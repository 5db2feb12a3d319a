from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from atso_monai.engine.devices import Lender, joined, require_enough, wanted
from atso_monai.engine.worker import Order
from atso_monai.errors import ConfigError

ORDER = Order("model/g0/axial", "train", "folder", "key", (), 1)


def test_a_call_takes_as_many_devices_as_its_order_has_ranks() -> None:
    assert [wanted(()), wanted((3,)), wanted((ORDER,)), wanted((replace(ORDER, ranks=3), 20.0))] == [1, 1, 1, 3]
    assert [joined(()), joined(["cuda:1"]), joined(["cuda:0", "cuda:2"])] == [None, "cuda:1", "cuda:0,cuda:2"]


def test_the_first_devices_that_are_in_are_lent() -> None:
    lender, names = Lender(), ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    with lender.lend(names, 1) as one, lender.lend(names, 2) as two:
        assert (one, two) == ("cuda:0", "cuda:1,cuda:2")
    with lender.lend(["cpu", "cpu"], 2) as both, lender.lend([], 2) as none:
        assert (both, none) == ("cpu,cpu", None)


def test_who_takes_two_waits_until_both_are_there() -> None:
    lender, names, got = Lender(), ["cuda:0", "cuda:1"], list[str | None]()

    def take() -> None:
        with lender.lend(names, 2) as both:
            got.append(both)

    thread = threading.Thread(target=take)
    with lender.lend(names, 1), pytest.raises(RuntimeError, match="a step failed"), lender.lend(names, 1):
        thread.start()
        time.sleep(0.05)
        raise RuntimeError("a step failed")
    thread.join(5)
    assert got == ["cuda:0,cuda:1"]


@pytest.mark.parametrize("names", [[], ["cuda:0", "cuda:3"], ["cpu", "cpu"], ["cuda:0", "cuda:1", "cuda:2"]])
def test_devices_that_do(names: list[str]) -> None:
    require_enough(names, 2)
    require_enough(["cuda:0", "cuda:0", "cpu"], 1)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cuda:0"], "takes 2 devices for each training, but devices has 1: cuda:0. Take ranks: 1"),
        (["cuda:0", "cuda:0"], "each GPU once"),
        (["cuda:0", "cpu"], "devices of one kind"),
    ],
)
def test_devices_that_do_not(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        require_enough(names, 2)
