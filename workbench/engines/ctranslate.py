"""Translation by CTranslate2: NLLB, M2M-100 and OPUS-MT, with their tokenisers.

A model is a folder that CTranslate2's ``ct2-transformers-converter`` wrote, with its tokeniser beside. Each
sentence is translated for itself; sentences of like length share a batch. No sentence is cut off: one that is
too long for the model goes in parts, and one that does not end is an error.
"""

from __future__ import annotations

import json
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import langcodes

from workbench.engines import models
from workbench.engines.models import devices
from workbench.errors import EngineError, LanguageError
from workbench.params import Count
from workbench.records import Draft, LongLine
from workbench.writing import sentences

log = logging.getLogger(__name__)

LONGEST = 200  # tokens of a part of a line; the models know 512, and NLLB was trained on fewer
GROWTH, SPARE = 3, 32  # a translation has at most so many times its source's tokens, and so many more
SPACELESS = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my", "bo", "dz"})
END = "</s>"
WORDED = re.compile(r"[^\W_]")  # a letter or a digit
UNKNOWN = "<unk>"
SPACE = "▁"  # how SentencePiece writes a space
ABBREVIATED = re.compile(r"\b[A-Z][a-z]{0,2}\.\s*$")  # "Mr. ": the sentence goes on


class _Translating(ABC):
    """What the three kinds of model share. `model` names a folder, one for a pair where it has braces."""

    name: str
    origin: str  # whose conversion the model is
    tokenisers: tuple[str, ...]  # files, of which the first that is there is used
    requires = ("ctranslate2", "sentencepiece")

    @dataclass(frozen=True)
    class Options:
        """What may be tuned.

        Parameters
        ----------
        model : str
            A model's name, or a path to its folder; ``{source}`` and ``{target}`` stand for the languages.
        device : str
            ``cpu``, ``cuda``, or ``auto`` for the better one there is.
        compute : str
            Type of the arithmetic, as CTranslate2 names it; ``auto`` for the fastest.
        batch : int
            Tokens translated side by side.
        beam : int
            Hypotheses followed at a time.
        hypotheses : int
            Translations of a sentence among which a shorter one is looked for.
        """

        model: str
        device: str
        compute: str
        batch: Count
        beam: Count
        hypotheses: Count

    def __init__(self, options: Options, *, given: Path | None) -> None:
        self.options = options
        self._loaded: dict[str, _Model] = {}

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`.

        Where each pair of languages has a model of its own, any of them will do here.
        """
        for package in cls.requires:
            if find_spec(package) is None:
                return f"the package {package} is not installed; run: pip install {package}"
        name = options.model
        if "{" in name:
            like = models.place(_named(name, "*", "*"))
            found = sorted(folder.name for folder in like.parent.glob(like.name))
            if found:
                return cls._lacking(str(like.with_name(found[0])), "en", "es")
        return cls._lacking(_named(name, "en", "es"), "en", "es")

    def translate(self, lines: Sequence[str], *, source: str, target: str) -> list[Draft]:
        """Return one draft a line, in order.

        Raises
        ------
        LanguageError
            For a language that the model does not know.
        EngineError
            Where the model is missing or bad, memory too short, or a translation does not end.
        """
        model = self._model(source, target)
        before, prefix = self._tags(model, source, target)
        parts = [list(model.parts(line)) for line in lines]
        said = self._said(model, parts, before=before, prefix=prefix, count=1)
        between = _between(target)
        texts = [between.join(filter(None, (said[text][0].text for text, _ in line))) for line in parts]
        unknown = [model.unknown(line, part) for line, part in zip(lines, parts, strict=True)]
        return [Draft(text, words) for text, words in zip(texts, unknown, strict=True)]

    @property
    def identity(self) -> str:
        """The library's version, and of each model that translated its name, checksum and device."""
        used = [each.identity for each in self._loaded.values()]
        return ", ".join([f"ctranslate2 {version('ctranslate2')}", *used])

    def shorten(
        self, lines: Sequence[LongLine], *, source: str, target: str, exchanges: MutableMapping[str, str]
    ) -> list[str]:
        """Return the likeliest translation of each line that fits; as `shorten.Shortener` has it.

        It is put together from `hypotheses` translations of each sentence. Raises as `translate` does.
        """
        model = self._model(source, target)
        before, prefix = self._tags(model, source, target)
        parts = [list(model.parts(line.text)) for line in lines]
        said = self._said(model, parts, before=before, prefix=prefix, count=self.options.hypotheses)
        between = _between(target)
        return [
            _likeliest([said[text] for text, _ in own], line, between=between)
            for line, own in zip(lines, parts, strict=True)
        ]

    def _said(
        self,
        model: _Model,
        lines: Sequence[Sequence[tuple[str, list[str]]]],
        *,
        before: list[str],
        prefix: list[str],
        count: int,
    ) -> dict[str, list[_Hypothesis]]:
        """Return up to `count` translations of each part, likeliest first; what has no word stays."""
        parts = {text: tokens for line in lines for text, tokens in line}
        worded = {text: tokens for text, tokens in parts.items() if WORDED.search(text)}
        found = model.translate(worded, before=before, prefix=prefix, opts=self.options, count=count)
        return {text: [_Hypothesis(text, 0.0)] for text in parts} | dict(zip(worded, found, strict=True))

    @abstractmethod
    def _tags(self, model: _Model, source: str, target: str) -> tuple[list[str], list[str]]:
        """Return the tokens before the source and before the target that say the languages."""

    def _model(self, source: str, target: str) -> _Model:
        languages = [langcodes.Language.get(tag).language or tag for tag in (source, target)]
        name = _named(self.options.model, *languages)
        if name not in self._loaded:
            if reason := self._lacking(name, *languages):
                raise EngineError(
                    f"translate from {source} to {target} with {self.name}",
                    reason,
                    "Or choose another translate engine in params/engines.yaml.",
                )
            o = self.options
            self._loaded[name] = models.shared(
                self.name, models.place(name), o.device, o.compute,
                load=lambda: _Model(name, self.tokenisers, o),
            )  # fmt: skip
            log.info("engine_loaded %s %s", self.name, self._loaded[name].identity)
        return self._loaded[name]

    @classmethod
    def _lacking(cls, name: str, source: str, target: str) -> str | None:
        folder = models.place(name)
        tokeniser = next((file for file in cls.tokenisers if (folder / file).is_file()), cls.tokenisers[0])
        reason = models.missing(name, ("model.bin", "config.json", tokeniser))
        if reason is None:
            return None
        return (
            f"{reason}, or: ct2-transformers-converter --model {_named(cls.origin, source, target)} "
            f"--output_dir {folder} --copy_files {tokeniser}"
        )

    def _know(self, model: _Model, tag: str, candidates: Sequence[str]) -> str:
        for token in candidates:
            if token in model.vocabulary:
                return token
        raise LanguageError(
            f"translate {tag!r} with {self.name}",
            f"the model {model.name} does not know it (looked for {', '.join(candidates)})",
            "Choose another translate engine in params/engines.yaml.",
        )


class Nllb(_Translating):
    """No Language Left Behind: any pair of 200 languages (`translate.Translator`).

    Model: NLLB-200 by Meta, https://huggingface.co/facebook/nllb-200-distilled-600M and larger ones; licence
    CC-BY-NC-4.0, so not for commercial use. Memory in int8: 0.7 GB (600M) to 3.5 GB (3.3B).
    """

    name = "nllb"
    licence = "CC-BY-NC-4.0"
    origin = "facebook/nllb-200-distilled-600M"
    tokenisers = ("sentencepiece.bpe.model", "tokenizer.json")

    def _tags(self, model: _Model, source: str, target: str) -> tuple[list[str], list[str]]:
        return [self._know(model, source, flores(source))], [self._know(model, target, flores(target))]


class M2m(_Translating):
    """M2M-100: any pair of 100 languages (`translate.Translator`).

    Model: M2M-100 by Meta, https://huggingface.co/facebook/m2m100_418M and m2m100_1.2B; MIT licence. Memory
    in int8: 0.5 GB (418M), 1.3 GB (1.2B).
    """

    name = "m2m"
    licence = "MIT"
    origin = "facebook/m2m100_418M"
    tokenisers = ("sentencepiece.bpe.model",)

    def _tags(self, model: _Model, source: str, target: str) -> tuple[list[str], list[str]]:
        tokens = []
        for tag in (source, target):
            code = langcodes.Language.get(tag).language or tag
            tokens.append(self._know(model, tag, [f"__{code}__", f"__{M2M_CODES.get(code, code)}__"]))
        return tokens[:1], tokens[1:]


class Opus(_Translating):
    """OPUS-MT: a small model for each pair or group of languages (`translate.Translator`).

    Models: OPUS-MT by the University of Helsinki, https://huggingface.co/Helsinki-NLP, Marian architecture;
    licence CC-BY-4.0. Memory in int8: 0.1 GB. One that speaks several languages is told which by a token.
    """

    name = "opus"
    licence = "CC-BY-4.0"
    origin = "Helsinki-NLP/opus-mt-{source}-{target}"
    tokenisers = ("source.spm",)

    def _tags(self, model: _Model, source: str, target: str) -> tuple[list[str], list[str]]:
        if not any(token.startswith(">>") for token in model.vocabulary):
            return [], []
        language = langcodes.Language.get(target)
        codes = [language.to_alpha3(), language.language or target]
        return [self._know(model, target, [f">>{code}<<" for code in codes])], []


class _Hypothesis(NamedTuple):
    """One translation of a sentence, and its mean log probability."""

    text: str
    score: float


class _Model:
    """A model in memory, with its tokenisers."""

    def __init__(self, name: str, tokenisers: Sequence[str], opts: _Translating.Options) -> None:
        import ctranslate2

        self.name = name
        device = devices.resolve(opts.device)
        with models.loading(name) as folder:
            self._translator = ctranslate2.Translator(str(folder), device=device, compute_type=opts.compute)
            self._tokens = _tokeniser(folder, tokenisers)
            config = _json(folder / "config.json")
            self.vocabulary = _vocabulary(folder)
        self._end = [] if config.get("add_source_eos") else [END]

    @cached_property
    def identity(self) -> str:
        """The model, its checksum, and where and how it runs."""
        inner = self._translator
        return f"{Path(self.name).name} {models.digest(self.name)[:16]}, {inner.device} {inner.compute_type}"

    def parts(self, line: str) -> Iterator[tuple[str, list[str]]]:
        """Yield a line's sentences, and the halves of those that are too long, with their tokens."""
        todo = sentences_of(line)[::-1]
        while todo:
            text = todo.pop().strip()
            tokens, words = self._tokens(text), text.split()
            if len(words) > 1 and len(tokens) > LONGEST:
                half = len(words) // 2
                todo += [" ".join(words[half:]), " ".join(words[:half])]
            elif text:
                yield text, tokens

    def unknown(self, line: str, parts: Sequence[tuple[str, list[str]]]) -> tuple[str, ...]:
        """Return the words of a line, of these parts, that the model has never seen."""
        if all(self.vocabulary.issuperset(tokens) for _, tokens in parts):
            return ()
        words = dict.fromkeys(word for word in line.split() if any(map(str.isalpha, word)))
        return tuple(word for word in words if not self.vocabulary.issuperset(self._tokens(word)))

    def translate(
        self,
        texts: Mapping[str, Sequence[str]],
        *,
        before: list[str],
        prefix: list[str],
        opts: _Translating.Options,
        count: int,
    ) -> list[list[_Hypothesis]]:
        """Return up to `count` translations of each text, given with its tokens, likeliest first."""
        tokens = [[*before, *own, *self._end] for own in texts.values()]
        cap = GROWTH * max(map(len, tokens), default=0) + SPARE
        with devices.memory("translate", lower="batch or model of the translate engine"):
            results = self._translator.translate_batch(
                tokens,
                target_prefix=[prefix] * len(tokens) if prefix else None,
                beam_size=max(opts.beam, count),
                num_hypotheses=count,
                return_scores=count > 1,
                max_batch_size=max(opts.batch, max(map(len, tokens), default=1)),
                batch_type="tokens",
                max_decoding_length=cap,
                max_input_length=0,
                replace_unknowns=True,
            )
        found = []
        for text, result in zip(texts, results, strict=True):
            pairs = zip(result.hypotheses, result.scores or [0.0], strict=True)
            ended = [(tokens, score) for tokens, score in pairs if len(tokens) < cap]
            if not ended:
                raise EngineError(
                    f"translate {text[:60]!r} with the model {self.name}",
                    "the model repeats itself without end",
                    "Reword that line in review, or use another translate engine.",
                )
            found.append([_Hypothesis(_plain(own[len(prefix) :]), score) for own, score in ended])
        return found


def _plain(tokens: Sequence[str]) -> str:
    return "".join(tokens).replace(SPACE, " ").strip()


def _between(target: str) -> str:
    """Return what stands between two sentences."""
    return "" if langcodes.Language.get(target).language in SPACELESS else " "


def _likeliest(parts: Sequence[Sequence[_Hypothesis]], line: LongLine, *, between: str) -> str:
    """Return the likeliest text that is short enough and holds the line's terms; empty where none does.

    It has one hypothesis of each part. Of those that are alike in length and terms so far, the likeliest
    alone is followed, so that time grows with the number of parts.
    """
    wanted = frozenset(target.casefold() for _, target in line.terms)
    best: dict[tuple[int, frozenset[str]], _Hypothesis] = {(0, frozenset()): _Hypothesis("", 0.0)}
    for hypotheses in parts:
        grown: dict[tuple[int, frozenset[str]], _Hypothesis] = {}
        for (_, held), begun in best.items():
            for own in hypotheses:
                text = between.join(filter(None, (begun.text, own.text)))
                further = _Hypothesis(text, begun.score + own.score)
                key = len(text), held | {term for term in wanted if term in own.text.casefold()}
                if len(text) <= line.longest and (key not in grown or further.score > grown[key].score):
                    grown[key] = further
        best = grown
    whole = [made for (_, held), made in best.items() if held == wanted]
    return max(whole, key=lambda made: made.score).text if whole else ""


def _tokeniser(folder: Path, files: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what gives a text's tokens."""
    path = next(folder / file for file in files if (folder / file).is_file())
    if path.suffix == ".json":
        import tokenizers

        _json(path)  # says what is wrong with a file cut short
        return partial(_fast, tokenizers.Tokenizer.from_file(str(path)))

    import sentencepiece

    return partial(sentencepiece.SentencePieceProcessor(model_file=str(path)).encode, out_type=str)


def _fast(tokeniser: Any, text: str) -> list[str]:
    """Return tokens as SentencePiece would: what is unknown as it is written."""
    found = tokeniser.encode(text, add_special_tokens=False)
    written = (text[a:b] if a and not text[a - 1].isspace() else SPACE + text[a:b] for a, b in found.offsets)
    known = zip(found.tokens, written, strict=True)
    return [own if token == UNKNOWN else token for token, own in known]


def _vocabulary(folder: Path) -> frozenset[str]:
    """Return the tokens of the source, which CTranslate2 keeps as JSON, and once kept one a line."""
    for name in ("shared_vocabulary", "source_vocabulary"):
        if (folder / f"{name}.json").is_file():
            return frozenset(_json(folder / f"{name}.json"))
        if (folder / f"{name}.txt").is_file():
            return frozenset((folder / f"{name}.txt").read_text(encoding="utf-8").split("\n"))
    raise ValueError("its vocabulary is not there")


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _named(model: str, source: str, target: str) -> str:
    return model.replace("{source}", source).replace("{target}", target)


def sentences_of(line: str) -> list[str]:
    """Return the sentences of a line; one that seems to end with an abbreviation goes on.

    >>> sentences_of("Mr. Ana is here. Good!")
    ['Mr. Ana is here. ', 'Good!']
    """
    found: list[str] = []
    for sentence in sentences(line):
        if found and ABBREVIATED.search(found[-1]):
            found[-1] += sentence
        else:
            found.append(sentence)
    return found


# M2M-100 has codes of its own for some.
M2M_CODES = {"nb": "no", "nn": "no", "fil": "tl", "cmn": "zh", "jw": "jv"}
# FLORES-200 writes one language for some that BCP 47 counts as a group of them.
CHOSEN = {
    "ar": "arb", "ay": "ayr", "az": "azj", "fa": "pes", "ff": "fuv", "gn": "grn",
    "ku": "kmr", "lv": "lvs", "mg": "plt", "mn": "khk", "ms": "zsm", "ne": "npi", "no": "nob", "om": "gaz",
    "or": "ory", "ps": "pbt", "qu": "quy", "sq": "als", "sw": "swh", "fil": "tgl", "uz": "uzn", "yi": "ydd",
    "kr": "knc", "cmn": "zho", "din": "dik",
}  # fmt: skip


def flores(tag: str) -> list[str]:
    """Return the names that FLORES-200 may have for a BCP 47 language, likeliest first.

    >>> flores("es"), flores("zh-TW"), flores("sr-Latn"), flores("fa")
    (['spa_Latn'], ['zho_Hant'], ['srp_Latn'], ['pes_Arab', 'fas_Arab'])
    """
    language = langcodes.Language.get(tag)
    script = language.maximize().script or "Latn"
    script = {"Kore": "Hang"}.get(script, script)
    codes = [*CHOSEN.get(language.language or "", "").split(), language.to_alpha3()]
    return [f"{code}_{script}" for code in dict.fromkeys(codes)]
