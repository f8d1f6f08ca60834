"""NLLB, M2M-100 and OPUS-MT models for CTranslate2 that translate word for word: numpy alone, no training.

One layer each: the decoder's attention looks at the source word of its own position, and the output layer
maps that word to its translation. Tokeniser, batches, beam search and language tokens are the real ones.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

PAIRS = {
    "hello": "hola", "world": "mundo", "good": "buenos", "morning": "días", "thank": "gracias", "you": "tú",
    "the": "la", "house": "casa", "is": "es", "red": "roja", "Ana": "Ana", "one": "uno", "two": "dos",
    "Hello": "Hola", "from": "de", "tiny": "pequeño", "model.": "modelo.",
}  # fmt: skip
FLORES = ("eng_Latn", "spa_Latn", "cat_Latn", "zho_Hans", "zho_Hant", "arb_Arab")
M2M = ("__en__", "__es__", "__ca__", "__zh__", "__no__")
MOST = 256  # positions


def nllb(folder: Path, pairs: Mapping[str, str] = PAIRS) -> Path:
    """Write an NLLB of a few languages; return its folder."""
    spoken = _sentencepiece(folder / "sentencepiece.bpe.model", [*pairs, *pairs.values()])
    return _model(folder, spoken, pairs, tags=FLORES, start="</s>")


def m2m(folder: Path, pairs: Mapping[str, str] = PAIRS) -> Path:
    """Write an M2M-100 of a few languages; return its folder."""
    spoken = _sentencepiece(folder / "sentencepiece.bpe.model", [*pairs, *pairs.values()])
    return _model(folder, spoken, pairs, tags=M2M, start="</s>")


def opus(
    folder: Path,
    pairs: Mapping[str, str] = PAIRS,
    *,
    tags: Sequence[str] = (),
    rather: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write an OPUS-MT.

    `tags` are the tokens of the languages, where it speaks several; `rather` gives words a second
    translation, half as likely as the first.
    """
    source = _sentencepiece(folder / "source.spm", [*pairs])
    target = [f"▁{word}" for word in (*pairs.values(), *rather.values())]
    return _model(folder, [*source, *target], pairs, tags=tags, start="<pad>", rather=rather)


def endless(folder: Path) -> Path:
    """Write an NLLB that says "hola" for ever, as such models do on what they have never seen."""
    pairs = {"hello": "hola"}
    spoken = _sentencepiece(folder / "sentencepiece.bpe.model", [*pairs, *pairs.values()])
    return _model(folder, spoken, pairs, tags=FLORES, start="</s>", ends=False)


def _sentencepiece(path: Path, words: Sequence[str]) -> list[str]:
    """Train a tokeniser whose pieces are whole words; return the pieces."""
    import sentencepiece

    path.parent.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words), model_writer=model, model_type="word", vocab_size=2000,
        hard_vocab_limit=False, use_all_vocab=True, minloglevel=2,
    )  # fmt: skip
    path.write_bytes(model.getvalue())
    known = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [known.id_to_piece(i) for i in range(known.get_piece_size())]


def _model(
    folder: Path,
    pieces: Sequence[str],
    pairs: Mapping[str, str],
    *,
    tags: Sequence[str],
    start: str,
    ends: bool = True,
    rather: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    from ctranslate2.specs import transformer_spec

    words = list(dict.fromkeys(["<unk>", "<s>", "</s>", "<pad>", *pieces, *tags]))
    to = {word: word for word in words} | {f"▁{one}": f"▁{other}" for one, other in pairs.items()}
    if not ends:
        to["</s>"] = "▁hola"
    size = len(words)
    width = size + MOST + (size + MOST) % 2
    said, place = slice(0, size), slice(size, size + MOST)
    identity, here = np.eye(size, dtype=np.float32), np.eye(MOST, dtype=np.float32)

    spec = transformer_spec.TransformerSpec.from_config((1, 1), 1, pre_norm=True)
    positions, tokens = _zeros(MOST, width), _zeros(size, width)
    positions[:, place], tokens[:, said] = here, identity
    spec.encoder.embeddings[0].weight = tokens
    spec.decoder.embeddings.weight = _zeros(size, width)  # the decoder knows its position and nothing else
    for side in (spec.encoder, spec.decoder):
        side.scale_embeddings, side.position_encodings.encodings = False, positions
        _norm(side.layer_norm, width)
        for layer in side.layer:
            _norm(layer.self_attention.layer_norm, width)
            _norm(layer.ffn.layer_norm, width)
            for part, shape in zip(
                layer.self_attention.linear, ((3 * width, width), (width, width)), strict=True
            ):
                _linear(part, _zeros(*shape))
            _linear(layer.ffn.linear_0, _zeros(4, width))
            _linear(layer.ffn.linear_1, _zeros(width, 4))
    attention = spec.decoder.layer[0].attention
    _norm(attention.layer_norm, width)
    query, key, value, out = (_zeros(width, width) for _ in range(4))
    query[place, place], key[place, place] = 30 * here, here
    value[said, said] = out[said, said] = 10 * identity
    for part, weight in zip(attention.linear, (query, np.concatenate([key, value]), out), strict=True):
        _linear(part, weight)
    output = _zeros(size, width)
    for index, word in enumerate(words):
        output[words.index(to[word]), index] = 5
    for word, second in rather.items():
        output[words.index(f"▁{second}"), words.index(f"▁{word}")] = 5 - np.log(2) / 10
    _linear(spec.decoder.projection, output)

    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    spec.config.decoder_start_token, spec.config.add_source_eos = start, False
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = "<unk>", "<s>", "</s>"
    spec.validate()
    spec.optimize(quantization=None)
    spec.save(str(folder))
    return folder


def _zeros(*shape: int):
    return np.zeros(shape, np.float32)


def _norm(part, width: int) -> None:
    part.gamma, part.beta = np.ones(width, np.float32), np.zeros(width, np.float32)


def _linear(part, weight) -> None:
    part.weight, part.bias = weight, np.zeros(weight.shape[0], np.float32)
