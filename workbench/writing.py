"""How a text is written: its words, how long it is to speak, and in which language it is.

Conventions
-----------
Words end where Unicode says (UAX 29). Scripts without spaces (Han, kana, Thai, Lao, Khmer, Burmese)
have no words here but graphemes: what a reader takes for one character.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import langcodes
import regex

Unit = Literal["characters", "syllables", "morae"]

SPOKEN = regex.compile(r"[\p{L}\p{N}]")
GRAPHEME = regex.compile(r"\X")
BOUNDARY = regex.compile(r"(?w)\b", regex.VERSION1)
# scripts that put no space between words, as a set for a regular expression
UNSPACED_SCRIPTS = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
UNSPACED = regex.compile(UNSPACED_SCRIPTS)
BREAK = regex.compile(r"\p{Cc}")
HAN, HANGUL = regex.compile(r"\p{Han}"), regex.compile(r"\p{Hangul}")
KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}ー]")
SENTENCE_END = regex.compile(r"""[.!?…]+["'»”’)]*\s+|[。！？]+[」』”’）]*\s*""")
SMALL_KANA = regex.compile(r"[ぁぃぅぇぉゃゅょゎァィゥェォャュョヮ]")  # one mora with the kana before
HAN_MORAE = 2  # of a Han character read in Japanese, on average
LETTERS = 20  # fewer say too little of their language
UNLIKELY = 100  # times that another language is likelier, from which a text is taken for it
SAME_LANGUAGE = 9  # CLDR distance up to which two tags name one language


def words(text: str) -> list[str]:
    """Return the words of a text without case and punctuation; graphemes in scripts without spaces.

    >>> words("¿L'estiu, 2 o més?"), words("猫がいる")
    (["l'estiu", '2', 'o', 'més'], ['猫', 'が', 'い', 'る'])
    """
    found: list[str] = []
    for piece in BOUNDARY.split(unicodedata.normalize("NFKC", text).casefold().replace("’", "'")):
        if SPOKEN.search(piece):
            found += GRAPHEME.findall(piece) if UNSPACED.search(piece) else [piece]
    return found


def one_line(text: str) -> str:
    r"""Return a text as one line: each run of white space and control characters as one space.

    >>> one_line(" two\nlines\x00 ")
    'two lines'
    """
    return " ".join(BREAK.sub(" ", text).split())


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each with the space after it, so that they join to the text.

    >>> sentences("Who? Me.")
    ['Who? ', 'Me.']
    """
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    return [text[a:b] for a, b in pairwise([0, *ends, len(text)]) if b > a]


def length(text: str) -> tuple[int, Unit]:
    """Return how long a text is to speak, and in what that is counted.

    Alphabets count letters and digits, each with its marks. Hangul and Han count syllables, one a
    character. Japanese, known by its kana, counts morae: one a kana and, on average, two a Han.

    >>> length("Sí, 2."), length("東京に"), length("안녕")
    ((3, 'characters'), (5, 'morae'), (2, 'syllables'))
    """
    spoken = [one for one in GRAPHEME.findall(unicodedata.normalize("NFC", text)) if SPOKEN.search(one)]
    han, kana = (sum(bool(script.match(one)) for one in spoken) for script in (HAN, KANA))
    if 2 * (han + kana) >= len(spoken) > 0 and kana:
        small = sum(bool(SMALL_KANA.match(one)) for one in spoken)
        return len(spoken) - small + (HAN_MORAE - 1) * han, "morae"
    syllabic = han + sum(bool(HANGUL.match(one)) for one in spoken)
    return len(spoken), "syllables" if 2 * syllabic >= len(spoken) > 0 else "characters"


@dataclass(frozen=True)
class Guess:
    """The likeliest language of a text, and how many times likelier it is than the one expected."""

    language: str  # ISO 639
    times: float  # 1.0 where it is the expected one


def language(text: str, *, expected: str) -> Guess | None:
    """Return in which language a text is written; `None` where there is no model of the expected one.

    >>> language("Where have you been all day?", expected="es").language
    'en'
    """
    likely = {str(tag): float(likelihood) for tag, likelihood in _identifier().rank(text)}
    known = [likely[tag] for tag in likely if same_language(tag, expected)]
    if not known:
        return None
    best = max(likely, key=lambda tag: likely[tag])
    if same_language(best, expected):
        return Guess(best, 1.0)
    return Guess(best, round(min(1e6, likely[best] / max(max(known), 1e-12)), 1))


def another_language(text: str, *, expected: str) -> str | None:
    """Return in which language a text is (ISO 639) where that is surely not the one expected, else `None`.

    >>> another_language("The door is open, and nobody is here.", expected="es")
    'en'
    """
    guess = language(text, expected=expected) if len(SPOKEN.findall(text)) >= LETTERS else None
    return guess.language if guess and guess.times >= UNLIKELY else None


@cache
def same_language(one: str, other: str) -> bool:
    """Say whether two tags name one language, as ``pt-BR`` and ``pt`` do.

    >>> same_language("nb", "no"), same_language("es", "ca")
    (True, False)
    """
    alike = langcodes.Language.get(one).language == langcodes.Language.get(other).language
    return alike or langcodes.tag_distance(one, other) <= SAME_LANGUAGE


@cache
def _identifier() -> Any:
    """Return py3langid's naive Bayes model over byte n-grams (Lui and Baldwin, 2011)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
