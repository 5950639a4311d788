"""What a packed network is called with: types, names, gradients, threads, NaN; and what it says of itself."""

from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from packed_networks import Plain, Shared, settled
from torch import nn

from b2nn import BinaryConv2d, Recipe
from b2nn.errors import B2nnError, UnsupportedModule
from b2nn.packed import pack, reference
from b2nn.packed.library import library
from b2nn.packed.ops import PackedConv2d


class Code(nn.Module):
    """Some code in front of a conv."""

    def __init__(self, code):
        super().__init__()
        self.conv, self.pool, self.code = nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), code
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1))
        self.register_buffer("whole", torch.tensor([100, 150, 200], dtype=torch.uint8).view(3, 1, 1))

    def forward(self, x):
        return self.conv(self.code(self, x))


FIRST = {
    "scaled": lambda model, x: (x / 255 - model.mean) / 0.2,
    "wraps": lambda model, x: (x * 3 - model.mean) * 2,
    "wraps with a tensor": lambda model, x: (x - model.whole).float() / model.mean,
    "divided": lambda model, x: x / model.whole,
    "pooled": lambda model, x: F.max_pool2d(x, 2).float(),
    "pooled by a layer": lambda model, x: model.pool(x).float() * 0.1,
    "rectified": lambda model, x: F.relu(x).float() - F.relu(x - 100).float(),
    "both": lambda model, x: (x - model.mean) + (x + x).float() + (x // 7),
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.int32])
@pytest.mark.parametrize("name", FIRST)
def test_whole_numbers_are_computed_with_as_in_torch(name, dtype):
    model, x = Code(FIRST[name]).eval(), torch.randint(0, 256, (2, 3, 8, 6)).to(dtype)
    with torch.no_grad():
        try:
            wanted = model(x)
        except RuntimeError as error:
            pytest.skip(f"torch itself: {error}")
    packed = pack(model)
    for found in (packed(x), reference.run(packed.programs["forward"], (x,))):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


@pytest.fixture(scope="module")
def packed():
    return pack(settled(Plain(Recipe(), padding=1)))


@pytest.mark.parametrize(("change", "message"), [
    (torch.Tensor.double, "input 'x' is torch.float64; a packed network takes float32: call .float()"),
    (torch.Tensor.half, "input 'x' is torch.float16"),
    (lambda x: x.to("meta"), "input 'x' is on meta; a packed network runs on the CPU"),
    (lambda x: x.requires_grad_(), "input 'x' requires a gradient, and a packed network has none"),
    (lambda x: x[:, :2], r"conv '\w+' takes \(N, 3, H, W\), not \(1, 2, 9, 9\)"),
    (lambda x: x[0], r"conv '\w+' takes \(N, 3, H, W\), not \(3, 9, 9\)"),
    (lambda x: x.int(), "takes float32, not torch.int32"),
    (lambda x: [x], "input 'x' is a list"),
])
def test_inputs_that_are_refused(packed, change, message):
    with pytest.raises(B2nnError, match=message) as raised:
        packed(change(torch.randn(1, 3, 9, 9)))
    assert "\n" not in str(raised.value)


class Optional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, input, other, mask=None, *, scale=2.0, flip: bool = False, **rest):
        y = (self.conv(input) + self.conv(other)) * scale
        y = y.flip(3) if flip else y
        return y if mask is None else y * mask


def test_arguments_have_names_and_keep_their_defaults():
    model, (x, y) = Optional().eval(), torch.randn(2, 1, 3, 6, 6)
    packed = pack(model)
    wanted = model(x, y).detach()
    for found in (packed(x, y), packed(x, other=y), packed(other=y, input=x)):
        torch.testing.assert_close(found, wanted)
    for args, given in (((x,), {}), ((x, y, x), {}), ((x, y), {"mask": x}), ((x, y), {"other": y})):
        with pytest.raises(B2nnError, match=r"forward takes \(input, other\), each once, and got"):
            packed(*args, **given)
    with pytest.raises(B2nnError, match="has no method 'features', only forward"):
        packed.run("features", x)


