"""The rules by which benchmarks score boxes: every constant and convention stands here and nowhere else.

All rules share: success counts frames whose overlap is `>` a threshold, precision those whose centre distance is
`<=` one; overlap is the continuous intersection over union; the centre of a box is x + w / 2 (toolkits that write
x + (w - 1) / 2 measure the same distances).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

LARGEST_DISTANCE = 50
"""Curves of precision end at so many pixels, those of normalised precision at so many hundredths of the target."""


@dataclass(frozen=True)
class Protocol:
    """One benchmark's rule.

    Attributes:
        name: printed with every score.
        toolkit: whose code it follows.
        overlap_steps: success is taken at this many thresholds, evenly spaced over 0..1.
        first_frame: the frame that the tracker was given is left out, scored as if the tracker had repeated the true
            box, or scored as the tracker wrote it.
        absent: frames labelled as without the target are left out, stay in the count as misses of overlap and
            distance, or are scored like any other because the toolkit does not read the label.
        valid_truth: which true boxes count. "any": all are measured as they stand, so that one without area is a miss
            of overlap and of normalised distance. The others give unusable rows overlap -1 and distance -1, a miss at
            every overlap and a *hit* at every distance threshold. "area": usable with area. "positive": usable if
            x, y, w, h are all positive in the files' own base. "centre": so for overlap, while distance is usable if
            the centre x + (w - 1) / 2, y + (h - 1) / 2 is positive.
        invalid_result: a predicted box that is not finite or has no area is scored as it is (a miss), or replaced by
            the row before it.
        clip: both boxes are confined to the frame first.
        rounded: all numbers are rounded to integers first (halves to even).
        average: over all frames of all sequences at once, or over each sequence and then over sequences.
        unhit: a sequence whose curve is zero at every threshold counts as that, or is left out of that curve's mean.
        area: of a curve, its mean over the thresholds or its integral by the trapezoidal rule.
        origin: pixel number of the image's top-left corner in result files, 0 or 1.
        distance_steps: precision is taken at this many distances, evenly spaced over 0..50 px.
        precision_at: distance in pixels at which precision is read off its curve, or the curve's area.
        norm_precision_at: likewise in target sizes; None: not measured.
    """

    name: str
    toolkit: str
    overlap_steps: int
    first_frame: Literal["left out", "given", "as predicted"]
    absent: Literal["left out", "missed", "unread"]
    valid_truth: Literal["any", "area", "positive", "centre"]
    invalid_result: Literal["missed", "repeated"]
    clip: bool
    average: Literal["frames", "sequences"]
    unhit: Literal["counted", "left out"]
    origin: Literal[0, 1]
    rounded: bool = False
    area: Literal["mean", "trapezoid"] = "mean"
    distance_steps: int = 51
    precision_at: float | Literal["area"] = 20
    norm_precision_at: float | Literal["area"] | None = None


# experiments/got10k.py. AO is the mean overlap, SR the share of frames above .5 and .75. The toolkit leaves out
# frames with cover.label 0, which are those of absence.label.
GOT10K = Protocol(
    name="GOT-10k rule", toolkit="got10k 0.1.3", overlap_steps=101, first_frame="left out", absent="left out",
    valid_truth="any", invalid_result="missed", clip=True, average="frames", unhit="counted", origin=0,
)

# calcSeqErrRobust.m, genPerfMat.m, plotDrawSave.m. Because of `>`, a perfect tracker's success is 20/21 = .952.
OTB = Protocol(
    name="OTB rule", toolkit="OTB toolkit 1.1", overlap_steps=21, first_frame="given", absent="unread",
    valid_truth="positive", invalid_result="repeated", clip=False, average="sequences", unhit="left out", origin=1,
)

# Both toolkits are OTB's with other lists of sequences.
UAV123 = replace(OTB, name="UAV123 rule", toolkit="UAV123 toolkit (OTB's)")
DTB70 = replace(OTB, name="DTB70 rule", toolkit="DTB70 toolkit (OTB's)")

# calc_seq_err_robust.m, eval_tracker.m. It drops absent frames from the hits but divides by the number of all
# frames, so that they are misses; its normalised precision is read off at 0.20 (rank_idx 21 of 0:0.01:0.5).
LASOT = replace(OTB, name="LaSOT rule", toolkit="LaSOT_Evaluation_Toolkit", absent="missed", norm_precision_at=0.20)

# metrics.py of the devkit, which is what its server runs: numbers rounded to whole pixels, areas by the trapezoidal
# rule (a perfect tracker's success is .975), and precision as the area of its curve up to 50 px in steps of 2.5 rather
# than its value at 20; true boxes are not checked.
TRACKINGNET = Protocol(
    name="TrackingNet rule", toolkit="TrackingNet-devkit", overlap_steps=21, first_frame="given", absent="unread",
    valid_truth="any", invalid_result="missed", clip=False, average="sequences", unhit="counted", origin=0,
    rounded=True, area="trapezoid", distance_steps=21, precision_at="area", norm_precision_at="area",
)

# The same boxes by pysot-toolkit, which many papers use (ope_benchmark.py, statistics.py): nothing is replaced, and
# overlap and distance ask different things of the true box. It too counts LaSOT's absent frames as misses: it drops
# them and divides by the number of all frames. (The later copy inside pysot takes overlap from every box with area.)
OTB_PYSOT = replace(
    OTB, name="pysot rule", toolkit="pysot-toolkit", first_frame="as predicted", valid_truth="centre",
    invalid_result="missed", unhit="counted",
)
LASOT_PYSOT = replace(OTB_PYSOT, name="pysot rule for LaSOT", absent="missed", norm_precision_at=0.20)

# No toolkit's, but what some papers report: figures are higher where targets vanish.
LASOT_VISIBLE = replace(LASOT, name="LaSOT rule without absent frames", toolkit="none", absent="left out")

# Success and precision of GOT-10k sequences: the thresholds and averages of OTB on the frames that show the target.
OTB_VISIBLE = replace(
    OTB, name="OTB rule without absent frames", toolkit="none", absent="left out", valid_truth="area", origin=0
)


@dataclass(frozen=True)
class Benchmark:
    """Which rules a benchmark's table is made by.

    Attributes:
        title: the benchmark's name as it writes itself.
        overlap: rule of AO and SR.
        curves: rule of success, precision and normalised precision; result files are written in its base.
        others: rules that other toolkits score the same boxes by; shown below the table.
        reports_overlap: whether the benchmark itself reports AO and SR.
    """

    title: str
    overlap: Protocol
    curves: Protocol
    others: tuple[Protocol, ...] = ()
    reports_overlap: bool = False

    @property
    def rules(self) -> str:
        """One line that names the rules, for captions and result rows."""
        return f"AO, SR: {self.overlap.name}; success, precision: {self.curves.name}"


BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType({
    "got10k": Benchmark("GOT-10k", GOT10K, OTB_VISIBLE, reports_overlap=True),
    "otb": Benchmark("OTB", GOT10K, OTB, (OTB_PYSOT,)),
    "lasot": Benchmark("LaSOT", GOT10K, LASOT, (LASOT_VISIBLE, LASOT_PYSOT)),
    "uav123": Benchmark("UAV123", GOT10K, UAV123, (OTB_PYSOT,)),
    "dtb70": Benchmark("DTB70", GOT10K, DTB70, (OTB_PYSOT,)),
    "trackingnet": Benchmark("TrackingNet", GOT10K, TRACKINGNET),
})
