"""The folder of one tracker under training: what belongs in it, and when it may be touched."""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from b2nn.cost import CostTable
from b2nn.plan import BinarizationPlan
from datasets.files import write_text
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.errors import TrackerError
from tracker.models import Network


@dataclass(frozen=True)
class RunFolder:
    """`config.py`, `plan.json`, `checkpoint.pth`, `summary.json`, `log.txt` and a folder a phase."""

    path: Path
    sections: tuple[str, ...]  # of the configuration, on which the run depends; or fields, as ``section.field``

    def claim(self, config: Config, resume: bool) -> bool:
        """Take the folder for `config`; whether the run in it has finished before.

        Raises:
            TrackerError: it holds an unfinished run and `resume` is not asked for, or a run of another configuration
                (naming the first field that differs).
        """
        file = self.path / "config.py"
        finished = (self.path / "summary.json").is_file()
        if not file.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(".tmp.py")
            config.dump(str(temporary))
            os.replace(temporary, file)
            return False
        if not finished and not resume:
            raise TrackerError(f"{self.path}: holds an unfinished run; go on with --resume or choose another "
                               "--work-dir")
        stored, wanted = Config.fromfile(file), Config.fromstring(config.pretty_text, ".py")
        difference = _first_difference(*({name: _field(one, name) for name in self.sections}
                                         for one in (stored, wanted)))
        if difference:
            raise TrackerError(f"{file}: the run was made with another {difference}; choose another --work-dir")
        return finished

    def finish(self, network: Network, checkpoint: Checkpoint, plan: BinarizationPlan,
               summary: dict[str, Any]) -> None:
        """Write plan, checkpoint and, last, the summary that marks the run as whole."""
        plan.save(self.path / "plan.json")
        save_checkpoint(self.path / "checkpoint.pth", network, checkpoint)
        write_json(self.path / "summary.json", summary)


def summarize(name: str, method: str, budget: float | None, table: CostTable, plan: BinarizationPlan,
              full_table: CostTable, **more: Any) -> dict[str, Any]:
    """The content of `summary.json`.

    Args:
        table: costs of the trained network (a pruned one has its own).
        full_table: costs of the full-precision network that it came from.
    """
    counted = table.counted(plan.full)
    return {
        "tracker": name,
        "method": method,
        "budget": budget,
        "flops_ratio": counted / full_table.total,
        "counted_flops": counted,
        "fp_flops": full_table.total,
        "floor": full_table.floor,
        "params_1bit": table.params_1bit(plan.full),
        "params_32bit": table.params_32bit(plan.full),
        "peak_memory_mb": peak_memory_mb(),
        **more,
    }


def peak_memory_mb() -> float:
    """Largest resident set so far of this process and of its largest child, added, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(sum(resource.getrusage(kind).ru_maxrss for kind in kinds) * unit / 1e6, 1)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def _field(config: Config, name: str) -> Any:
    """A section, or a field by its dotted name; None where it has its default."""
    section, _, field = name.partition(".")
    return config[section].get(field) if field else config[section]


def _first_difference(stored: Any, wanted: Any, where: str = "") -> str:
    """Dotted name of the first field in which two configurations differ, '' where they do not."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for key in sorted({*stored, *wanted}):
            if key not in stored or key not in wanted:
                return f"{where}{key}"
            difference = _first_difference(stored[key], wanted[key], f"{where}{key}.")
            if difference:
                return difference
        return ""
    return "" if stored == wanted else f"{where.rstrip('.')} ({stored!r}, not {wanted!r})"
