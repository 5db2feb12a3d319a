from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from atso_monai.errors import CheckpointError
from atso_monai.networks import ViewNetworks, load_weights


def network(width: int = 3, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))


def same(one: nn.Module, other: nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("wrapped", [True, False])
def test_weights_go_in_whole(tmp_path: Path, wrapped: bool) -> None:
    state = network(seed=1).state_dict()
    torch.save({"model": state} if wrapped else state, tmp_path / "a #1.pt")
    filled = network()
    assert load_weights(filled, tmp_path / "a #1.pt") is filled
    assert same(filled, network(seed=1))


def test_another_key(tmp_path: Path) -> None:
    torch.save({"model": network(seed=1).state_dict(), "ema": network(seed=2).state_dict()}, tmp_path / "a.pt")
    assert same(load_weights(network(), str(tmp_path / "a.pt"), key="ema"), network(seed=2))


def test_none_leaves_the_network_as_it_is() -> None:
    assert same(load_weights(network(), None), network())


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no checkpoint .*g0\.pt"):
        load_weights(network(), tmp_path / "g0.pt")
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_weights(network(), tmp_path)


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    other = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Identity(), nn.Conv2d(1, 1, 1))
    torch.save(other.state_dict(), tmp_path / "a.pt")
    mine = network()
    before = network()
    with pytest.raises(CheckpointError) as caught:
        load_weights(mine, tmp_path / "a.pt")
    text = str(caught.value)
    for part in ("0.weight: (4, 1, 3, 3) in the file, (3, 1, 3, 3) in the network", "missing: 1.weight",
                 "unknown: 2.weight", "... and 1 more"):  # fmt: skip
        assert part in text
    assert same(mine, before)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run by the checkpoint",)


@pytest.mark.parametrize(
    "content",
    [{"model": Evil()}, {"model": 3}, [1, 2], torch.zeros(3), {"epoch": 3}, {"model": {"0.weight": "text"}}],
    ids=["code", "number", "list", "tensor", "no weights", "text"],
)
def test_what_holds_no_weights(tmp_path: Path, content: object, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        load_weights(network(), tmp_path / "a.pt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_damaged_file(tmp_path: Path, share: float) -> None:
    torch.save(network().state_dict(), tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        load_weights(network(), tmp_path / "a.pt")


@pytest.mark.parametrize("content", [b"no checkpoint at all", b"\x80\x04garbage", b"PK\x03\x04" + bytes(100)])
def test_another_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pt is not a checkpoint that can be read safely"):
        load_weights(network(), tmp_path / "a.pt")


def test_each_view_gets_its_own_weights(tmp_path: Path) -> None:
    paths = {}
    for seed, view in enumerate(("axial", "sagittal")):
        paths[view] = tmp_path / f"{view}.pt"
        torch.save({"model": network(seed=seed).state_dict()}, paths[view])
    template = network(seed=9)
    networks = ViewNetworks(template, paths)
    assert list(networks) == ["axial", "sagittal"]
    assert same(networks["axial"], network(seed=0))
    assert same(networks["sagittal"], network(seed=1))
    assert same(template, network(seed=9))
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        ViewNetworks(template, {"axial": tmp_path / "none.pt"})


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    state = {**network.state_dict(), "bias": torch.tensor([0.0, float("nan")])}
    torch.save({"model": state}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="NaN or infinite, first bias"):
        load_weights(network, tmp_path / "model.pt")
