"""Small networks that show what a model may do with its layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """Stem, two residual 3x3 convs with BatchNorm, a shared 1x1 conv called twice, pooled linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(8)
        self.first = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(16)
        self.shared = nn.Conv2d(16, 16, 1)
        self.hidden = nn.Linear(16, 12)
        self.hidden_norm = nn.BatchNorm1d(12)
        self.output = nn.Linear(12, 4)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        x = x + self.first_norm(self.first(x))
        x = F.relu(self.second_norm(self.second(x)))
        x = self.shared(F.relu(self.shared(x)))
        return self.output(self.hidden_norm(self.hidden(x.mean((2, 3)))))


@pytest.fixture
def residual():
    """The network after a few training steps' worth of BatchNorm statistics, in evaluation mode."""
    model = Residual()
    for _ in range(5):
        model(torch.randn(4, 3, 16, 16))
    return model.eval()


@pytest.fixture
def images():
    return torch.randn(4, 3, 16, 16)
