"""Track objects in video with a network that is partly 1-bit; train, measure and export such trackers.

    b2track track --source video.mp4 --init-box 312,143,110,102 --out tracked.mp4
    b2track serve --videos FOLDER
    b2track train --help
"""

from __future__ import annotations

import sys
from importlib import metadata

from b2track.choose import Choice, choose

COMMANDS = {
    "track": Choice("b2track.commands.track", "follow objects through a video, a folder of images, a camera"),
    "serve": Choice("b2track.commands.serve", "the same in a browser, two trackers side by side"),
    "train": Choice("b2track.commands.train", "train a tracker to a budget, with its baselines"),
    "evaluate": Choice("b2track.commands.evaluate", "run trackers over a benchmark and score them"),
    "report": Choice("eval.report", "one page over the results of all evaluations"),
    "score": Choice("eval.score", "score result files of any tracker"),
    "summary": Choice("b2track.commands.summary", "what a network costs, layer by layer"),
    "export": Choice("b2track.commands.export", "write a trained tracker as ONNX or as one packed file"),
    "benchmark": Choice("eval.benchmark", "milliseconds a frame, in several runtimes"),
    "doctor": Choice("b2track.commands.doctor", "what this machine has and lacks"),
}


def main() -> None:
    """Run the command that `sys.argv` names and leave the process with its exit code."""
    if sys.argv[1:] == ["--version"]:
        print(f"b2track {metadata.version('b2track')}")
        sys.exit(0)
    choose("b2track", __doc__, COMMANDS)
