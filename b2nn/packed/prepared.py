"""A program made ready for the compiled kernels at one input size: maps in memory, and few calls for all steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from b2nn.errors import B2nnError
from b2nn.packed import reference
from b2nn.packed.layout import LANES, output_size
from b2nn.packed.layouts import Layouts
from b2nn.packed.native import PLAIN, Buffers, Epilogue, compare, conv, correlate, elementwise, gate, pool, read
from b2nn.packed.program import (
    Activation,
    Compare,
    Conv,
    Correlate,
    Elementwise,
    Gate,
    Mean,
    Pool,
    Program,
    Step,
    TorchStep,
    Value,
    sources,
    substituted,
    values_in,
)
from b2nn.packed.recognise import recognised
from b2nn.packed.results import callers, constants, memory_of
from b2nn.packed.step import MAX_BITS, Steps

_OF_SHAPES = ("attribute", "method.size", "method.dim", "method.numel")
_OF_VALUES = ("item", "tolist", "nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "where",
              "repeat_interleave", "one_hot", "bincount")  # what they return has a shape that values decide


class Prepared:
    """Runs one program on inputs of one shape. What it returns is the caller's to keep.

    Steps that the kernels know write maps that stay in memory from call to call; consecutive ones are one call. Torch
    functions between them see views of the maps. Those that only look at shapes or make views are called once, here.

    Args:
        inputs: the first ones; by a run of the reference on them every shape becomes known.
        layouts: weights as the kernels read them, kept for programs and sizes that share them.
    """

    def __init__(self, program: Program, inputs: Sequence[Any], layouts: Layouts) -> None:
        program = recognised(program)
        self.program, self.layouts = program, layouts
        self.seen = _all_values(program, inputs)
        self.readers: dict[str, list[Step]] = defaultdict(list)
        for step in program.steps:
            for name in sources(step):
                self.readers[name].append(step)
        self.fixed = _of_fixed_shape(program, self.seen)
        self.native = {id(step) for step in program.steps if self._fits(step)}
        self.buffers: dict[str, Buffers] = {}
        self.linear: dict[str, bool] = {}  # whether a value has its channels last
        self.bound: list[tuple[str, Steps, int]] = []  # inputs, and the steps that read them where the caller has them
        self._make_buffers()
        self.values: dict[str, Any] = {name: self._view(name) for name in self.buffers}
        self.actions: list[Callable[[], None]] = []
        self._pending: list[Any] = []
        self._readers: list[tuple[str, Any]] = []
        self._build()
        self.once = {step.result for step in program.steps if step.result in self.values} - set(self.buffers)
        self.in_torch = {step.result: self._described(step) for step in program.steps if id(step) not in self.native}
        self.own = constants(program) | memory_of([buffers.float for buffers in self.buffers.values()])
        del self.seen, self.readers, self.fixed

    def __call__(self, inputs: Sequence[Any]) -> Any:
        values = self.values
        given = dict(zip(self.program.inputs, inputs, strict=True))
        values.update((name, value) for name, value in given.items() if name not in self.buffers)
        held = []
        for name, run, number in self.bound:
            order = torch.contiguous_format if self.linear[name] else torch.channels_last
            dense = given[name].contiguous(memory_format=order)
            run.bind(number, dense.data_ptr())
            held.append(dense)
        for action in self.actions:
            action()
        return callers(substituted(self.program.output, values), self.own)

    # What runs natively

    def _fits(self, step: Step) -> bool:
        """Whether the kernels can do a step; all else runs as the reference does it."""
        linear = isinstance(step, Conv) and step.linear
        if isinstance(step, TorchStep) or not _is_map(self.seen[step.result], linear):
            return False
        if not all(_is_map(self.seen[name], linear) or self._is_read_as_bytes(name) for name in sources(step)):
            return False
        if isinstance(step, Compare | Gate):
            return self._fits_two(step)
        if isinstance(step, Correlate):
            return self._fits_correlation(step)
        x, y = self.seen[step.source], self.seen[step.result]
        if isinstance(step, Conv):
            # A shortcut may be larger than the sums, which torch broadcasts and the kernels do not.
            return tuple(y.shape) == _own_shape(step, x) and (
                step.shortcut is None or self.seen[step.shortcut].shape == y.shape)
        if isinstance(step, Elementwise):
            other = None if step.other is None else self.seen[step.other]
            return _lengths(step) <= {1, x.shape[1]} and x.shape == y.shape and (
                other is None or other.shape == x.shape)
        return True

    def _described(self, step: Step) -> str:
        """What a step takes and makes here, for people."""
        taken, made = ([f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}" if isinstance(value, Tensor)
                        else type(value).__name__ for value in map(self.seen.get, names)]
                       for names in (sources(step), [step.result]))
        return f"{' and '.join(taken)} to {made[0]}"

    def _is_read_as_bytes(self, name: str) -> bool:
        """Whether an input is bytes that every reader takes for floats: torch functions would see that they are not."""
        value = self.seen[name]
        return isinstance(value, Tensor) and value.dtype == torch.uint8 and value.ndim == 4 and value.numel() > 0 and \
            name in self.program.inputs and name not in values_in(self.program.output) and all(
                (isinstance(step, Elementwise) and step.alpha is not None and step.other != name) or (
                    isinstance(step, Conv) and step.precision == "bits" and step.shortcut != name)
                for step in self.readers[name])

    def _fits_two(self, step: Compare | Gate) -> bool:
        x, y, *other = (self.seen[name] for name in (step.source, step.result, *sources(step)[1:]))
        if not all(len(value) == len(x) for value in (y, *other)):
            return False
        if isinstance(step, Gate):
            plain = all(isinstance(reader, Gate) for reader in self.readers[step.gates])  # so without border
            return x.shape == y.shape and other[0].shape == (*x.shape[:2], 1, 1) and x.shape[1] % 16 == 0 and plain
        return y.shape[1] <= LANES or y.shape[1] % LANES == 0

    def _fits_correlation(self, step: Correlate) -> bool:
        x, kernel, y = (self.seen[name] for name in (step.source, step.kernel, step.result))
        plain = all(isinstance(reader, Correlate) and reader.source != step.kernel
                    for reader in self.readers[step.kernel])  # so without border
        return plain and x.shape[:2] == kernel.shape[:2] == y.shape[:2] and _lengths(step) <= {1, x.shape[1]}

    def _make_buffers(self) -> None:
        """A map for every value that a native step reads or writes, in those formats that somebody reads."""
        linear = self.linear
        for step in self.program.steps:
            if id(step) not in self.native:
                continue
            names = [*sources(step), step.result]
            kind = isinstance(step, Conv) and step.linear
            if any(linear.setdefault(name, kind) != kind for name in names):
                self.native.discard(id(step))
        for step in self.program.steps:
            if id(step) in self.native:
                for name in (*sources(step), step.result):
                    if name not in self.buffers and not self._is_read_in_place(name):
                        self.buffers[name] = self._buffers(name)

        self._share_floats()

    def _share_floats(self) -> None:
        """A conv writes over the map that it adds where nobody reads that later: half the memory to go through."""
        kept = {*self.program.inputs, *values_in(self.program.output)}
        number = {id(step): place for place, step in enumerate(self.program.steps)}
        for step in self.program.steps:
            if id(step) not in self.native or not isinstance(step, Conv) or step.shortcut is None or not step.whole:
                continue
            old, new = self.buffers[step.shortcut], self.buffers[step.result]
            read = [reader for reader in self.readers[step.shortcut] if reader is not step]
            window = step.source == step.shortcut and (step.precision == "float32" or step.groups > 1)
            if step.shortcut not in kept and old.physical == new.physical and new.float is not None and not window \
                    and all(id(reader) in self.native and number[id(reader)] < number[id(step)] for reader in read):
                new.float = old.float

    def _is_read_in_place(self, name: str) -> bool:
        """Whether an input needs no map, since element-wise steps read it where the caller has it."""
        return name in self.program.inputs and name not in values_in(self.program.output) and all(
            id(step) in self.native and isinstance(step, Elementwise) and step.other is None
            for step in self.readers[name])

    def _buffers(self, name: str) -> Buffers:
        value = self.seen[name]
        convs = [step for step in self.readers[name]
                 if id(step) in self.native and isinstance(step, Conv) and step.source == name]
        if self.linear[name]:
            buffers = Buffers(1, value.shape[-1], 1, value.numel() // value.shape[-1])
        else:
            border = max((max(step.padding) for step in convs), default=0)
            border = max([border, *(self.seen[step.kernel].shape[2] // 2 for step in self.readers[name]
                                    if isinstance(step, Correlate) and step.source == name)])
            images, channels, height, width = value.shape
            buffers = Buffers(images, channels, height, width, border)
        made = [step for step in self.program.steps if step.result == name]
        whole = name in self.program.inputs or (len(made) == 1 and id(made[0]) in self.native)
        floats = not whole or name in values_in(self.program.output) or any(
            isinstance(step, Conv) and not _writes_bits_along(step) for step in made)
        for step in self.readers[name]:
            if step not in convs or step.precision == "float32" or name in sources(step)[1:] or step.groups > 1:
                floats = True
        if floats:
            buffers.add_float()
        for step in convs:
            if step.threshold is not None:
                if len(buffers.bits) == MAX_BITS:
                    self.native.discard(id(step))
                    buffers.add_float()
                else:
                    buffers.add_bits(step.threshold, step.groups)
            elif step.precision == "bf16":
                buffers.add_bf16()
            elif step.precision == "int8":
                buffers.add_u8(step.scale, step.zero)
        return buffers

    def _view(self, name: str) -> Tensor | None:
        """A map's floats as the tensor that torch functions see."""
        buffers = self.buffers[name]
        if buffers.float is None:
            return None
        return buffers.float.view(self.seen[name].shape) if self.linear[name] else buffers.inside()

    # Actions

    def _build(self) -> None:
        for name in self.program.inputs:
            if name in self.buffers:
                self._pending += self._reading(name, self.buffers[name])
        for step in self.program.steps:
            if id(step) in self.native:
                self._pending += self._steps(step)
            elif not self._static(step):
                self._flush()
                self._torch(step)
        self._flush()

    def _flush(self) -> None:
        if self._pending:
            run = Steps(self.layouts.library, self._pending)
            numbers = {id(step): number for number, step in enumerate(self._pending)}
            self.bound += [(name, run, numbers[id(step)]) for name, step in self._readers]
            self._readers = []
            self.actions.append(lambda: run(torch.get_num_threads()))
            self._pending = []

    def _pack(self, name: str) -> None:
        """Write the other formats of a map whose floats torch wrote."""
        buffers = self.buffers[name]
        if buffers.bits or buffers.bf16 is not None or buffers.u8 is not None:
            self._pending += elementwise(buffers, buffers)

    def _reading(self, name: str, dest: Buffers, epilogue: Epilogue = PLAIN) -> list[Any]:
        """Steps of which the first reads an input where the caller has it."""
        steps = read(self.seen[name].dtype, dest, epilogue=epilogue)
        self._readers.append((name, steps[0]))
        return steps

    def _steps(self, step: Any) -> list[Any]:
        dest = self.buffers[step.result]
        if step.source not in self.buffers:
            return self._reading(step.source, dest, _epilogue(step, step.activation, None))
        source = self.buffers[step.source]
        if isinstance(step, Compare):
            return compare(source, self.buffers[step.kernel], dest)
        if isinstance(step, Correlate):
            kernel = self.buffers[step.kernel]
            return correlate(source, kernel, dest, padding=(kernel.height // 2,) * 2,
                             epilogue=_epilogue(step, step.activation, None))
        if isinstance(step, Gate):
            return gate(source, self.buffers[step.gates], dest)
        if isinstance(step, Mean):
            size = source.height, source.width
            return pool("average", source, dest, size, stride=size)
        if isinstance(step, Pool):
            return pool("max" if step.kind == "max" else "average", source, dest, step.kernel, stride=step.stride,
                        padding=step.padding, count_include_pad=step.count_include_pad)
        if isinstance(step, Elementwise):
            other = None if step.other is None else self.buffers[step.other]
            return elementwise(source, dest, epilogue=_epilogue(step, step.activation, other))
        return self._conv(step, source, dest)

    def _conv(self, step: Conv, source: Buffers, dest: Buffers) -> list[Any]:
        other = None if step.shortcut is None else self.buffers[step.shortcut]
        plane = 0 if step.threshold is None else source.add_bits(step.threshold, step.groups)
        window: dict[str, Any] = dict(stride=step.stride, padding=step.padding, dilation=step.dilation, plane=plane)
        weights = self.layouts.weights(step)
        if step.whole:
            return conv(source, dest, weights, epilogue=_epilogue(step, step.activation, other), **window)
        end = step.first + len(step.weight)
        other = None if other is None else other.part(step.first, end)
        made = conv(source, dest.part(step.first, end), weights, emit=("float",),
                    epilogue=_epilogue(step, step.activation, other), **window)
        last = end == step.channels and (dest.bits or dest.bf16 is not None or dest.u8 is not None)
        return [*made, *elementwise(dest, dest)] if last else made

    def _static(self, step: Step) -> bool:
        """Do a torch function once and for all where calls cannot change what it returns.

        That is a number that depends on shapes only, or a view of a map that stays where it is.
        """
        if not isinstance(step, TorchStep) or step.result in self.buffers:
            return False
        if step.name in _OF_SHAPES and not _tensors(self.seen[step.result]) and step.result in self.fixed:
            self.values[step.result] = self.seen[step.result]
            return True
        names = values_in((step.args, step.kwargs))
        if not all(map(self._is_static, names)):
            return False
        reference.perform(step, self.values)
        read, made = memory_of([self.values[name] for name in names]), memory_of(self.values[step.result])
        if made <= read and bool(made) == bool(read):
            return True
        del self.values[step.result]
        return False

    def _is_static(self, name: str) -> bool:
        return (name in self.values and name not in self.program.inputs) or name in self.buffers

    def _torch(self, step: Step) -> None:
        """A step in torch; a native one after it reads its result from a map."""
        values, name = self.values, step.result
        perform = _performer(step, values) if isinstance(step, TorchStep) else lambda: _result_of(step, values)
        if name in self.buffers:
            view, shape = values[name], self.seen[name].shape

            def keep() -> None:
                result = perform()
                if result.shape != shape:
                    raise B2nnError(f"step {name!r} makes {tuple(result.shape)} of these values and {tuple(shape)} of "
                                    "others; a packed network needs shapes that depend on shapes only")
                view.copy_(result)

            self.actions.append(keep)
            self._pack(name)
        else:
            self.actions.append(lambda: values.__setitem__(name, perform()))


def _all_values(program: Program, inputs: Sequence[Any]) -> dict[str, Any]:
    seen: dict[str, Any] = dict(zip(program.inputs, inputs, strict=True))
    reference.run(program, inputs, lambda step, values: seen.update(values), _shape)
    return seen


def _shape(step: Step, values: dict[str, Any]) -> None:
    """A step done as the reference does it, but for convs: they take the time, and zeros have their shapes too."""
    if not isinstance(step, Conv):
        reference.perform(step, values)
        return
    x = values[step.source]
    reference.check(step, x)
    shape = _own_shape(step, x)
    if step.shortcut is not None:
        shape = tuple(torch.broadcast_shapes(shape, torch.as_tensor(values[step.shortcut]).shape))  # or a number
    if min(shape[2:], default=1) < 1 and not step.linear:
        raise B2nnError(f"conv {step.result!r} has a kernel larger than its map of {tuple(x.shape[2:])}")
    values[step.result] = torch.zeros(shape)


def _of_fixed_shape(program: Program, seen: dict[str, Any]) -> set[str]:
    """Names of the values whose shapes depend on the shapes of the inputs only."""
    fixed = set(program.inputs)
    for step in program.steps:
        by_values = isinstance(step, TorchStep) and (
            not step.name or step.name.rpartition(".")[2] in _OF_VALUES or (
                step.name == "operator.getitem" and any(
                    isinstance(seen[name], Tensor) for name in values_in(step.args[1:]))))
        if not by_values and fixed.issuperset(sources(step)):
            fixed.add(step.result)
    return fixed


def _own_shape(step: Conv, x: Tensor) -> tuple[int, ...]:
    """Of what a conv makes of x by itself."""
    if step.linear:
        return (*x.shape[:-1], step.channels)
    sides = map(output_size, x.shape[2:], step.weight.shape[2:], step.stride, step.padding, step.dilation)
    return (len(x), step.channels, *sides)


def _tensors(nested: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]


def _lengths(step: Elementwise | Correlate) -> set[int]:
    """Of its channel constants."""
    constants = (step.alpha, step.beta, step.activation.slope, step.activation.shift_in)
    return {len(tensor) for tensor in constants if tensor is not None}


def _is_map(value: Any, linear: bool) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float32 and value.numel() > 0 and \
        (linear or value.ndim == 4)


def _writes_bits_along(step: Conv) -> bool:
    """Whether its vectors of 16 outputs are whole words of bits, see `b2nn.packed.epilogue.written`; else floats are
    written first. Depthwise convs of floats have no groups for the kernels."""
    depthwise = step.precision == "float32" and step.weight.shape[1] == 1
    return step.groups == 1 or depthwise or len(step.weight) // step.groups % 16 == 0


def _epilogue(step: Conv | Elementwise | Correlate, activation: Activation, other: Buffers | None) -> Epilogue:
    parameters = [tensor for tensor in (activation.shift_in, activation.slope, activation.shift_out)
                  if tensor is not None]
    constants = dict(gamma=step.gamma, beta_taps=step.centre_taps()) if isinstance(step, Conv) else {}
    return Epilogue(step.alpha, beta=step.beta, shortcut=other, act=activation.name, act_parameters=parameters,
                    **constants)


def _result_of(step: Step, values: dict[str, Any]) -> Any:
    after = dict(values)
    reference.perform(step, after)
    return after[step.result]


def _performer(step: TorchStep, values: dict[str, Any]) -> Callable[[], Any]:
    """The call of a torch function, with as little work at each call as its arguments allow."""
    function, args, kwargs = step.function, step.args, step.kwargs
    places = [(place, arg.name) for place, arg in enumerate(args) if isinstance(arg, Value)]
    if len(places) < len(values_in((args, kwargs))):  # some are nested
        return lambda: function(*substituted(args, values), **substituted(kwargs, values))
    given = list(args)

    def perform() -> Any:
        for place, name in places:
            given[place] = values[name]
        return function(*given, **kwargs)
    return perform
