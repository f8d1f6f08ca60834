"""Builds a Kokoro of a few kilobytes: each phoneme is a tone of its own pitch and length, a mark silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workbench.engines.kokoro import GRAPH
from workbench.engines.kokoro.network import FRAME, SAMPLE_RATE, STYLE, STYLES

SIZE, SILENT = 178, 17  # of the vocabulary; tokens below are marks
LEAD = 6.3  # frames of silence before a line, and behind it
VOICES = {"low": 1.0, "high": 1.6}  # name -> factor of its pitch


def model(folder: Path, *, voices: dict[str, float] = VOICES) -> Path:
    """Build a model and return its folder; its graph takes, gives and rounds as the real one does."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw, silent = np.random.default_rng(0), np.arange(SIZE) < SILENT
    constants = {
        "lengths": np.where(silent, 1.3, draw.uniform(1.6, 3.4, SIZE)).astype(np.float32),
        "tones": (draw.uniform(120, 900, SIZE) * 2 * np.pi / SAMPLE_RATE).astype(np.float32),
        "levels": np.where(silent, 0, draw.uniform(0.2, 0.6, SIZE)).astype(np.float32),
        "one": np.float32(1),
        "first": np.array([0], np.int64),
        "axis": np.int64(1),
        "zero": np.float32(0),
        "column": np.array([-1, 1], np.int64),
        "flat": np.array([-1], np.int64),
        "steps": np.arange(FRAME, dtype=np.float32)[None],
    }
    constants["lengths"][0] = LEAD
    steps = [
        ("Gather", ["style", "first"], "row"),
        ("ReduceMax", ["row"], "pitch", {"keepdims": 0}),
        ("Gather", ["lengths", "tokens"], "length"),
        ("Div", ["length", "pitch"], "natural"),
        ("Div", ["natural", "speed"], "divided"),
        ("Round", ["divided"], "rounded"),
        ("Clip", ["rounded", "one"], "frames"),
        ("CumSum", ["frames", "axis"], "ends"),
        ("ReduceMax", ["ends"], "total", {"keepdims": 0}),
        ("Range", ["zero", "total", "one"], "clock"),
        ("Reshape", ["ends", "column"], "rows"),
        ("LessOrEqual", ["rows", "clock"], "over"),
        ("Cast", ["over"], "passed", {"to": TensorProto.INT64}),
        ("ReduceSum", ["passed", "first"], "index", {"keepdims": 0}),
        ("Reshape", ["tokens", "flat"], "line"),
        ("Gather", ["line", "index"], "spoken"),
        ("Gather", ["tones", "spoken"], "tone"),
        ("Gather", ["levels", "spoken"], "level"),
        ("Mul", ["tone", "pitch"], "pitched"),
        ("Reshape", ["pitched", "column"], "pitches"),
        ("Mul", ["pitches", "steps"], "phase"),
        ("Sin", ["phase"], "sound"),
        ("Reshape", ["level", "column"], "loud"),
        ("Mul", ["sound", "loud"], "shaped"),
        ("Reshape", ["shaped", "flat"], "audio"),
    ]
    nodes = [helper.make_node(kind, given, [made], **dict(*more)) for kind, given, made, *more in steps]
    graph = helper.make_graph(
        nodes,
        "tones",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "T"]),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, STYLE]),
            helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(built)
    (folder / "voices").mkdir(parents=True)
    onnx.save(built, folder / GRAPH)
    for name, pitch in voices.items():
        np.full((STYLES, STYLE), pitch, "<f4").tofile(folder / "voices" / f"{name}.bin")
    return folder


def options(folder: Path) -> dict[str, object]:
    """Build a model and return the options that choose it."""
    voices = [{"name": name, "sex": "", "pitch_hz": None} for name in VOICES]
    return {"model": str(model(folder / "model")), "natives": {}, "voices": voices}
