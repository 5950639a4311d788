"""What a packed network runs on: step by step, and in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from b2nn.packed.library import kernel, missing
from b2nn.packed.program import Conv, Program, Step, TorchStep
from b2nn.packed.recognise import recognised

if TYPE_CHECKING:
    from b2nn.packed.prepared import Prepared


@dataclass(frozen=True)
class PackedStep:
    """One step of a packed method.

    Attributes:
        method, name: of the network, and of the value that the step makes.
        kind: "conv", "linear", "pool", "elementwise" and so on; "torch" is a function of torch or a module.
        precision: "bits", "float32", "bf16" or "int8".
        packed: whether the compiled kernels run it.
        why: what keeps it in torch, "" where nothing does.
        once: a size or a view, which is made with the maps and costs a call nothing.
    """

    method: str
    name: str
    kind: str
    precision: str
    packed: bool
    why: str = ""
    once: bool = False


def listed(programs: Mapping[str, Program], ran: Mapping[str, Prepared]) -> list[PackedStep]:
    """All steps.

    Args:
        ran: methods that ran already, as they did.
    """
    without = missing()
    steps = []
    for method, program in programs.items():
        prepared = ran.get(method)
        for step in (program if without else prepared.program if prepared else recognised(program)).steps:
            once = prepared is not None and not without and step.result in prepared.once
            steps.append(_listed(method, step, without or _why(step, prepared), once))
    return steps


def summary(steps: list[PackedStep], programs: Mapping[str, Program]) -> str:
    """For `repr`: a line a method, and one for each step that stays in torch."""
    lines = []
    for method, program in programs.items():
        own = [step for step in steps if step.method == method]
        counts = Counter(f"{step.precision} {step.kind}" for step in own if step.packed)
        text = ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing"
        lines.append(f"{method}({', '.join(program.inputs)}): {text} on the {kernel()} kernels" if not missing() else
                     f"{method}({', '.join(program.inputs)}): {len(own)} steps in torch: {missing()}")
        lines += [f"  in torch: {step.name}, {step.why}" for step in own
                  if not step.packed and not step.once and not missing()]
    return "\n".join(lines)


def _listed(method: str, step: Step, why: str, once: bool) -> PackedStep:
    kind = "torch" if isinstance(step, TorchStep) else type(step).__name__.lower()
    if isinstance(step, Conv) and step.linear:
        kind = "linear"
    precision = step.precision if isinstance(step, Conv) else "float32"
    return PackedStep(method, step.result, kind, precision, not why, why, once)


def _why(step: Step, prepared: Any) -> str:
    if isinstance(step, TorchStep):
        return f"torch function {step.name}" if step.name else f"not followed by torch.fx: {step.layer}"
    if prepared is not None and step.result in prepared.in_torch:
        return (f"{prepared.in_torch[step.result]}: the kernels take float32 maps (N, C, H, W), and what is added or "
                "multiplied in their shape; reshape or expand it before")
    return ""
