"""Kokoro's network, cut in two where it rounds how long its phonemes last.

The published graph tells durations and makes the sound in one run, and takes one speed for all phonemes,
so that a length can neither be known before nor be asked for. Its first half here tells the durations, at
about a thirtieth of the cost; its second half speaks with whatever durations it is given. With those of the
first half, rounded, the sound is that of the whole graph, sample for sample.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.audio import Sound

if TYPE_CHECKING:
    from onnx import ModelProto

SAMPLE_RATE = 24_000  # Hz
FRAME = 600  # samples; durations are whole numbers of them
PAD = 0  # the token before the first phoneme and behind the last
# Number of the first letter -> letters whose tokens are numbered from it on: the vocabulary of Kokoro 1.0.
ALPHABET = {
    1: ';:,.!?', 9: '—…"()“” \u0303ʣʥʦʨᵝꭧAI', 31: "O", 33: "Q", 35: "ST", 39: "W", 41: "Yᵊabcdef",
    50: "hijklmnopqrstuvwxyzɑɐɒæ", 75: "βɔɕç", 80: "ɖðʤə", 85: "ɚɛɜ", 90: "ɟ", 92: "ɡ", 99: "ɥ", 101: "ɨɪʝ",
    110: "ɯɰŋɳɲɴø", 118: "ɸθœ", 123: "ɹ", 125: "ɾɻ", 128: "ʁɽʂʃʈʧ", 135: "ʊʋ", 138: "ʌɣɤ", 142: "χʎ",
    147: "ʒʔ", 156: "ˈˌː", 162: "ʰ", 164: "ʲ", 169: "↓", 171: "→↗↘", 177: "ᵻ",
}  # fmt: skip
TOKENS = {letter: n for first, letters in ALPHABET.items() for n, letter in enumerate(letters, start=first)}
STYLES, STYLE = 510, 256  # a voice: one style for each number of phonemes, and the numbers in a style
TIMBRE = 128  # of these, how it sounds; the others are how it goes: lengths, pitch, energy

Durations = npt.NDArray[np.float64]  # in frames
Style = npt.NDArray[np.float32]


class Network:
    """Both halves, loaded; one line at a time, on one thread, so that its bytes are the same each time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._timing, self._speaking = (_session(half) for half in halves(path))

    def durations(self, tokens: Sequence[int], style: Style) -> Durations:
        """Return how long each token lasts at its natural pace, the two pads too: shape ``(n + 2,)``."""
        with self._lock:
            (found,) = self._timing.run(None, _inputs(tokens, style))
        return np.asarray(found, np.float64).ravel()

    def sound(self, tokens: Sequence[int], style: Style, frames: npt.NDArray[np.int64]) -> Sound:
        """Speak tokens that last so many whole frames each, the two pads too.

        Returns a sound of shape ``(FRAME * frames.sum(),)``; its peaks may lie above full scale.
        """
        last = self._speaking.get_inputs()[-1].name
        with self._lock:
            (y,) = self._speaking.run(None, _inputs(tokens, style) | {last: frames[None].astype(np.float32)})
        return np.asarray(y, np.float32).ravel()


def halves(path: Path) -> tuple[bytes, bytes]:
    """Return the two halves of a graph as ONNX models.

    Raises `ValueError` for a graph that is not cut where Kokoro's is: at its only ``Round``, between the
    division by the speed and a ``Clip``.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path))
    except DecodeError as error:
        raise ValueError(f"{path.name} is no ONNX model: {error}") from error
    makes = {output: node for node in model.graph.node for output in node.output}
    rounds = [node for node in model.graph.node if node.op_type == "Round"]
    clips = [node for node in model.graph.node if rounds and rounds[0].output[0] in node.input]
    if len(rounds) != 1 or [node.op_type for node in clips] != ["Clip"] or rounds[0].input[0] not in makes:
        raise ValueError("it is not the graph of Kokoro: it does not round durations in one place")
    natural, frames = makes[rounds[0].input[0]].input[0], clips[0].output[0]
    timing = _part(model, given=(), wanted=natural)
    return timing, _part(model, given=(frames,), wanted=model.graph.output[0].name)


def _part(model: ModelProto, *, given: Collection[str], wanted: str) -> bytes:
    """Return the model that makes one tensor from its inputs and from others that are `given`."""
    from onnx import TensorProto, helper

    needed, nodes = {wanted}, []
    for node in reversed(model.graph.node):  # ONNX keeps them in an order in which they can be run
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(name for name in node.input if name not in given)
    graph = helper.make_graph(
        nodes[::-1],
        model.graph.name,
        [
            *(known for known in model.graph.input if known.name in needed),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None]) for name in given),
        ],
        [helper.make_tensor_value_info(wanted, TensorProto.FLOAT, None)],
        [constant for constant in model.graph.initializer if constant.name in needed],
    )
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(part.SerializeToString())


def _session(half: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(half, options, providers=["CPUExecutionProvider"])


def _inputs(tokens: Sequence[int], style: Style) -> dict[str, npt.NDArray[Any]]:
    return {"tokens": np.array([[PAD, *tokens, PAD]], np.int64), "style": style[None]}