@pytest.mark.parametrize("code", [
    lambda model, x: x if x.sum() > 0 else -x, lambda model, x: x[: int(x.max())], lambda model, x: x * len(x),
    lambda model, x: next(iter(x)),
])
def test_code_that_depends_on_values_is_one_line_that_says_where(code):
    with pytest.raises(UnsupportedModule, match=r"Code.forward cannot be traced: .*test_inputs.py, line \d+") as raised:
        pack(Code(code))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("options", [dict(stride=0), dict(dilation=0), dict(padding=-1)], ids=str)
def test_windows_that_are_none_are_refused(options):
    with pytest.raises(UnsupportedModule, match="layer '0' has stride"):
        pack(nn.Sequential(nn.Conv2d(3, 3, 3, **options)))
    with pytest.raises(B2nnError, match="make no conv"):
        PackedConv2d(BinaryConv2d(3, 3, 3, **options))(torch.randn(1, 3, 8, 8))


def test_shapes_that_depend_on_values_are_right_or_an_error():
    class Picked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 16)

        def forward(self, x):
            rows = x[x[:, 0] > 0]
            return rows * rows.shape[0], self.layer(rows)

    class Counted(Picked):
        def forward(self, x):
            rows = x[x[:, 0] > 0]
            return rows * rows.shape[0]

    x = torch.ones(5, 4)
    x[3:] = -1
    picked_model = Picked().eval()
    counted, picked = pack(Counted()), pack(picked_model)
    for rows in (x, -x, x):
        assert torch.equal(counted(rows), Counted()(rows))
    torch.testing.assert_close(picked(x)[1], Picked.forward(picked_model, x)[1])
    with pytest.raises(B2nnError, match="needs shapes that depend on shapes only"):
        picked(torch.ones(5, 4))


def test_results_are_ordinary_tensors_in_any_mode(packed):
    x, weight = torch.randn(1, 3, 11, 11), torch.ones((), requires_grad=True)
    with torch.inference_mode():
        first = packed(x)
        conv = PackedConv2d(BinaryConv2d(3, 8, 3))
        conv(x)
    again = packed(x)
    (again * weight).sum().backward()
    conv(x)
    assert torch.equal(first, again) and not again.is_inference() and weight.grad is not None


def test_a_packed_conv_has_no_gradient_and_says_so():
    y = PackedConv2d(BinaryConv2d(3, 8, 3))(torch.randn(1, 3, 8, 8, requires_grad=True))
    with pytest.raises(B2nnError, match="a packed conv has no gradient"):
        y.sum().backward()


