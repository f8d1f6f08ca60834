"""Turns text into the phonemes that Kokoro was trained on: IPA of espeak-ng, in the spelling of misaki.

Phonemes by eSpeak NG, https://github.com/espeak-ng/espeak-ng, GPL-3.0-or-later, run as a program of its own.
The spelling is that of misaki, https://github.com/hexgrad/misaki, Apache-2.0: one letter for a diphthong or
an affricate. The program drops punctuation, without which a line has one breath, so marks are kept here.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import regex

from workbench.engines import espeak, languages
from workbench.engines.kokoro.network import TOKENS
from workbench.errors import LanguageError, SpeechError

# BCP 47 -> the program's voice. Kokoro was trained on those that do not stand in ACCENTED.
SPEAKS = {
    "en": "en-us", "en-GB": "en-gb", "es": "es", "es-419": "es-419", "fr": "fr-fr", "it": "it",
    "pt-BR": "pt-br", "hi": "hi", "ca": "ca", "gl": "es",
}  # fmt: skip
ACCENTED = {"ca": "with a foreign accent", "gl": "with a Spanish accent"}
APART = {"ja": "Japanese", "zh": "Chinese"}  # Kokoro knows them, and no program here spells them

MARKS = re.compile(r"([,;:.!?…—]+[”)']*(?=\s|$)|\s-\s|[()“”¿¡])")
WRITTEN = str.maketrans(
    {
        "«": "“",
        "»": "”",
        "„": "“",
        "‘": "'",
        "’": "'",
        "–": "—",
        "।": ".",
        "॥": ".",
        "。": ".",
        "，": ",",
        "！": "!",
        "？": "?",
    }
)
SILENT = {"¿": "", "¡": "", "-": "—"}  # how a mark is given to the network, where not as it is
OPENING = ("(", "“", "—")
PICTURES = regex.compile(
    r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\uFE0F\u200D\u20E3--©®™]", regex.V1
)
FOREIGN = {
    "hi": regex.compile(r"[\p{L}--[\p{Devanagari}\p{Latin}]]", regex.V1),
    "": regex.compile(r"[\p{L}--[\p{Latin}ªº]]", regex.V1),
}
SWITCH = re.compile(r"\([a-z^-]+\)")  # the program's note of a word that it reads in another language

JOINED = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "s^s": "S", "t^s": "ʦ",
    "t^ʃ": "ʧ", "ɔ^ɪ": "Y", "ʏ": "y", "ʑ": "ʒ",
}  # fmt: skip
ENGLISH = {
    **JOINED, "ə^ʊ": "Q", "ə^l": "ᵊl", "n\u0329": "ᵊn", "l\u0329": "ᵊl", "m\u0329": "ᵊm", "ɬ": "l", "ɐ": "ə",
    "ɚ": "əɹ", "r": "ɹ", "x": "k", "ç": "k", "ʲ": "",
}  # fmt: skip
SPELT = {
    "en": {
        **ENGLISH, "ɜː^ɹ": "ɜɹ", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪ^ə": "iə", "ɪə": "iə", "ː": "", "ɾ": "T",
        "ʔ": "t",
    },
    "en-GB": {**ENGLISH, "e^ə": "ɛː", "i^ə": "ɪə", "iə": "ɪə"},
}  # fmt: skip


def nearest(language: str) -> str:
    """Return the key of `SPEAKS` that serves a language; raises `LanguageError` where none does."""
    if (apart := languages.match(language, APART)) is not None:
        raise LanguageError(
            f"speak the language {language!r}",
            f"Kokoro knows {APART[apart]}, and nothing here turns its script into phonemes",
            "Choose another tts engine.",
        )
    return languages.nearest(language, SPEAKS, engine="Kokoro")


def spell(text: str, *, tag: str) -> str:
    """Return a text in phonemes and marks, all of `network.TOKENS`; "" where nothing is pronounced.

    `tag` is a key of `SPEAKS`. What stands in ``[[…]]`` is phonemes already. Emoji are not read. Letters of
    another script than the language's are read as they are commonly written in Latin ones.

    Raises
    ------
    SpeechError
        For brackets of phonemes left open, and for phonemes that the network does not know.
    EngineError
        Where the program fails.
    """
    espeak.refuse_open_brackets(text)
    spelt = ""
    for number, piece in enumerate(re.split(r"\[\[(.*?)\]\]", text)):
        for part in [piece] if number % 2 else MARKS.split(_plain(piece, tag)):
            mark = part.strip()
            if not mark:
                continue
            if number % 2:
                spelt += f" {mark} "
            elif MARKS.fullmatch(part):
                mark = SILENT.get(mark, mark)
                spelt = spelt.rstrip() + (" " if mark in OPENING else "") + mark
            else:
                spelt += ("" if spelt.endswith(("(", "“")) else " ") + _ipa(mark, tag)
    spelt = " ".join(spelt.split())
    if unknown := sorted(set(spelt) - TOKENS.keys()):
        raise SpeechError(
            f"speak {text!r}",
            f"Kokoro has no sound for {' '.join(unknown)}",
            "Write other phonemes in the pronunciation lexicon.",
        )
    return spelt


def _plain(text: str, tag: str) -> str:
    """Return a text on one line, in the letters and marks that the program is given."""
    import anyascii

    text = PICTURES.sub(" ", unicodedata.normalize("NFC", text)).translate(WRITTEN).replace("...", "…")
    text = re.sub(r'(?:^|(?<=[\s(]))"(?=\S)', "“", text).replace('"', "”")
    foreign = FOREIGN.get(tag, FOREIGN[""])
    text = foreign.sub(lambda letter: anyascii.anyascii(letter[0]), text)
    if tag == "gl":  # as Spanish letters spell it
        text = re.sub(r"(?<![eE])x", "sh", text.replace("nh", "n")).replace("X", "Sh")
    return espeak.plain(text)


@functools.lru_cache(maxsize=8192)
def _ipa(text: str, tag: str) -> str:
    """Return a stretch without marks in misaki's spelling."""
    said = SWITCH.sub(
        "", espeak.run("-q", "--ipa", "--tie=^", "-v", SPEAKS[tag], "--stdin", text=text).decode()
    )
    said = " ".join(said.split())
    spelling = SPELT.get(tag, JOINED)
    for old in sorted(spelling, key=len, reverse=True):
        said = said.replace(old, spelling[old])
    return re.sub("[\u0329\u032a^-]", "", said)
