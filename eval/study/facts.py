"""What a finished run directory says of its training, for the row of its cell."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from b2nn.plan import load_plan

CPUINFO = Path("/proc/cpuinfo")


def training_facts(run: Path, full_precision: Sequence[Path]) -> dict[str, Any]:
    """Costs of a tracker and of its training.

    Args:
        run: its run directory.
        full_precision: those of the full-precision trackers that it, or its search, started from.
    """
    summary = json.loads((run / "summary.json").read_text())
    plan = load_plan(run / "plan.json")
    # Of several widths, a search each.
    traces = [json.loads(file.read_text()) for file in sorted((run / "search").rglob("trace.json"))]
    search = {cost: sum(trace[cost] + trace.get("reused", {}).get(cost, 0) for trace in traces)
              for cost in ("forward_passes", "backward_passes", "seconds")} if traces else {}
    before = [json.loads((one / "summary.json").read_text())["seconds"] for one in full_precision]
    return {
        "ratio": summary["flops_ratio"], "full": list(plan.full), "binary": len(plan.binary),
        "width": summary.get("width"), "params_1bit": summary["params_1bit"], "params_32bit": summary["params_32bit"],
        "iterations": summary["iterations"], "seconds": summary["seconds"], "search": search,
        "full_precision_seconds": sum(sum(seconds.values()) for seconds in before),
        "hardware": hardware(summary["device"]), "threads": summary["threads"], "torch": torch.__version__,
    }


def hardware(device: str) -> str:
    """What a torch device is called by those who made it."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    lines = CPUINFO.read_text().splitlines() if CPUINFO.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
                platform.processor() or platform.machine())
