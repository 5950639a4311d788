"""What a budget is a share of: FLOPs, the bytes of the parameters, or the milliseconds of a frame on this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from b2nn.cost import CostTable
from b2nn.layer_times import FLOAT32, measure_layers
from b2nn.metrics import Seconds, latency, memory
from b2nn.packed.library import kernel
from b2nn.plan import METRICS, architecture_hash
from datasets.cache_lock import build_lock
from datasets.files import write_text
from tracker.cpu import cpu_name
from tracker.errors import TrackerError
from tracker.models import Network, cost_table, example_inputs

LATENCIES = Path("work_dirs/data/latency")


def budget_table(network: Network, metric: str, fp_precision: str = FLOAT32) -> CostTable:
    """Costs of one `update` by a metric of `METRICS`; latency is measured once a machine and kept in `LATENCIES`.

    Args:
        fp_precision: what layers in full precision will run in, see `b2nn.layer_times`; for latency only.

    Raises:
        TrackerError: no such metric.
        B2nnError: there are no compiled kernels to measure latency with.
    """
    table = cost_table(network)
    if metric == "flops":
        return table
    if metric == "memory":
        return memory(table)
    if metric == "latency":
        return latency(table, *layer_times(network, table, LATENCIES, fp_precision))
    raise TrackerError(f"--budget-metric {metric}: choose one of {', '.join(METRICS)}")


def layer_times(network: Network, table: CostTable, folder: Path, fp_precision: str = FLOAT32
                ) -> tuple[dict[str, Seconds], float]:
    """Seconds of each layer and of the network in full precision; measured where `folder` does not have them yet."""
    key = measured_on(network, table, fp_precision)
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    file = folder / f"{fp_precision}-{digest}.json"
    with build_lock(file):
        stored = _stored(file, key)
        if stored is None:
            network = network.eval().to(memory_format=torch.channels_last)
            inputs = example_inputs(network)
            with torch.inference_mode():
                measured, whole = measure_layers(network, table, inputs, fp_precision)
            stored = {"key": key, "seconds": {name: list(entry) for name, entry in measured.items()}, "network": whole}
            write_text(file, json.dumps(stored, indent=1) + "\n")
    return {name: Seconds(*entry) for name, entry in stored["seconds"].items()}, stored["network"]


def measured_on(network: Network, table: CostTable, fp_precision: str) -> dict[str, Any]:
    """All that times depend on."""
    return {"architecture": architecture_hash(table), "search_size": network.config.search_size,
            "cpu": cpu_name(), "kernel": kernel(), "threads": torch.get_num_threads(), "torch": torch.__version__,
            "full_precision": fp_precision, "format": 1}


def _stored(file: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise TrackerError(f"{file}: damaged ({error}); delete it, and it is measured again") from error
    if not isinstance(stored, dict) or stored.get("key") != key:
        raise TrackerError(f"{file}: holds other times than its name says; delete it, and they are measured again")
    return stored
