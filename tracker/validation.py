"""What every section of a configuration may hold: its fields, their types and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Any

from b2nn.checks import require
from b2nn.errors import B2nnError
from b2nn.recipe import Recipe
from b2nn.search import evolution, exhaustive, hessian, iterative, uniform
from b2nn.search.schedule import GateOptions
from datasets.pairs import PairOptions
from tracker.errors import TrackerError
from tracker.localize import AnchorFreeOptions, ScaleSearchOptions
from tracker.losses import Distillation
from tracker.models import TYPES
from tracker.track import LostOptions
from tracker.typed import typed

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class SourceWeights:
    """How often a pair comes from each source, in relation to the others."""

    got10k: float
    lasot: float
    images: float
    synthetic: float

    def __post_init__(self) -> None:
        _require(self, "at least 0", got10k=self.got10k >= 0, lasot=self.lasot >= 0, images=self.images >= 0,
                 synthetic=self.synthetic >= 0)


@dataclass(frozen=True)
class DataSection:
    """Training pairs: a process's batch, loader processes, sources, and how pairs are drawn."""

    batch_size: int
    workers: int
    weights: SourceWeights
    pairs: PairOptions = field(default_factory=PairOptions)

    def __post_init__(self) -> None:
        _require(self, "at least 1", batch_size=self.batch_size >= 1)
        _require(self, "at least 0", workers=self.workers >= 0)


@dataclass(frozen=True)
class PhaseSection:
    """Schedule of a phase, and what it learns from the teacher (None: nothing)."""

    iterations: int
    lr: float
    weight_decay: float
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        _require(self, "at least 1", iterations=self.iterations >= 1)
        _require(self, "above 0", lr=self.lr > 0)
        _require(self, "at least 0", weight_decay=self.weight_decay >= 0)
        if self.distillation:
            weights = vars(self.distillation)
            _require(self.distillation, "at least 0", "distillation.",
                     **{name: value >= 0 for name, value in weights.items()})


@dataclass(frozen=True)
class MimicSection(PhaseSection):
    """The phase of feature mimicry. It needs no boxes: `pairs` may roam further than `data.pairs`, which it refines."""

    pairs: PairOptions = field(default_factory=PairOptions)


@dataclass(frozen=True)
class FullPrecisionSection(PhaseSection):
    """The phase `fp`, and before it the phase in which the backbone mimics a teacher's features (None: none)."""

    mimic: MimicSection | None = None


@dataclass(frozen=True)
class CandidateOptions:
    """Batches of pairs that strategies other than MixBin work with; all are held in memory.

    Attributes:
        train_batches: to train candidates on and to look at the loss's curvature.
        held_out_batches: to judge candidates on; other pairs of the same sequences.
        batchnorm_batches: how many of the first ones give a candidate its BatchNorm statistics.
    """

    train_batches: int = 20
    held_out_batches: int = 6
    batchnorm_batches: int = 6

    def __post_init__(self) -> None:
        _require(self, "at least 1", **{name: value >= 1 for name, value in vars(self).items()})


@dataclass(frozen=True)
class WidthOptions:
    """How the widths of a search are judged.

    Attributes:
        iterations: of the finetuning before; its other options are those of the section `finetune`.
        held_out_batches: to judge on, the same for all; other pairs of the same sequences than any that is trained on.
    """

    iterations: int = 200
    held_out_batches: int = 16

    def __post_init__(self) -> None:
        _require(self, "at least 1", iterations=self.iterations >= 1)
        _require(self, "at least 2", held_out_batches=self.held_out_batches >= 2)


@dataclass(frozen=True)
class SearchSection(PhaseSection):
    """The search phase, which is MixBin's, and the options of all strategies by their names.

    The other strategies need no phase, only batches: see `candidates`.

    Attributes:
        granularity: parts of each layer, runs of its output channels, that any strategy decides about one by one; 1
            leaves layers whole.
    """

    granularity: int = 1
    mixbin: GateOptions = field(default_factory=GateOptions)
    candidates: CandidateOptions = field(default_factory=CandidateOptions)
    width: WidthOptions = field(default_factory=WidthOptions)
    iterative: iterative.Options = field(default_factory=iterative.Options)
    evolution: evolution.Options = field(default_factory=evolution.Options)
    exhaustive: exhaustive.Options = field(default_factory=exhaustive.Options)
    hessian: hessian.Options = field(default_factory=hessian.Options)
    uniform: uniform.Options = field(default_factory=uniform.Options)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self, "at least 1", granularity=self.granularity >= 1)


@dataclass(frozen=True)
class FinetuneSection(PhaseSection):
    """The phase that trains the partly binary network, with its recipe; the binary branches of a search share it.

    Attributes:
        kernel_lr: learning rate of the kernels that stay real; None: that of all others. `lr` can then be as large as
            latent weights need, of which only the signs count, and the norms and scales beside them stand.
        latent_decay: weight decay of latent weights. It pulls them towards zero, where their signs flip by chance.
        batchnorm_batches: to estimate BatchNorm statistics anew from when the phase ends; 0 keeps those that moved
            along with training; None: as many as after the other phases.
    """

    kernel_lr: float | None = None
    latent_decay: float = 0.0
    batchnorm_batches: int | None = None
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self, "above 0", kernel_lr=self.kernel_lr is None or self.kernel_lr > 0)
        _require(self, "at least 0", latent_decay=self.latent_decay >= 0)
        _require(self, "at least 0 or None",
                 batchnorm_batches=self.batchnorm_batches is None or self.batchnorm_batches >= 0)


