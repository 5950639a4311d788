"""Studies by name or file, refused at once where they would compare what cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from b2nn.search import STRATEGIES
from eval.study.plan import STUDIES, Study, Variant, read_study
from tracker.errors import TrackerError

METHODS = (*STRATEGIES, "pruned", "bnn", "fp")


def load_study(name_or_path: str) -> Study:
    """A study by the name of its file in `eval/study/configs`, or a file of one's own.

    Raises:
        TrackerError: no such study, or a field that cannot be used, named.
    """
    path = Path(name_or_path)
    if path.suffix != ".py":
        path = STUDIES / f"{name_or_path}.py"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in STUDIES.glob("*.py")))
        raise TrackerError(f"--config {name_or_path}: no such study; choose {known} or name a .py file")
    study = read_study(path)
    names = [variant.name for variant in study.variants]
    if not names:
        raise TrackerError(f"{path}: variants is empty; name at least one")
    if len(set(names)) < len(names):
        raise TrackerError(f"{path}: two variants have the same name")
    rules: tuple[Callable[[Study, Variant], str | None], ...] = (_field_fault, _rival_fault, _plan_fault)
    for variant in study.variants:
        fault = next((found for rule in rules if (found := rule(study, variant))), None)
        if fault:
            raise TrackerError(f"{path}: variant {variant.name!r}: {fault}")
    return study


def _field_fault(study: Study, variant: Variant) -> str | None:
    if variant.method not in METHODS:
        return f"method {variant.method!r} is unknown; choose one of {', '.join(METHODS)}"
    if variant.base not in study.bases:
        return f"base {variant.base!r} is not one of {', '.join(study.bases)}"
    if variant.method == "fp" and variant.overrides:
        return "method fp trains nothing that overrides could change; give them to a base of its own"
    if variant.widths and variant.method in ("fp", "pruned"):
        return f"widths are searched along with a plan, and method {variant.method} has none; leave them out"
    for budget in study.budgets_of(variant):
        if budget is not None and not (math.isfinite(budget) and 0 < budget <= 1):
            return f"budget {budget} is not in (0, 1]"
    return None


def _rival_fault(study: Study, variant: Variant) -> str | None:
    """A rival has a training at each of the variant's budgets, or one without any that stands beside all."""
    name = study.rival_of(variant)
    if name is None:
        return None
    if name not in [other.name for other in study.variants]:
        return f"rival {name!r} is no variant"
    rival = study.variant(name)
    theirs = study.budgets_of(rival)
    lacking = [budget for budget in study.budgets_of(variant) if budget is not None and budget not in theirs]
    if lacking and None not in theirs:
        return f"rival {name!r} has no training at budget {lacking[0]:g}"
    seeds, others = set(study.seeds_of(variant)), set(study.seeds_of(rival))
    if len(seeds) > 1 and len(others) > 1 and seeds != others:
        return f"seeds {sorted(seeds)} are not those of rival {name!r}, {sorted(others)}; give both the same"
    return None


def _plan_fault(study: Study, variant: Variant) -> str | None:
    """A plan is taken over from a search that was made for the same budget and seed."""
    if variant.plan_of is None:
        return None
    where = f"plan_of {variant.plan_of!r}"
    if variant.plan_of not in [other.name for other in study.variants]:
        return f"{where} is no variant"
    giver = study.variant(variant.plan_of)
    if giver.method not in STRATEGIES or giver.plan_of or giver.widths:
        return f"{where} searches no plan for a budget; name a variant that does, of one width"
    if variant.method != "mixbin" or variant.widths:
        return f"{where} takes the place of the search of method mixbin, at one width"
    for field, own, given in (("budget", study.budgets_of(variant), study.budgets_of(giver)),
                              ("seed", study.seeds_of(variant), study.seeds_of(giver))):
        lacking = [value for value in own if value not in given]
        if lacking:
            return f"{where} has no plan of {field} {lacking[0]:g}"
    return None
