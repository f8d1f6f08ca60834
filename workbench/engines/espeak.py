"""ESpeak NG: a formant synthesiser of 130 languages, small, fast and plainly a machine.

Source: https://github.com/espeak-ng/espeak-ng, GPL-3.0-or-later, run as a program of its own.

Each line is spoken by a fresh process. The library inside one process would be five times faster, but
its oscillators and noise run on from line to line, so that a line's samples would depend on what was
spoken before it, and a take could not be found by its content.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from workbench import writing
from workbench.audio import Sound
from workbench.engines import languages
from workbench.errors import EngineError, SpeechError
from workbench.records import EngineVoice

SAMPLE_RATE = 22_050  # Hz
WAV_HEADER = 44  # bytes
SLOWEST, FASTEST = 80, 440  # words a minute that the program keeps to
TIMEOUT = 120  # s; a line takes about 0.01

# Median fundamental by librosa.pyin of one sentence of twenty words at 170 words a minute, the median
# of Spanish and Catalan. The eight were chosen because they are easily told apart.
VOICES = (
    EngineVoice("f2", "f", 196.0),
    EngineVoice("f5", "f", 206.0),
    EngineVoice("f3", "f", 212.0),
    EngineVoice("Andrea", "f", 246.0),
    EngineVoice("m3", "m", 104.0),
    EngineVoice("m1", "m", 94.0),
    EngineVoice("m7", "m", 107.0),
    EngineVoice("Gene", "m", 95.0),
)


@dataclass(frozen=True)
class EspeakOptions:
    """How eSpeak NG speaks."""

    words_per_minute: Annotated[int, msgspec.Meta(ge=SLOWEST, le=FASTEST)]  # at rate 1.0; its default is 175


class Espeak:
    """Speaks by the program ``espeak-ng``; several threads may call it at once."""

    name = "espeak"
    requires = ("espeak-ng",)
    licence = "GPL-3.0"
    Options = EspeakOptions

    def __init__(self, options: EspeakOptions, *, given: Path | None) -> None:
        self.options = options

    @classmethod
    def missing(cls, options: EspeakOptions) -> str | None:
        """Return how to bring the program, or `None` where it is there."""
        return absent()

    @cached_property
    def identity(self) -> str:
        """The program's version, a digest of its voice data and the natural speed."""
        return f"{program()}, {self.options.words_per_minute} wpm"

    def voices(self, language: str | None) -> tuple[EngineVoice, ...]:
        """Return the voices; they are the same in every language. Raises `LanguageError`."""
        if language is not None:
            self._file(language)
        return VOICES

    def speak(self, text: str, *, voice: str, language: str, rate: float, seed: int) -> tuple[Sound, int]:
        """Speak a text; see `tts.Synthesizer`. Nothing here is random, so that `seed` changes nothing.

        Raises
        ------
        SpeechError
            For a text in which there is nothing to pronounce, phoneme brackets left open, or a rate
            beyond what the program keeps to.
        LanguageError
            For a language without a voice.
        EngineError
            For an unknown voice, or where the program fails.
        """
        speed = round(self.options.words_per_minute * rate)
        if not SLOWEST <= speed <= FASTEST:
            raise SpeechError(
                f"speak at rate {rate}",
                f"that is {speed} words a minute",
                f"eSpeak NG keeps to {SLOWEST} to {FASTEST} words a minute.",
            )
        if voice not in {known.name for known in VOICES}:
            raise EngineError(
                f"speak with the voice {voice!r}",
                "eSpeak NG has no such voice here",
                f"Its voices are: {', '.join(known.name for known in VOICES)}.",
            )
        refuse_open_brackets(text)
        name = f"{self._file(language)}+{voice}"
        wav = run("-b", "1", "-z", "-v", name, "-s", str(speed), "--stdin", "--stdout", text=plain(text))
        y = np.trim_zeros(np.frombuffer(wav[WAV_HEADER:], dtype="<i2"))
        if not y.size:
            raise SpeechError(
                f"speak {text!r}", "there is nothing in it to pronounce", "Write words, or drop the line."
            )
        return (y / np.float32(32768)).astype(np.float32), SAMPLE_RATE

    @cached_property
    def _files(self) -> dict[str, tuple[int, str]]:
        """Language, in small letters -> priority (low is better) and the voice file that speaks it."""
        files: dict[str, tuple[int, str]] = {}
        for row in run("--voices").decode().splitlines()[1:]:
            priority, language, _, _, file, *others = row.split(maxsplit=5)
            if file.startswith("mb/"):  # MBROLA's voices need data of their own
                continue
            named = [(language, priority), *re.findall(r"\(([\w-]+) (\d+)\)", "".join(others))]
            for tag, rank in named:
                key = tag.lower()
                files[key] = min(files.get(key, (int(rank), file)), (int(rank), file))
        return files

    def _file(self, language: str) -> str:
        if language.lower() in self._files:
            return self._files[language.lower()][1]
        return self._files[languages.nearest(language, self._files, engine="eSpeak NG")][1]


def absent() -> str | None:
    """Return how to bring the program, or `None` where it is there."""
    if shutil.which("espeak-ng"):
        return None
    return (
        "the program espeak-ng is not on this machine; bring it with: "
        "sudo apt-get install espeak-ng, or: conda install -c conda-forge espeak-ng"
    )


def program() -> str:
    """Return the program's version and a digest of its data, the dictionaries among them."""
    version, _, data = run("--version").decode().strip().partition("  Data at: ")
    folder, digest = Path(data), hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(folder)} {content}\n".encode())
    return f"{version}, data {digest.hexdigest()[:16]}"


def plain(text: str) -> str:
    """Return the text on one line without control characters, which the program takes as commands."""
    return writing.one_line(text)


def refuse_open_brackets(text: str) -> None:
    """Raise `SpeechError` where the ``[[`` of phonemes that the lexicon wrote has no ``]]``."""
    if "[[" in re.sub(r"\[\[[^\[\]]*\]\]", "", text):
        raise SpeechError(
            f"speak {text!r}", "a [[ of phonemes has no ]]", "Close it in the pronunciation lexicon."
        )


def run(*arguments: str, text: str = "") -> bytes:
    """Run the program and return what it writes.

    Raises `EngineError` where that fails, and `SpeechError` for a text that is not valid Unicode.
    """
    try:
        done = subprocess.run(
            ["espeak-ng", *arguments],
            input=text.encode(),
            capture_output=True,
            check=True,
            timeout=TIMEOUT,
        )
    except UnicodeEncodeError as error:
        raise SpeechError(f"speak {text!r}", "it is not valid Unicode", "Repair that line.") from error
    except FileNotFoundError as error:
        raise EngineError(
            "run espeak-ng", "it is not on this machine", "Install the package espeak-ng."
        ) from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace").strip() or str(error)
        raise EngineError(
            f"run espeak-ng {' '.join(arguments)}", said, "Check the installation of espeak-ng."
        ) from error
    return done.stdout