def test_threads_that_share_a_network_get_their_own_results():
    packed = pack(settled(Plain(Recipe(), padding=1)))
    inputs = [torch.randn(1, 3, 40, 40) for _ in range(4)]
    wanted, wrong = [packed(x) for x in inputs], []

    def work(network, x, y):
        for _ in range(30):
            if not torch.equal(network(x), y):
                wrong.append(x)

    networks = [packed, packed, packed.twin(), packed.twin()]
    threads = [threading.Thread(target=work, args=args) for args in zip(networks, inputs, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("precision", ["float32", "bf16", "int8"])
def test_nan_and_infinity_go_where_the_reference_sends_them(found, precision, value):
    """NaN is -1 as a sign and the least 8-bit number; elsewhere it spreads as in torch."""
    for act in ("relu", "prelu", "binrelu", "rprelu"):
        model = settled(Plain(Recipe(), act, channels=16, padding=1))
        calibration = [(torch.randn(1, 3, 12, 12),) for _ in range(4)]
        packed = pack(model, fp_precision=precision, calibration=calibration)
        x = torch.randn(1, 3, 12, 12)
        x[0, 1, 5, 6] = value
        y, wanted = packed(x), reference.run(packed.programs["forward"], (x,))
        torch.testing.assert_close(y, wanted, rtol=0.02, atol=0.02 * float(wanted[wanted.isfinite()].abs().max()),
                                   equal_nan=True)
        if precision == "float32":
            torch.testing.assert_close(y, model(x), rtol=1e-4, atol=1e-3, equal_nan=True)


def test_a_network_tells_what_runs_where(found):
    packed = pack(settled(Shared(Recipe())))
    text = repr(packed)
    assert f"on the {found.level} kernels" in text and "bits conv" in text and "in torch: cat, torch function" in text
    packed(torch.randn(1, 3, 16, 16))
    steps = {step.name: step for step in packed.steps()}
    assert steps["cat"].why == "torch function torch.cat" and not steps["cat"].packed
    assert {step.precision for step in steps.values() if step.packed and step.kind == "conv"} == {"bits", "float32"}


def test_sizes_and_views_that_cost_nothing_are_left_out_and_shapes_are_named(found):
    packed = pack(Numbered(lambda y, n: y.flatten(0, 1).view(y.shape) + n).eval())
    x = torch.randn(1, 3, 8, 8)
    packed(x, torch.ones(1, 8, 1, 1))
    text = repr(packed)
    assert "flatten" not in text and "getattr" not in text
    assert "float32 (1, 8, 8, 8) and float32 (1, 8, 1, 1) to float32 (1, 8, 8, 8): the kernels take" in text
    assert {step.name for step in packed.steps() if step.once} >= {"flatten"}


def test_a_network_without_kernels_says_why(monkeypatch):
    monkeypatch.setattr("b2nn.packed.listing.missing", lambda: "no compiler")
    packed = pack(nn.Sequential(nn.Conv2d(3, 8, 3)))
    assert "1 steps in torch: no compiler" in repr(packed) and not packed.steps()[0].packed


class Numbered(nn.Module):
    """A conv's map and a number that comes with the call."""

    def __init__(self, code):
        super().__init__()
        self.conv, self.last, self.code = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1), code

    def forward(self, x, number):
        return self.last(self.code(self.conv(x), number))


@pytest.mark.parametrize(("code", "prepared"), [
    (lambda y, n: y * n, 3), (lambda y, n: (y / (n * 2 + 1)).clamp(-n, n), 3), (lambda y, n: y[:, :, :n], 5),
    (lambda y, n: y + n, 5),
])
def test_numbers_that_change_no_shape_need_no_new_maps(code, prepared):
    model, x = Numbered(code).eval().requires_grad_(False), torch.randn(1, 3, 8, 8)
    packed = pack(model)
    for number in (1, 2, 3, 2.0, True):  # 2 and 2.0 are of two types, and so is True
        try:
            wanted = model(x, number)
        except TypeError:  # a slice takes whole numbers only
            continue
        torch.testing.assert_close(packed(x, number), wanted, rtol=1e-4, atol=1e-4)
    assert len(packed._prepared) in ((0, prepared) if library() is None else (prepared, prepared - 1))


def test_an_array_is_refused_with_its_remedy(packed):
    with pytest.raises(B2nnError, match=r"input 'x' is a ndarray; .* call torch.from_numpy"):
        packed(torch.randn(1, 3, 9, 9).numpy())


def test_a_packed_network_is_no_graph_and_says_so(packed):
    x = torch.randn(1, 3, 9, 9)
    for record in (lambda: torch.export.export(packed, (x,)), lambda: torch.jit.trace(packed, x),
                   lambda: torch.vmap(packed)(x[None])):
        with pytest.raises(B2nnError, match="is no part of a graph") as raised:
            record()
        assert "\n" not in str(raised.value)


def test_torch_compile_runs_it_between_graphs(packed):
    x = torch.randn(1, 3, 9, 9)
    compiled = torch.compile(lambda x: packed(x * 2) + packed.run("forward", x), backend="eager")
    assert torch.equal(compiled(x), packed(x * 2) + packed(x))
    with pytest.raises(Exception, match="is no part of a graph"):
        torch.compile(lambda x: packed(x), backend="eager", fullgraph=True)(x)
