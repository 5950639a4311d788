"""Partial binarization of any torch model to a FLOPs budget.

The names below are imported when they are first used, so that `import b2nn` does not load torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "b2nn.activations": ("activation",),
    "b2nn.convert": ("binarize", "clip_latent_", "latent_weights", "reestimate_batchnorm",
                     "set_progress"),
    "b2nn.cost": ("LANES", "CostTable", "UnitCost", "profile"),
    "b2nn.errors": ("B2nnError", "BudgetError", "PlanError", "UnsupportedModule"),
    "b2nn.layers": ("BinaryConv2d", "BinaryLinear"),
    "b2nn.plan": ("BinarizationPlan", "all_binary", "all_full", "architecture_hash", "check_budget",
                  "load_plan", "make_plan", "validate"),
    "b2nn.recipe": ("Recipe",),
    "b2nn.regularizers": ("kurtosis_loss",),
}
__all__ = sorted(name for names in _HOME.values() for name in names)


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'b2nn' has no attribute {name!r}")