@dataclass(frozen=True)
class RuntimeSection:
    """How training runs, whatever is trained.

    Attributes:
        precision: of the passes, one of `PRECISIONS`.
        ema: decay of the averaged weights; 0 for none.
        checkpoint_interval, log_interval: iterations.
        threads: of torch; None leaves the choice to torch.
        compile: fuse the network's elementwise work with torch.compile, which needs a C++ compiler. Training on a CPU
            then takes about half the time, after a minute or two of compiling; phases under gates do without.
    """

    precision: str
    ema: float
    checkpoint_interval: int
    log_interval: int
    threads: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        _require(self, " or ".join(PRECISIONS), precision=self.precision in PRECISIONS)
        _require(self, "at least 0 and below 1", ema=0 <= self.ema < 1)
        _require(self, "at least 1", checkpoint_interval=self.checkpoint_interval >= 1,
                 log_interval=self.log_interval >= 1)
        _require(self, "at least 1 or None", threads=self.threads is None or self.threads >= 1)


@dataclass(frozen=True)
class AnchorFreeTracking(AnchorFreeOptions, LostOptions):
    """The `tracking` section of a network with the anchor-free head."""

    def __post_init__(self) -> None:
        _require_lost(self)
        _require(self, "from 0 to 1", window_influence=0 <= self.window_influence <= 1, size_lr=0 <= self.size_lr <= 1)
        _require(self, "at least 0", penalty_k=self.penalty_k >= 0)


@dataclass(frozen=True)
class ScaleSearchTracking(ScaleSearchOptions, LostOptions):
    """The `tracking` section of SiamFC."""

    def __post_init__(self) -> None:
        _require_lost(self)
        _require(self, "odd and at least 1", scales=self.scales >= 1 and self.scales % 2 == 1)
        _require(self, "above 0", scale_step=self.scale_step > 0, scale_penalty=self.scale_penalty > 0)
        _require(self, "from 0 to 1", window_influence=0 <= self.window_influence <= 1,
                 scale_lr=0 <= self.scale_lr <= 1)
        _require(self, "at least 1", upsampling=self.upsampling >= 1)


def section_kinds(config: Mapping[str, Any]) -> dict[str, type]:
    """The dataclass that each section of `config` is, by the type of its network.

    Raises:
        TrackerError: an unknown type of network.
    """
    model = config["model"] if isinstance(config["model"], Mapping) else {}
    kind = model.get("type", "siamese")
    if kind not in TYPES:
        raise TrackerError(f"model.type is {kind!r}; choose one of {', '.join(TYPES)}")
    return {
        "model": make_dataclass(f"Typed{TYPES[kind][1].__name__}", [("type", str, kind)],
                                bases=(TYPES[kind][1],), frozen=True),
        "data": DataSection,
        "fp": FullPrecisionSection,
        "search": SearchSection,
        "finetune": FinetuneSection,
        "runtime": RuntimeSection,
        "tracking": ScaleSearchTracking if kind == "siamfc" else AnchorFreeTracking,
    }


def validate(config: Mapping[str, Any]) -> None:
    """Check the fields of all sections.

    Raises:
        TrackerError: naming the first field that is unknown, missing or out of range, its value, and what is allowed.
    """
    sections: dict[str, Any] = {
        name: typed(kind, config[name], name) for name, kind in section_kinds(config).items()}
    drawn = {"data.pairs.": pair_options(config, "fp")}
    if sections["fp"].mimic:
        drawn["fp.mimic.pairs."] = pair_options(config, "mimic")
    for where, pairs in drawn.items():
        _require_pairs(pairs, where)
        for name in ("template_size", "search_size"):
            size, wanted = getattr(pairs, name), getattr(sections["model"], name)
            if size != wanted:
                raise TrackerError(f"{where}{name} is {size}, but model.{name} is {wanted}; set both to one size")


def pair_options(config: Mapping[str, Any], phase: str) -> PairOptions:
    """How a phase draws its pairs: `data.pairs`, which `fp.mimic.pairs` refines for the phase `mimic`.

    Raises:
        TrackerError: naming a field that is unknown or of another type.
    """
    pairs = typed(PairOptions, config["data"].get("pairs", {}), "data.pairs")
    if phase != "mimic":
        return pairs
    return typed(PairOptions, config["fp"]["mimic"].get("pairs", {}), "fp.mimic.pairs", pairs)


def _require_pairs(pairs: PairOptions, where: str) -> None:
    _require(pairs, "from 0 to 1", where, negative=0 <= pairs.negative <= 1, anywhere=0 <= pairs.anywhere <= 1,
             grey=0 <= pairs.grey <= 1)
    _require(pairs, "at least 0", where, max_gap=pairs.max_gap >= 0, context=pairs.context >= 0)
    for name, view in (("template_view", pairs.template_view), ("search_view", pairs.search_view),
                       ("paste.view", pairs.paste.view)):
        _require(view, "at least 0", f"{where}{name}.", **{limit: value >= 0 for limit, value in vars(view).items()})
    colour = vars(pairs.colour)
    _require(pairs.colour, "at least 0", f"{where}colour.", **{name: value >= 0 for name, value in colour.items()})


def _require_lost(options: LostOptions) -> None:
    _require(options, "from 0 to 1", lost_below=0 <= options.lost_below <= 1,
             found_above=0 <= options.found_above <= 1)
    _require(options, "at least 0 and below 1", score_memory=0 <= options.score_memory < 1)
    _require(options, f"at least lost_below ({options.lost_below:g})",
             found_above=options.found_above >= options.lost_below)


def _require(options: Any, allowed: str, where: str = "", **valid: bool) -> None:
    """`require` of a tracker's options, in the section `where`."""
    try:
        require(options, allowed, **valid)
    except B2nnError as error:
        raise TrackerError(f"{where}{error}") from error
