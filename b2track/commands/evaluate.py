"""Run trackers over a benchmark and score them by its own rules.

    b2track evaluate otb --root /data/otb --ready
    b2track evaluate got10k --got10k /data/got10k --checkpoint work_dirs/demo/fp/checkpoint.pth
    b2track evaluate got10k --ready            # on the generated set
"""

from __future__ import annotations

from b2track.choose import Choice, choose

BENCHMARKS = {
    "got10k": Choice("eval.run_got10k", "GOT-10k, or the generated set"),
    "otb": Choice("eval.run_otb", "OTB, or a folder of that form"),
    "lasot": Choice("eval.run_lasot", "LaSOT"),
    "uav123": Choice("eval.run_uav123", "UAV123, UAV123@10fps, UAV20L"),
    "dtb70": Choice("eval.run_dtb70", "DTB70"),
    "trackingnet": Choice("eval.run_trackingnet", "TrackingNet"),
}


def main() -> None:
    choose("b2track evaluate", __doc__, BENCHMARKS)
