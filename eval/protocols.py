"""The rules by which benchmarks score boxes: every constant and convention stands here and nowhere else.

All rules share: success counts frames whose overlap is `>` a threshold, precision those whose centre distance
is `<=` one; overlap is the continuous intersection over union.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Protocol:
    """One benchmark's rule.

    Attributes:
        name: printed with every score.
        overlap_steps: success is taken at this many thresholds, evenly spaced over 0..1.
        first_frame: the frame that the tracker was given is left out, or scored as if the tracker had
            repeated the true box.
        absent: frames labelled as without the target are left out, stay in the count as misses of overlap and
            distance, or are scored like any other because the toolkit does not read the label.
        valid_truth: a true box counts if it has area, or if all of x, y, w, h are positive in the files' own
            base. Other rows get overlap -1 and distance -1: a miss at every overlap, a *hit* at every
            distance threshold.
        invalid_result: a predicted box that is not finite or has no area is scored as it is (a miss), or
            replaced by the one before it.
        clip: both boxes are confined to the frame first.
        average: over all frames of all sequences at once, or over each sequence and then over sequences.
        origin: pixel number of the image's top-left corner in result files, 0 or 1.
        precision_at: distance in pixels at which precision is read off its curve.
        norm_precision_at: distance in target sizes at which normalised precision is read off, None: not
            measured.
    """

    name: str
    overlap_steps: int
    first_frame: Literal["left out", "given"]
    absent: Literal["left out", "missed", "unread"]
    valid_truth: Literal["area", "positive"]
    invalid_result: Literal["missed", "repeated"]
    clip: bool
    average: Literal["frames", "sequences"]
    origin: Literal[0, 1]
    precision_at: int = 20
    norm_precision_at: float | None = None


# got10k toolkit, experiments/got10k.py. AO is the mean overlap, SR the share of frames above .5 and .75. The
# toolkit leaves out frames with cover.label 0, which are those of absence.label.
GOT10K = Protocol(
    name="GOT-10k rule", overlap_steps=101, first_frame="left out", absent="left out", valid_truth="area",
    invalid_result="missed", clip=True, average="frames", origin=0,
)

# OTB toolkit 1.1 (calcSeqErrRobust.m, genPerfMat.m, plotDrawSave.m). Because of `>`, a perfect tracker's
# success is 20/21 = .952.
OTB = Protocol(
    name="OTB rule", overlap_steps=21, first_frame="given", absent="unread", valid_truth="positive",
    invalid_result="repeated", clip=False, average="sequences", origin=1,
)

# LaSOT toolkit (eval_tracker.m, calc_seq_err_robust.m). It drops absent frames from the hits but divides by
# the number of all frames, so that they are misses; its normalised precision is read off at 0.20 (rank_idx 21
# of 0:0.01:0.5).
LASOT = replace(OTB, name="LaSOT rule", absent="missed", norm_precision_at=0.20)

# Success and precision of GOT-10k sequences: the thresholds and averages of OTB on the frames that show the
# target.
OTB_VISIBLE = replace(
    OTB, name="OTB rule without absent frames", absent="left out", valid_truth="area", origin=0
)

DISTANCES = range(0, 51)
"""Thresholds of precision in pixels; in hundredths of the target's size for normalised precision."""


@dataclass(frozen=True)
class Benchmark:
    """Which rules a benchmark's table is made by.

    Attributes:
        overlap: rule of AO and SR.
        curves: rule of success, precision and normalised precision; result files are written in its base.
    """

    overlap: Protocol
    curves: Protocol

    @property
    def rules(self) -> str:
        """One line that names the rules, for captions and result rows."""
        return f"AO, SR: {self.overlap.name}; success, precision: {self.curves.name}"


GOT10K_BENCHMARK = Benchmark(GOT10K, OTB_VISIBLE)
OTB_BENCHMARK = Benchmark(GOT10K, OTB)
LASOT_BENCHMARK = Benchmark(GOT10K, LASOT)
