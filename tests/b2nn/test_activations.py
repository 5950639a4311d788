import pytest
import torch

from b2nn.activations import ACTIVATIONS, activation
from b2nn.errors import B2nnError

X = torch.tensor([-3.0, -1.0, -0.5, 0.0, 2.0])
EXPECTED = {
    "relu": [0, 0, 0, 0, 2],
    "prelu": [-0.75, -0.25, -0.125, 0, 2],
    "rprelu": [-0.75, -0.25, -0.125, 0, 2],
    "binrelu": [-1, -1, -0.5, 0, 2],
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_at_the_start(name):
    maps = X.view(1, 1, 1, 5).expand(2, 3, 4, 5).clone()
    assert torch.equal(activation(name, 3)(maps), torch.tensor(EXPECTED[name]).expand(2, 3, 4, 5))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_vectors_are_accepted_as_well_as_maps(name):
    assert activation(name, 3)(torch.randn(2, 3)).shape == (2, 3)


def test_rprelu_shifts_before_and_after():
    layer = activation("rprelu", 2)
    layer.shift_in.data = torch.tensor([1.0, 0.0])
    layer.shift_out.data = torch.tensor([0.0, 5.0])
    y = layer(torch.zeros(1, 2, 1, 1)).flatten()
    assert y.tolist() == [-0.25, 5.0]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(B2nnError, match="activation 'gelu' is unknown; choose one of relu, prelu"):
        activation("gelu", 3)
