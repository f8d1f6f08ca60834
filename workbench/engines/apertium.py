r"""Apertium: rule-based translation, kept running as one chain of processes for each pair of languages.

Conventions
-----------
A pair's ``.mode`` file names the programs that make up its chain. Each is started with ``-z``, so that it
answers at every NUL byte; `apertium -z` itself hangs in the version that Debian 12 ships. The chain's text
format gives ``^ $ / < > { } \ @ [ ]`` a meaning, so those are escaped; what stands in ``[ ]`` passes
through untouched. A word that the pair does not know comes back behind ``*`` or ``@``, one that it cannot
inflect behind ``#``.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import unicodedata
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import langcodes
import regex

from workbench import writing
from workbench.errors import EngineError, LanguageError
from workbench.params import Count
from workbench.records import Draft

PIVOTS = ("spa", "cat")  # the languages with the best pairs, tried first where no direct pair is installed
DEBIAN = (  # the pairs that Debian packages, each as apertium-<pair>
    "afr-nld arg-cat bel-rus br-fr cat-ita cat-srd dan-nor en-gl eng-cat eng-spa eo-ca eo-en eo-es eo-fr "
    "es-gl es-pt es-ro eu-en eu-es fr-es fra-cat fra-frp hbs-eng hbs-mkd hbs-slv ind-zlm isl-eng isl-swe "
    "mkd-bul mkd-eng nno-nob oc-ca oc-es oci-fra pol-szl por-cat pt-gl rus-ukr spa-arg spa-ast spa-cat "
    "spa-ita srd-ita swe-dan swe-nor urd-hin"
)

KIN = (  # between two languages of one family it is good, as it turns word for word
    "spa cat por glg ita oci arg ast fra ron srd frp", "dan nor nob nno swe", "hbs mkd slv bul",
    "rus ukr bel pol szl", "afr nld", "ind zlm msa", "urd hin",
)  # fmt: skip

ESCAPED = str.maketrans({character: f"\\{character}" for character in "^$/<>{}\\@[]"})
# Characters with a meaning that has no escape travel as private-use ones and come back.
DISGUISED = str.maketrans("*#~", "\ue000\ue001\ue002")
REVEALED = str.maketrans("\ue000\ue001\ue002", "*#~")
# The stop tells the chain that the sentence ends. The blank before it keeps "No" from becoming the
# abbreviation of "number".
REQUEST_END = "[ ].[][\n]\0"
ANSWER_END = REQUEST_END.removesuffix("\0")

ANSWER = regex.compile(r"\\(?P<literal>.)|(?P<blank>\[[^\]]*\])|[*@](?P<unknown>[\w\p{M}]*)|(?P<mark>#)")
# Some pairs take the word behind an unknown one for the beginning of a sentence.
BEHIND_UNKNOWN = regex.compile(r"(?<=\*[\w\p{M}]+\s)\p{Lu}[\p{Ll}\p{M}]*\b")
UNSPOKEN = regex.compile(r"[\p{Cc}\p{Co}\s]+")
LONE_I = regex.compile(r"(?<![\w.])i(?![\w.])")
ANSWERED_NO = regex.compile(r"(?i)\b(no)\.(?!\s*\d)")
# Questions and exclamations that Spanish opens with a mark of their own; Apertium leaves it out.
UNOPENED = regex.compile(r"(?<=^|[.!?…]\s)(?P<lead>\W*)(?P<words>\w[^.!?…¿¡]*(?P<end>[?!]))")
OPENING = {"?": "¿", "!": "¡"}
STOP = regex.compile(r"[.…]+$")


class Apertium:
    """Apertium, https://www.apertium.org (GPL-2.0 and later, run as separate programs).

    Languages: the pairs installed under `Options.modes`, and any two of them in a row. Gist only between
    far languages; good between near ones such as Spanish and Catalan.
    """

    name = "apertium"
    requires = ("apertium",)
    licence = "GPL-3.0"

    @dataclass(frozen=True)
    class Options:
        """``params/engines.yaml``, translate, apertium."""

        modes: str  # folder of the installed pairs' .mode files
        timeout: Count  # seconds without a sign of life before a chain counts as hung

    def __init__(self, options: Options, *, given: Path | None) -> None:
        self.options = options
        self._chains: dict[str, Chain] = {}
        self.told = ""

    @classmethod
    def missing(cls, options: Options) -> str | None:
        """Return what is missing and the command that brings it, or `None`."""
        if shutil.which("lt-proc") and installed(Path(options.modes)):
            return None
        return (
            f"no Apertium pair in {options.modes}; bring one with: apt-get install apertium-eng-spa "
            "apertium-eng-cat (Debian and Ubuntu only: conda-forge has no Apertium)"
        )

    @classmethod
    def foreign(cls, options: Options, *, source: str, target: str) -> LanguageError | None:
        """Return why it cannot work between two languages, or `None`."""
        modes = Path(options.modes)
        return _no_route(modes, source, target) if route(installed(modes), source, target) is None else None

    @classmethod
    def caution(cls, options: Options, *, source: str, target: str) -> str:
        """Return that the gist comes through and no more, unless the two languages are near."""
        both = {langcodes.Language.get(tag).to_alpha3() for tag in (source, target)}
        if any(both <= set(family.split()) for family in KIN):
            return ""
        names = " to ".join(langcodes.Language.get(tag).display_name() for tag in (source, target))
        return (
            f"Apertium gives the gist from {names}, and no more. Better: a human translation, or where the "
            "Hugging Face Hub can be reached: workbench engines use laptop, then workbench engines fetch"
        )

    def translate(self, lines: Sequence[str], *, source: str, target: str) -> list[Draft]:
        """Translate lines, one draft each, in order.

        Draft.unknown holds the words that a pair did not know, as they stand in the text given to it: the
        source, or between two pairs the pivot. Where nothing of a line comes through, the draft is the
        line itself and all its words are unknown.

        Raises
        ------
        LanguageError
            Where the installed pairs do not lead from `source` to `target`.
        EngineError
            Where a program is missing, ends or hangs, by name.
        """
        modes = route(installed(Path(self.options.modes)), source, target)
        if modes is None:
            raise _no_route(Path(self.options.modes), source, target)
        self.told = self.caution(self.options, source=source, target=target)
        texts = list(lines)
        unknown: list[tuple[str, ...]] = [()] * len(texts)
        for mode in modes:
            texts, more = self._through(mode, texts)
            unknown = [tuple(dict.fromkeys(a + b)) for a, b in zip(unknown, more, strict=True)]
        if modes[-1].partition("-")[2] in ("spa", "es"):
            texts = [
                UNOPENED.sub(lambda m: m["lead"] + OPENING[m["end"]] + m["words"], text) for text in texts
            ]
        via = modes[0].partition("-")[2] if len(modes) > 1 else ""
        return [Draft(text, words, via) for text, words in zip(texts, unknown, strict=True)]

    def _through(self, mode: str, lines: Sequence[str]) -> tuple[list[str], list[tuple[str, ...]]]:
        """Send lines through one pair; return its texts and the words it does not know."""
        chain = self._chains.get(mode)
        if chain is None or not chain.running:
            folder = Path(self.options.modes)
            chain = self._chains[mode] = Chain(folder / f"{mode}.mode", timeout=self.options.timeout)
        english = mode.startswith("en")
        plain = [UNSPOKEN.sub(" ", unicodedata.normalize("NFC", line)).strip() for line in lines]
        answers = chain.ask([request(line, english=english) for line in plain])
        read = [reading(line, answer) for line, answer in zip(plain, answers, strict=True)]
        return [text for text, _ in read], [unknown for _, unknown in read]


def request(line: str, *, english: bool) -> str:
    """Return what a chain is sent for a line: whole sentences, escaped, with the end it expects.

    Recognisers write neither capitals nor stops, and the pairs translate better with both.
    """
    text = STOP.sub("", line)
    text = (text[:1].upper() + text[1:]).translate(ESCAPED).translate(DISGUISED).replace("’", "'")
    if english:
        text = ANSWERED_NO.sub(r"\1[ ].", LONE_I.sub("I", text))
    return text + REQUEST_END


def reading(line: str, answer: str) -> tuple[str, tuple[str, ...]]:
    """Return the text of a chain's answer to a line, and the words it did not know, as the line has them.

    A line as it was heard, without capital and stop, becomes a sentence. A line as it was written keeps
    its own beginning and end.
    """
    unknown: list[str] = []

    def read(match: regex.Match[str]) -> str:
        if match["unknown"]:
            word = match["unknown"]
            unknown.append(word if word in line else word[:1].lower() + word[1:])
        return match["literal"] or match["unknown"] or ""

    text = answer.removesuffix(ANSWER_END)
    text = BEHIND_UNKNOWN.sub(lambda word: word[0] if word[0] in line else word[0].lower(), text)
    text = ANSWER.sub(read, text).translate(REVEALED)
    text = writing.one_line(text)
    if not text:
        return line, tuple(regex.findall(r"[\w\p{M}]+", line))
    heard = line.islower() and line[-1:].isalnum()
    if line[:1].isupper() or heard:
        text = text[:1].upper() + text[1:]
    elif line[:1].islower():
        text = text[:1].lower() + text[1:]
    stop = STOP.search(line)
    return text + ("." if heard else stop[0] if stop else ""), tuple(dict.fromkeys(unknown))


def installed(modes: Path) -> dict[tuple[str, str], str]:
    """Return the pairs of a folder: (source, target) as ISO 639-3 -> name of the mode.

    A variant stands behind the target: ``("eng", "cat_valencia")``.
    """
    names = sorted((path.stem for path in modes.glob("*-*.mode")), key=lambda name: (-len(name), name))
    pairs = (name.split("-") for name in names if name.count("-") == 1)
    return {_pair(*pair): "-".join(pair) for pair in reversed(list(pairs))}


def route(pairs: Mapping[tuple[str, str], str], source: str, target: str) -> list[str] | None:
    """Return the mode from one BCP 47 language to another, or the two that lead there, or `None`.

    A direct pair comes first, then one through Spanish, through Catalan, and through the first language
    by the alphabet.
    """
    start = langcodes.Language.get(source).to_alpha3()
    wanted = langcodes.Language.get(target)
    variants = [variant for variant in (wanted.territory, *(wanted.variants or ())) if variant]
    ends = [*(f"{wanted.to_alpha3()}_{variant}" for variant in variants), wanted.to_alpha3()]
    middles = [*PIVOTS, *sorted({first for first, _ in pairs})] if start != ends[-1] else []
    ways = [[(start, end)] for end in ends]
    ways += [[(start, middle), (middle, end)] for middle in middles for end in ends]
    return next(([pairs[step] for step in way] for way in ways if pairs.keys() >= set(way)), None)


def _no_route(modes: Path, source: str, target: str) -> LanguageError:
    names = [langcodes.Language.get(tag).display_name() for tag in (source, target)]
    known = sorted(mode for mode in installed(modes).values() if "_" not in mode)
    packages = {_pair(*way): pair for pair in DEBIAN.split() for way in _ways(pair)}
    needed = route(packages, source, target)
    return LanguageError(
        f"translate from {names[0]} ({source}) to {names[1]} ({target}) with Apertium",
        f"the installed pairs do not lead there; installed: {', '.join(known) or 'none'}",
        f"Try: apt-get install {' '.join(f'apertium-{pair}' for pair in needed)}"
        if needed
        else "Debian has no such pair: give human subtitles, or choose another engine.",
    )


def _pair(source: str, target: str) -> tuple[str, str]:
    language, *variant = target.split("_", 1)
    return _alpha3(source), "_".join((_alpha3(language), *variant))


def _alpha3(code: str) -> str:
    return langcodes.Language.get(code).to_alpha3() if len(code) == 2 else code


def _ways(pair: str) -> Iterable[tuple[str, str]]:
    source, target = pair.split("-")
    return (source, target), (target, source)


class Chain:
    """One pair's programs, running and joined by pipes.

    Parameters
    ----------
    mode : Path
        The pair's ``.mode`` file.
    timeout : int
        Seconds without a sign of life before it counts as hung.
    """

    def __init__(self, mode: Path, *, timeout: int) -> None:
        self.mode, self.timeout = mode, timeout
        self._programs: list[subprocess.Popen[bytes]] = []
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _stop)
        self.close = weakref.finalize(self, _stop, self._programs, self._complaints)
        entry: int | IO[bytes] = subprocess.PIPE
        for program, *arguments in pipeline(mode.read_text(encoding="utf-8"), where=mode.name):
            try:
                process = subprocess.Popen(
                    [program, "-z", *arguments],
                    stdin=entry,
                    stdout=subprocess.PIPE,
                    stderr=self._complaints,
                    bufsize=0,
                )
            except OSError as error:
                self.close()
                raise self._failure(f"{program} cannot be started ({error.strerror})") from error
            if self._programs:
                _pipe(self._programs[-1].stdout).close()
            self._programs.append(process)
            entry = _pipe(process.stdout)
        os.set_blocking(_pipe(self._programs[0].stdin).fileno(), False)

    @property
    def running(self) -> bool:
        """Whether every program still runs."""
        return self.close.alive and all(process.poll() is None for process in self._programs)

    def ask(self, requests: Sequence[str]) -> list[str]:
        """Return the answer to each request, in order; both end as `REQUEST_END` says.

        A chain that failed or was interrupted is closed, so that no later request gets an old answer.
        Raises `EngineError` naming the program that ended or hangs.
        """
        with ExitStack() as broken:
            broken.callback(self.close)
            answers = self._exchange("".join(requests).encode(), len(requests))
            if not all(answer.endswith(ANSWER_END) for answer in answers):
                raise self._failure("an answer does not end as its request did")
            broken.pop_all()
        return answers

    def _exchange(self, pending: bytes, count: int) -> list[str]:
        entry, exit_ = (_pipe(self._programs[0].stdin), _pipe(self._programs[-1].stdout))
        view, answer, ended = memoryview(pending), bytearray(), 0
        while ended < count:
            readable, writable, _ = select.select([exit_], [entry] if view else [], [], self.timeout)
            if not (readable or writable):
                raise self._failure(f"no answer for {self.timeout} s: {self._culprit()}")
            if writable:
                try:
                    view = view[os.write(entry.fileno(), view) :]
                except BrokenPipeError as error:
                    raise self._failure(self._culprit()) from error
            if readable:
                chunk = os.read(exit_.fileno(), 2**16)
                if not chunk:
                    raise self._failure(self._culprit())
                answer += chunk
                ended += chunk.count(0)
        return answer.decode().split("\0")[:-1]

    def _culprit(self) -> str:
        """Close the chain's entry, see which program does not end well, and name it."""
        _pipe(self._programs[0].stdin).close()
        for process in self._programs:
            program = Path(str(process.args[0])).name  # type: ignore[index]
            try:
                status = process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                return f"{program} hangs"
            if status not in (0, -signal.SIGPIPE):
                return f"{program} ended with status {status}"
        return "its programs ended early"

    def _failure(self, found: str) -> EngineError:
        said = ""
        if self.close.alive:
            self._complaints.seek(0)
            said = self._complaints.read().decode(errors="replace").strip().rpartition("\n")[2][:200]
        return EngineError(
            f"translate with the Apertium pair {self.mode.stem}",
            f"{found} ({said})" if said else found,
            "Run it again; then reinstall that pair, or raise its timeout in params/engines.yaml.",
        )


def pipeline(text: str, *, where: str) -> list[list[str]]:
    """Return the programs of a ``.mode`` file's one line, with their arguments, as lists.

    ``$1`` asks for marks on unknown words (``-g``), ``$2`` for nothing. Raises `EngineError` for a line
    that is more than programs joined by pipes.
    """
    lexer = shlex.shlex(text.strip(), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    stages: list[list[str]] = [[]]
    try:
        for token in lexer:
            if token == "|":
                stages.append([])
            elif token == "$1":
                stages[-1].append("-g")
            elif set(token) & set("$`;&|<>()\n"):
                if token != "$2":
                    raise ValueError(f"it holds {token!r}")
            else:
                stages[-1].append(token)
        if not all(stages):
            raise ValueError("it names no program between two pipes")
    except ValueError as error:
        raise EngineError(
            f"read the Apertium mode {where}", str(error), "Reinstall that pair of languages."
        ) from error
    return stages


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # every program was started with pipes
    return stream


def _stop(programs: Sequence[subprocess.Popen[bytes]], complaints: IO[bytes]) -> None:
    """End every program of a chain and close its pipes."""
    for process in programs:
        process.kill()
    for process in programs:
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    complaints.close()
