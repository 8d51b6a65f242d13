"""Graphs of ONNX, written like numpy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

OPSET = 17  # the oldest with all operators that are used, so that old runtimes read it
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3
IR_VERSION = 8  # of that opset

Operand = Union["Tensor", np.ndarray, float, int]


def onnx_package() -> Any:
    """Return the package onnx, or say what to install."""
    try:
        import onnx
    except ImportError:
        raise ImportError(
            "ONNX models need the package onnx; install it with: "
            "pip install 'skdae[onnx]'"
        ) from None
    return onnx


@dataclass
class Graph:
    """Nodes and constants of a graph, whose names begin with a prefix."""

    prefix: str
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)
    _n_names: int = 0

    def name(self) -> str:
        """Return a name that no other value of the graph has."""
        self._n_names += 1
        return f"{self.prefix}{self._n_names}"

    def add(
        self,
        operator: str,
        inputs: Sequence["Tensor"],
        dtype: Any,
        *,
        domain: str = "",
        **attributes: Any,
    ) -> "Tensor":
        """Add a node and return its output."""
        (name,) = self._add(operator, inputs, 1, domain=domain, **attributes)
        return Tensor(self, name, np.dtype(dtype))

    def _add(
        self,
        operator: str,
        inputs: Sequence["Tensor"],
        n_outputs: int,
        **attributes: Any,
    ) -> list[str]:
        """Add a node and return the names of its outputs."""
        names = [self.name() for _ in range(n_outputs)]
        node = onnx_package().helper.make_node(
            operator,
            [each.name for each in inputs],
            names,
            name=f"node_{names[0]}",
            **attributes,
        )
        self.nodes.append(node)
        return names

    def keep(self, outputs: Sequence["Tensor"]) -> None:
        """Remove what these outputs do not need."""
        needed, kept = {each.name for each in outputs}, []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(_reads(node))
                kept.append(node)
        self.nodes = kept[::-1]
        self.initializers = [each for each in self.initializers if each.name in needed]

    def constant(self, values: Any, dtype: Any = None) -> "Tensor":
        """Return a constant; text is an array of objects."""
        array = np.array(values, dtype=dtype, order="C")
        name = self.name()
        self.initializers.append(onnx_package().numpy_helper.from_array(array, name))
        return Tensor(self, name, array.dtype)

    def concatenated(self, parts: Sequence["Tensor"], axis: int = 1) -> "Tensor":
        """Return tensors side by side."""
        if len(parts) == 1:
            return parts[0]
        return self.add("Concat", parts, parts[0].dtype, axis=axis)

    def where(self, condition: "Tensor", one: Operand, other: Operand) -> "Tensor":
        """Return the cells of one tensor, of the other one where a condition fails."""
        given = one if isinstance(one, Tensor) else other
        assert isinstance(given, Tensor)
        parts = [given.like(one), given.like(other)]
        return self.add("Where", [condition, *parts], given.dtype)

    def loop(
        self,
        n_times: "Tensor",
        state: Sequence["Tensor"],
        step: Callable[["Graph", "Tensor", Sequence["Tensor"]], Sequence["Tensor"]],
    ) -> list["Tensor"]:
        """Return a state after a step, of its number and the state, is repeated.

        What the step reads of this graph must be constants.
        """
        onnx = onnx_package()
        helper = onnx.helper
        body = Graph(f"{self.name()}_")
        number = Tensor(body, body.name(), np.dtype(np.int64))
        proceed = Tensor(body, body.name(), np.dtype(bool))
        before = [Tensor(body, body.name(), each.dtype) for each in state]
        after = step(body, number, before)
        again = body.add("Identity", [proceed], bool)
        inputs = [
            helper.make_tensor_value_info(number.name, onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info(proceed.name, onnx.TensorProto.BOOL, []),
            *(each.value_info() for each in before),
        ]
        outputs = [
            helper.make_tensor_value_info(again.name, onnx.TensorProto.BOOL, []),
            *(each.value_info() for each in after),
        ]
        graph = helper.make_graph(
            body.nodes, body.prefix, inputs, outputs, body.initializers
        )
        inputs_of_loop = [n_times, self.constant(True), *state]
        names = self._add("Loop", inputs_of_loop, len(state), body=graph)
        return [
            Tensor(self, name, each.dtype)
            for name, each in zip(names, state, strict=True)
        ]


def _reads(node: Any) -> set[str]:
    """Return the names that a node reads, also within the body of a loop."""
    inner = [each for attribute in node.attribute for each in attribute.g.node]
    return set(node.input).union(*map(_reads, inner))


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of a graph; constants beside it are taken in its dtype."""

    graph: Graph
    name: str
    dtype: np.dtype

    def value_info(self, shape: Sequence[int | None] | None = None) -> Any:
        """Return the description of an input or output."""
        helper = onnx_package().helper
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        return helper.make_tensor_value_info(self.name, kind, shape)

    def like(self, other: Operand) -> "Tensor":
        """Return another operand as a tensor."""
        if isinstance(other, Tensor):
            return other
        return self.graph.constant(other, self.dtype)

    def _apply(self, operator: str, *others: Operand, dtype: Any = None) -> "Tensor":
        inputs = [self, *(self.like(other) for other in others)]
        return self.graph.add(operator, inputs, dtype or self.dtype)

    def _reversed(self, operator: str, other: Operand) -> "Tensor":
        return self.graph.add(operator, [self.like(other), self], self.dtype)

    def __add__(self, other: Operand) -> "Tensor":
        return self._apply("Add", other)

    def __radd__(self, other: Operand) -> "Tensor":
        return self._reversed("Add", other)

    def __sub__(self, other: Operand) -> "Tensor":
        return self._apply("Sub", other)

    def __rsub__(self, other: Operand) -> "Tensor":
        return self._reversed("Sub", other)

    def __mul__(self, other: Operand) -> "Tensor":
        return self._apply("Mul", other)

    def __rmul__(self, other: Operand) -> "Tensor":
        return self._reversed("Mul", other)

    def __truediv__(self, other: Operand) -> "Tensor":
        return self._apply("Div", other)

    def __rtruediv__(self, other: Operand) -> "Tensor":
        return self._reversed("Div", other)

    def __matmul__(self, other: Operand) -> "Tensor":
        return self._apply("MatMul", other)

    def __neg__(self) -> "Tensor":
        return self._apply("Neg")

    def __abs__(self) -> "Tensor":
        return self._apply("Abs")

    def __invert__(self) -> "Tensor":
        return self._apply("Not")

    def __and__(self, other: Operand) -> "Tensor":
        return self._apply("And", other)

    def __or__(self, other: Operand) -> "Tensor":
        return self._apply("Or", other)

    def __lt__(self, other: Any) -> "Tensor":
        return self._apply("Less", other, dtype=bool)

    def __le__(self, other: Any) -> "Tensor":
        return self._apply("LessOrEqual", other, dtype=bool)

    def __gt__(self, other: Any) -> "Tensor":
        return self._apply("Greater", other, dtype=bool)

    def __ge__(self, other: Any) -> "Tensor":
        return self._apply("GreaterOrEqual", other, dtype=bool)

    def equals(self, other: Operand) -> "Tensor":
        """Return where values are equal."""
        return self._apply("Equal", other, dtype=bool)

    def is_nan(self) -> "Tensor":
        """Return where a value is missing."""
        return self._apply("IsNaN", dtype=bool)

    def log(self) -> "Tensor":
        """Return the natural logarithm."""
        return self._apply("Log")

    def exp(self) -> "Tensor":
        """Return the exponential."""
        return self._apply("Exp")

    def sqrt(self) -> "Tensor":
        """Return the square root."""
        return self._apply("Sqrt")

    def sign(self) -> "Tensor":
        """Return -1, 0 or 1."""
        return self._apply("Sign")

    def square(self) -> "Tensor":
        """Return the square."""
        return self * self

    def maximum(self, other: Operand) -> "Tensor":
        """Return the larger of two values."""
        return self._apply("Max", other)

    def minimum(self, other: Operand) -> "Tensor":
        """Return the smaller of two values."""
        return self._apply("Min", other)

    def clip(self, low: Operand, high: Operand) -> "Tensor":
        """Return values within limits; none may be missing."""
        return self.maximum(low).minimum(high)

    def cast(self, dtype: Any) -> "Tensor":
        """Return values of another dtype."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        kind = onnx_package().helper.np_dtype_to_tensor_dtype(dtype)
        return self.graph.add("Cast", [self], dtype, to=kind)

    def sum(self, axis: int = 1, *, keepdims: bool = True) -> "Tensor":
        """Return sums along an axis."""
        axes = self.graph.constant([axis], np.int64)
        inputs = [self, axes]
        return self.graph.add("ReduceSum", inputs, self.dtype, keepdims=int(keepdims))

    def take(self, places: Any, axis: int = 1) -> "Tensor":
        """Return what stands at some places, a tensor or an array."""
        index = places
        if not isinstance(places, Tensor):
            index = self.graph.constant(places, np.int64)
        return self.graph.add("Gather", [self, index], self.dtype, axis=axis)

    def expanded(self, axis: int) -> "Tensor":
        """Return the tensor with one more axis of length one."""
        axes = self.graph.constant([axis], np.int64)
        return self.graph.add("Unsqueeze", [self, axes], self.dtype)

    def reshaped(self, *shape: int) -> "Tensor":
        """Return the tensor in another shape; 0 keeps a length, -1 takes the rest."""
        wanted = self.graph.constant(shape, np.int64)
        return self.graph.add("Reshape", [self, wanted], self.dtype)

    def length(self) -> "Tensor":
        """Return the number of rows, a scalar."""
        shape = self.graph.add("Shape", [self], np.int64)
        return shape.take(0, axis=0)

    def smallest(self, n: int) -> tuple["Tensor", "Tensor"]:
        """Return the n smallest values of each row, ascending, and their places."""
        count = self.graph.constant([n], np.int64)
        inputs = [self, count]
        values, places = self.graph._add("TopK", inputs, 2, axis=1, largest=0)
        return (
            Tensor(self.graph, values, self.dtype),
            Tensor(self.graph, places, np.dtype(np.int64)),
        )

    def argmax(self) -> "Tensor":
        """Return the place of the largest value of each row, (n,)."""
        return self.graph.add("ArgMax", [self], np.int64, axis=1, keepdims=0)
