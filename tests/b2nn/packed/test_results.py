"""What a packed network returns is the caller's: later calls leave it alone, and it may be written to."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from b2nn.packed import network, pack


class After(nn.Module):
    """A conv and what some code makes of its map."""

    def __init__(self, code):
        super().__init__()
        self.conv, self.code = nn.Conv2d(3, 4, 3, padding=1), code
        self.register_buffer("anchors", torch.arange(4.0))
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, x, other):
        return self.code(self, self.conv(x), other)


@pytest.fixture(params=["kernels", "torch"], autouse=True)
def way(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(network, "library", lambda: None)


MAP = torch.ones(1, 4, 8, 8)
VIEWS = {
    "expand_as": (lambda model, y, z: y.expand_as(z), MAP),
    "type_as": (lambda model, y, z: y.type_as(z), MAP),
    "view_as": (lambda model, y, z: y.view_as(z), MAP),
    "to": (lambda model, y, z: y.to(z), MAP),
    "broadcast_tensors": (lambda model, y, z: torch.broadcast_tensors(y, z)[0], MAP),
    "slice": (lambda model, y, n: y[:, :n], 3),
    "narrow": (lambda model, y, n: y.narrow(1, 0, n), 3),
    "view": (lambda model, y, n: y.view(n, -1), 4),
    "transpose": (lambda model, y, n: y.transpose(1, n), 2),
    "index": (lambda model, y, n: y[n], 0),
    "unbind": (lambda model, y, n: y.unbind(1)[n], 2),
    "all of split": (lambda model, y, n: y.split(n, 1), 2),
    "in a dict": (lambda model, y, n: {"parts": [y.narrow(1, 0, n), y], "best": y.max(1)}, 2),
    "constants": (lambda model, y, n: (y * n, model.anchors, model.anchors.view(2, 2), model.scale), 2),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_result_stays_as_it_is_and_may_be_written_to(name):
    code, other = VIEWS[name]
    model = After(code).eval().requires_grad_(False)
    packed, first, second = pack(model), torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)
    kept = packed(first, other)
    torch.testing.assert_close(packed(second, other), model(second, other))
    torch.testing.assert_close(kept, model(first, other))
    for leaf in torch.utils._pytree.tree_leaves(packed(second, other)):
        leaf.fill_(7)
    for again in (packed, packed.twin()):
        torch.testing.assert_close(again(first, other), model(first, other))


def test_what_is_returned_twice_is_one_tensor_and_numbers_are_returned_too():
    packed = pack(After(lambda model, y, n: (y, y, y.shape[2] * n)).eval())
    one, two, number = packed(torch.randn(1, 3, 8, 8), 5)
    assert one is two and number == 40
