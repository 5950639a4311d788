"""The recipe: how binary layers compute, and how a network that has them is trained."""

from __future__ import annotations

from dataclasses import dataclass

from b2nn.checks import require
from b2nn.quantizers import ESTIMATORS

SCALES = ("mean", "learned", "none", "xnor", "adabin")


@dataclass(frozen=True)
class Recipe:
    """Choices about the binary layers of a network.

    A trained network is rebuilt with the recipe it was trained with. The defaults are what a file without one means, so
    they cannot change.

    Attributes:
        estimator: pseudo-gradient of the inputs' sign, a name in `b2nn.quantizers.ESTIMATORS`. The weights' is the
            clipped straight-through one (with ``adabin`` that of tanh, since there d is in standard deviations).
        scale: which values the bits stand for, one of `SCALES`. With s = sign(x - b), S = sign(w), and w_o the weights
            of an output channel:

            - ``mean``: y = α (s * S), α = mean |w_o| at every pass, the weights' scale of XNOR-Net (arXiv 1603.05279).
            - ``learned``: the same with α learned, starting at that mean.
            - ``none``: α = 1, for layers whose BatchNorm takes care of the scale.
            - ``xnor``: α as in ``mean``, and each position times K, the mean |x - b| over its window: XNOR-Net's scale
              of the inputs. K is a real-valued filter over the whole map at run time, which no packed kernel folds and
              no cost here counts: a baseline only.
            - ``adabin``: adaptive binary sets (arXiv 2208.08084). Weights are μ ± σ, the mean and standard deviation of
              w_o; inputs are b ± δ with one learned δ a layer and the shift b of each channel as their centre, where
              the paper has one centre a layer. See `b2nn.layers` for the packed form; its sum of input bits, a share
              1 / outputs of the layer's binary work, is not counted as cost.
        kurtosis: weight of `b2nn.regularizers.kurtosis_loss` in the loss.
        kurtosis_target: kurtosis that latent weights are drawn to: 1.8 is a uniform distribution's (KURE, arXiv
            2002.07686), 1 that of two equal peaks, 3 a normal distribution's.
        real_weights: share of a phase's iterations, its first ones, in which inputs are binary but weights still real:
            training in two steps as in Real-to-Binary (arXiv 2003.11535) and ReActNet (arXiv 2003.03488).

    Raises:
        B2nnError: a value out of range, which the message names.
    """

    estimator: str = "bireal"
    scale: str = "mean"
    kurtosis: float = 0.0
    kurtosis_target: float = 1.8
    real_weights: float = 0.0

    def __post_init__(self) -> None:
        require(self, f"one of {', '.join(ESTIMATORS)}", estimator=self.estimator in ESTIMATORS)
        require(self, f"one of {', '.join(SCALES)}", scale=self.scale in SCALES)
        require(self, "at least 0", kurtosis=self.kurtosis >= 0)
        require(self, "at least 1, below which no distribution is", kurtosis_target=self.kurtosis_target >= 1)
        require(self, "at least 0 and below 1", real_weights=0 <= self.real_weights < 1)


DEFAULT = Recipe()
