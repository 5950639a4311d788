"""Convs in bfloat16 and int8: near the truth, nearer than worse choices, and alike on kernels and in torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from b2nn.errors import B2nnError
from b2nn.packed import pack, reference
from b2nn.packed.calibrate import observed
from b2nn.packed.precision import Range, to_int8, u8


@pytest.fixture
def model():
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
              nn.Conv2d(32, 32, 3, groups=32), nn.Conv2d(32, 2, 1)]
    return nn.Sequential(*layers).eval()


def images(count):
    return [(torch.randn(1, 3, 16, 16),) for _ in range(count)]


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.02), ("int8", 0.05)])
def test_error_is_small(model, precision, tolerance):
    packed = pack(model, fp_precision=precision, calibration=images(8))
    (x,), = images(1)
    truth = model(x).detach()
    for own in (packed(x), reference.run(packed.programs["forward"], (x,))):
        assert 0 < (own - truth).norm() / truth.norm() < tolerance


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_kernels_and_reference_agree(model, precision):
    packed = pack(model, fp_precision=precision, calibration=images(8))
    (x,), = images(1)
    wanted = reference.run(packed.programs["forward"], (x,))
    torch.testing.assert_close(packed(x), wanted, rtol=0, atol=0.01 * float(wanted.abs().max()))


def test_depthwise_convs_and_predictions_stay_float(model):
    steps = pack(model, fp_precision="bf16").programs["forward"].steps
    assert [step.precision for step in steps] == ["bf16", "bf16", "float32", "float32"]


@pytest.mark.parametrize(("span", "zero"), [(Range(0.0, 6.0), 0), (Range(-1.0, 4.0), 51), (Range(-4.0, -1.0), 255),
                                            (Range(2.0, 5.0), 0), (Range(0.0, 0.0), 0)])
def test_zero_is_held_exactly(span, zero):
    scale, found = u8(span)
    assert found == zero and scale > 0


def test_ranges_are_chosen_by_the_error_they_cause():
    """A rare outlier must not take the resolution of all other values."""
    model, calibration = nn.Sequential(nn.Conv2d(3, 32, 3)).eval(), images(8)
    calibration[1][0][0, 0, 0, 0] = 300.0
    packed = pack(model, fp_precision="int8", calibration=calibration)
    programs = pack(model).programs
    widest = {key: Range(float(values.min()), float(values.max()))
              for key, values in observed(programs, calibration, lambda net, item: net(*item)).items()}
    (x,), = images(1)
    truth = model(x).detach()
    error = (packed(x) - truth).norm()
    assert error < 0.5 * (reference.run(to_int8(programs, widest)["forward"], (x,)) - truth).norm()


@pytest.mark.parametrize(("options", "message"), [
    (dict(calibration=images(1)), "calibration has 1 inputs"),
    (dict(calibration=images(4), forward=lambda network, inputs: None), "returned no tensor"),
    (dict(calibration=[torch.randn(1, 3, 8, 8)] * 4), "each input is a tuple of the arguments"),
    (dict(calibration=[(torch.randn(1, 4, 8, 8),)] * 4), r"fails on an input of shapes \[\(1, 4, 8, 8\)\]: conv"),
])
def test_calibrations_that_are_refused(model, options, message):
    with pytest.raises(B2nnError, match=message):
        pack(model, fp_precision="int8", **options)
