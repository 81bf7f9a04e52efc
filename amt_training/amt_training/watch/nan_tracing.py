"""Where a number first became NaN or infinite: repeats a step with every module watched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils.hooks import RemovableHandle

from amt_training.watch.gradients import plain_name

_Visit = Callable[[str, Tensor], Tensor]
_SHOWN = 8
"""So many samples or parameters are named at the most."""


def trace_non_finite(
    task: nn.Module, step: Callable[[], tuple[Tensor, Mapping[str, Tensor]]]
) -> str:
    """What made the loss of a training step, or its gradients, not finite: a sentence's worth,
    without capital and full stop, for an error message. Empty where everything is finite when the
    step is repeated: then it depends on what a GPU does in another order each time.

    That is a value of the network's input, or the first module (innermost, by its dotted path in
    the task) whose output is not finite while its inputs are, or a term of the loss; where all of
    these are finite, the module that turns finite gradients into others.

    Gradients in `.grad` and buffers stay as they are; what torch.compile compiled runs uncompiled.
    It costs some times as much as a step. Where the network is wrapped in DDP, all processes have
    to call it.

    task: `trainer.interfaces.Task`, whose network is called `model`. step: its forward pass on the
    batch that failed, with the same random numbers; returns the loss and its terms.
    """
    buffers = {one: one.clone() for one in task.buffers()}
    trace = _Trace(task)
    try:
        with torch.compiler.set_stance("force_eager"), torch.enable_grad():
            try:
                total, terms = step()
            except Exception:  # a NaN can end the step itself, in the matching of objects
                if trace.fault:
                    return trace.fault
                raise
            return trace.forward_fault(total, terms) or trace.backward_fault(total, terms)
    finally:
        trace.remove()
        for buffer, before in buffers.items():
            buffer.copy_(before)


@dataclass(eq=False)
class _Call:
    """One call of a module."""

    name: str
    """Dotted path in the task; empty for the task itself."""
    module: nn.Module
    caller: _Call | None
    input_fault: str = ""
    """Which of its inputs is not finite; empty for none."""
    inputs: list[Tensor] = field(default_factory=list)
    """Those with a gradient, as this call alone sees them."""
    output_gradient_bad: bool = False


class _Trace:
    """Hooks on all modules of the task, and what they have seen."""

    def __init__(self, task: nn.Module) -> None:
        self._task = task
        self._stack: list[_Call] = []
        self._in_forward = True
        self._input_fault = ""
        self._output_fault = ""
        self._bad_gradient: tuple[_Call, bool] | None = None
        """The first one in time; whether it belongs to the call's input or to its output."""
        self._handles: list[RemovableHandle] = []
        for path, module in task.named_modules():
            if not isinstance(module, ParametrizationList):  # its owner is the one to name
                self._handles += [
                    module.register_forward_pre_hook(
                        self._before(plain_name(path)), with_kwargs=True
                    ),
                    module.register_forward_hook(self._after),
                ]

    def remove(self) -> None:
        """Take the hooks off."""
        while self._handles:
            self._handles.pop().remove()

    @property
    def fault(self) -> str:
        """What the forward pass through the modules has shown so far; empty for nothing."""
        return self._input_fault or self._output_fault

    def forward_fault(self, total: Tensor, terms: Mapping[str, Tensor]) -> str:
        """What the forward pass showed; empty when all is finite."""
        self._in_forward = False
        if self.fault:
            return self.fault
        if bad := [name for name, term in terms.items() if not _finite(term)]:
            return f"the loss's {_listed('term', bad)} not finite, the model's output is"
        if not _finite(total):
            return "the loss is not finite, all of its terms are: look at their weights"
        return ""

    def backward_fault(self, total: Tensor, terms: Mapping[str, Tensor]) -> str:
        """What the backward pass shows; empty when all is finite."""
        named = [(n, one) for n, one in self._task.named_parameters() if one.requires_grad]
        gradients = torch.autograd.grad(
            total, [one for _, one in named], retain_graph=True, allow_unused=True
        )
        if self._bad_gradient is None:
            bad = [
                plain_name(name)
                for (name, _), gradient in zip(named, gradients, strict=True)
                if gradient is not None and not _finite(gradient)
            ]
            return f"the gradient of the {_listed('parameter', bad)} not finite" if bad else ""
        call, of_input = self._bad_gradient
        culprit: _Call | None = call
        if not of_input:  # it was finite at what the caller gives back, so the caller broke it
            while culprit is not None and culprit.output_gradient_bad:
                culprit = culprit.caller
        if culprit is None:
            return "the gradient of the loss itself is not finite: look at how it is scaled"
        sentence = (
            f"{_described(culprit)} makes finite gradients not finite, on the way back from its "
            "output to its inputs"
        )
        if culprit.name.split(".")[0] != "model":
            bad = [name for name, term in terms.items() if _breaks_gradient(term, culprit.inputs)]
            if bad:
                sentence += f": those of the {_listed('term', bad)} not finite"
        return sentence

    def _before(self, name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if not self._in_forward:
                return None
            call = _Call(name, module, self._stack[-1] if self._stack else None)
            self._stack.append(call)

            def look(path: str, tensor: Tensor) -> Tensor:
                if not call.input_fault and not _finite(tensor):
                    call.input_fault = path
                    if name == "model":  # what is unknown of the loss's target may well be NaN
                        self._input_fault = f"the model's input {path} is not finite"
                        self._input_fault += _samples(tensor)
                if not tensor.requires_grad:
                    return tensor
                own = tensor.view_as(tensor)  # gets the gradient of this use alone
                own.register_hook(self._gradient(call, of_input=True))
                call.inputs.append(own)
                return own

            names = list(inspect.signature(module.forward).parameters)
            names += [names[-1] if names else ""] * len(arguments)  # *args
            seen = tuple(
                _each(one, look, path) for path, one in zip(names, arguments, strict=False)
            )
            return seen, {path: _each(one, look, path) for path, one in named.items()}

        return hook

    def _after(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if not self._in_forward:
            return
        call = self._stack.pop()
        bad: list[str] = []

        def look(path: str, tensor: Tensor) -> Tensor:
            if not _finite(tensor):
                bad.append(path)
            if tensor.requires_grad:
                tensor.register_hook(self._gradient(call, of_input=False))
            return tensor

        _each(output, look, "")
        if bad and not call.input_fault and not self._output_fault:
            self._output_fault = _output_fault(call, bad)

    def _gradient(self, call: _Call, of_input: bool) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            if _finite(gradient):
                return
            if self._bad_gradient is None:
                self._bad_gradient = call, of_input
            if not of_input:
                call.output_gradient_bad = True

        return hook


def _output_fault(call: _Call, outputs: list[str]) -> str:
    outputs = [one for one in outputs if one]  # a single tensor has no name
    what = _listed("output", outputs) if outputs else "output is"
    sentence = f"{_described(call)} is the first whose {what} not finite while its inputs are"
    for values in (call.module.named_parameters(), call.module.named_buffers()):
        if bad := [name for name, one in values if not _finite(one)]:
            return f"{sentence}: its {_listed('weight', bad)} not finite"
    return sentence


def _described(call: _Call) -> str:
    return f"{call.name or 'the task'} ({type(call.module).__name__})"


def _each(value: Any, visit: _Visit, path: str) -> Any:
    """The value with `visit` applied to all tensors in it, wherever they are kept."""
    if isinstance(value, Tensor):
        return visit(path, value)
    if isinstance(value, dict):
        changed = {key: _each(one, visit, _joined(path, str(key))) for key, one in value.items()}
        return changed if type(value) is dict else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        named = zip(value._fields, value, strict=True)
        return type(value)(*(_each(one, visit, _joined(path, name)) for name, one in named))
    if isinstance(value, (list, tuple)):
        return type(value)(_each(one, visit, f"{path}[{i}]") for i, one in enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if one.init]
        parts = ((name, getattr(value, name)) for name in names)
        return replace(value, **{n: _each(one, visit, _joined(path, n)) for n, one in parts})
    return value


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.detach().isfinite().all())


def _breaks_gradient(term: Tensor, inputs: Sequence[Tensor]) -> bool:
    if not (term.requires_grad and inputs):
        return False
    gradients = torch.autograd.grad(term, inputs, retain_graph=True, allow_unused=True)
    return not all(one is None or _finite(one) for one in gradients)


def _samples(tensor: Tensor) -> str:
    """In which samples of the batch a tensor [B, ...] is not finite."""
    if tensor.ndim == 0:
        return ""
    bad = (~tensor.detach().isfinite()).reshape(len(tensor), -1).any(1).nonzero()[:, 0].tolist()
    if len(bad) == 1:
        return f" in sample {bad[0]} of the batch"
    shown = ", ".join(str(one) for one in bad[:_SHOWN])
    return f" in {len(bad)} of {len(tensor)} samples ({shown}{', ...' if bad[_SHOWN:] else ''})"


def _listed(kind: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{kind} {names[0]} is"
    shown = ", ".join(names[:_SHOWN])
    return f"{kind}s {shown}{', ...' if names[_SHOWN:] else ''} are"
