"""An LSTM on ONNX Runtime's int8 kernel, with pins.

The kernel's unit is the largest number of the whole tensor over 127. Pins are two columns that no weight looks at and that stay at the ends
of the range, whatever the requests of a batch hold: the unit is then always the same.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from training.int8.weights import Weights, at_once
from training.int8.writer import MICROSOFT, PINS, GraphWriter, attributes_of

LEVELS = 127
SATURATED = 40.0
"""A gate with this bias is open, and closed with the sign turned."""


def write_lstm(writer: GraphWriter, node: NodeProto, weights: dict[str, Weights], largest: Weights, *, from_caller: bool) -> None:
    """Write `node` in int8.

    `largest` holds the size that each column of its input may have; of a layer on top of another it is not looked at. `from_caller`: its
    first state is what a caller sent, and may hold anything.
    """
    name, hidden = node.output[0], attributes_of(node)["hidden_size"]
    w, r, bias = (weights[each] for each in node.input[1:4])
    if node.input[0] in writer.wide:  # the layer below hands its pins on
        read = writer.wide[node.input[0]]
    else:
        read = _held(writer, node.input[0], largest, key=name)
        w = (w * (largest / LEVELS)).astype(np.float32)
    h, c = _start(writer, *node.input[5:7], from_caller=from_caller)
    w_int8, w_unit = at_once(_with_pins(w, hidden))
    r_int8, r_unit = at_once(_with_pins(r, hidden))
    zero = writer.constant("no_offsets", np.zeros(1, np.int8))
    inputs = [
        read,
        writer.constant(f"{name}/w", w_int8.transpose(0, 2, 1)),
        writer.constant(f"{name}/r", r_int8.transpose(0, 2, 1)),
        writer.constant(f"{name}/bias", _bias_with_pins(bias, hidden)),
        "",
        writer.pad(writer.pad(h, 1.0, 1), -1.0, 1),
        writer.pad(writer.pad(c, 20.0, 1), -20.0, 1),  # whose hyperbolic tangents are 1 and -1
        "",
        writer.constant(f"{name}/w_unit", w_unit),
        zero,
        writer.constant(f"{name}/r_unit", r_unit),
        zero,
    ]
    outputs = [f"{output}/wide" if output else "" for output in node.output]
    writer.add("DynamicQuantizeLSTM", inputs, *outputs, domain=MICROSOFT, hidden_size=hidden + PINS)
    writer.wide |= {output: f"{output}/wide" for output in node.output if output}


def _held(writer: GraphWriter, name: str, largest: Weights, *, key: str) -> str:
    """What the LSTM reads (time, batch, columns): whole numbers up to 127, what is larger cut off, and the pins 127 and -128."""
    writer.narrow(name)
    scale = np.concatenate([LEVELS / largest, [1e3, -1e3]]).astype(np.float32)  # the last two saturate
    return writer.whole(writer.add("Mul", [writer.pad(name, 1.0, PINS), writer.constant(f"{key}/scale", scale)]))


def _start(writer: GraphWriter, h: str, c: str, *, from_caller: bool) -> tuple[str, str]:
    """The first state: of a caller's, h is held in [-1, 1], where every h lies, and what is not a number is 0.

    Nothing is rounded, so that a text in pieces is read as the whole.
    """
    for name in (h, c):
        writer.narrow(name)
    if not from_caller:
        return h, c
    h, c = (writer.add("Where", [writer.add("IsNaN", [name]), writer.constant("no_state", np.float32(0)), name]) for name in (h, c))
    return writer.add("Clip", [h, writer.constant("least_state", np.float32(-1)), writer.constant("most_state", np.float32(1))]), c


def _with_pins(weights: Weights, hidden: int) -> Weights:
    """(1, 4 hidden, columns) with two units more in every gate, and two columns more: all of them 0."""
    columns = weights.shape[2]
    more = ((0, 0), (0, PINS), (0, PINS))
    return np.pad(weights.reshape(4, hidden, columns), more).reshape(1, 4 * (hidden + PINS), columns + PINS)


def _bias_with_pins(bias: Weights, hidden: int) -> Weights:
    """(1, 8 hidden), input, output, forget and cell gate, twice: units into which nothing enters, which keep and show all they have."""
    pins = np.zeros((2, 4, PINS), np.float32)
    pins[0, :3] = np.array([[-SATURATED], [SATURATED], [SATURATED]])
    return np.concatenate([bias.reshape(2, 4, hidden), pins], axis=2).reshape(1, -1)
