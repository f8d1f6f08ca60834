"""The style guide: the words that a series uses, and how they stand in a translation.

Conventions
-----------
A guide is YAML with ``version``, ``project``, ``glossary_terms`` and ``pronunciation_lexicon``. Texts are
compared in Unicode's NFC form: whole words only, the longest term first, of two equally long ones the
case-sensitive one, and no letter is part of two matches.

A whole word has no letter of a word beside it. Three cases need saying. In scripts that write no spaces
(Han, Hiragana, Thai, Lao, Khmer, Burmese) any neighbour may touch a term. An apostrophe before a term ends
the word before it: ``l'estudi`` holds ``estudi``. One behind it goes on with the word unless *s* alone
follows: ``studio's`` holds ``studio``, ``don't`` does not hold ``don``.
"""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, product
from string import ascii_lowercase
from typing import Any, TypeVar

import langcodes
import regex

from workbench import params, writing
from workbench.errors import GlossaryError, RecordError
from workbench.records import parse

VERSION = 1
LONGEST_TERM = 200  # characters
MOST_ENTRIES = 2000
SEARCH_SECONDS = 10  # escaped terms need far less

# Japanese prose writes each foreign word in Katakana, so that it ends where they do
LETTER = rf"[[\w\p{{M}}]--[{writing.UNSPACED_SCRIPTS}--[\p{{Katakana}}ー]]]"
LEFT_EDGE = rf"(?:(?<!{LETTER})|(?!{LETTER}))"
RIGHT_EDGE = rf"(?!\p{{M}})(?:(?<!{LETTER})|(?!{LETTER}|['’](?!s(?!\w))\w))"
SENTENCE_START = regex.compile(r"(?:^|[.!?…])[\s\"'“”«»¿¡(—–-]*$")


@dataclass(frozen=True, slots=True)
class Term:
    """A rule of the glossary: where `source` stands in a line, `target` shall stand in its translation."""

    source: str
    target: str
    case_sensitive: bool = False  # how the source is matched; the target is used as it is written

    @property
    def key(self) -> Hashable:
        """What no two rules of a guide share."""
        return self.source if self.case_sensitive else self.source.casefold()

    @property
    def sides(self) -> tuple[str, str]:
        """What is looked for, and what takes its place."""
        return self.source, self.target


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """A rule of the lexicon: where `term` stands in a text, a synthesiser is given `tts`."""

    term: str
    tts: str
    locale: str  # BCP 47 of the spoken language; "en" holds for en-GB too, "*" for every language
    case_sensitive: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What no two rules of a guide share."""
        return self.term if self.case_sensitive else self.term.casefold(), self.locale.lower()

    @property
    def sides(self) -> tuple[str, str]:
        """What is looked for, and what takes its place."""
        return self.term, self.tts


Rule = TypeVar("Rule", Term, Pronunciation)


@dataclass(frozen=True, slots=True)
class Guide:
    """The rules of a series for one target language."""

    glossary_terms: tuple[Term, ...] = ()
    pronunciation_lexicon: tuple[Pronunciation, ...] = ()


@dataclass(frozen=True)
class _File:
    version: int
    project: str
    glossary_terms: list[Any] = field(default_factory=list)
    pronunciation_lexicon: list[Any] = field(default_factory=list)


def read(texts: Mapping[str, str]) -> Guide:
    """Read a series' guide: file name -> text, the general one first, then the target language's own.

    A rule of a later file takes the place of an earlier file's rule for the same term. No file and an
    empty file are an empty guide.

    Raises
    ------
    GlossaryError
        Naming the file and the entry: a key unknown, missing or of another type, an unsupported version,
        a side that is empty, padded, over-long or holds control characters, a locale that is no language
        tag, or a second rule for one term.
    """
    terms: dict[Hashable, Term] = {}
    lexicon: dict[Hashable, Pronunciation] = {}
    for where, text in texts.items():
        if not text.strip():
            continue
        try:
            file = parse(_File, params.mapping(_nfc(text), where=where), where=where)
            if file.version != VERSION:
                raise GlossaryError(
                    f"read {where}", f"its version is {file.version}", f"Write version: {VERSION}."
                )
            terms |= _rules(Term, file.glossary_terms, where=f"{where}, glossary_terms")
            lexicon |= _rules(
                Pronunciation, file.pronunciation_lexicon, where=f"{where}, pronunciation_lexicon"
            )
        except RecordError as error:
            raise GlossaryError(error.asked, error.found, error.do) from error
    return Guide(tuple(terms.values()), tuple(lexicon.values()))


def empty(project: str) -> str:
    """Return the YAML of a guide without rules, which shows in comments how one is written."""
    return f"""\
# The words of this series. Rules look so:
#   glossary_terms:             # where source stands in a line, target shall stand in its translation
#     - {{source: lighthouse, target: faro, case_sensitive: false}}
#   pronunciation_lexicon:      # what is spoken for a word; the text keeps the word
#     - {{term: NATO, tts: otan, locale: es, case_sensitive: true}}
version: {VERSION}
project: "{project}"
glossary_terms: []
pronunciation_lexicon: []
"""


def with_rule(text: str, rule: Pronunciation, *, where: str, project: str) -> str:
    """Return a guide's YAML with one rule more in its lexicon, or another `tts` in the rule that it has.

    Comments and order stay. An empty text becomes a guide of `project`. Words are quoted: "no" is a word,
    and a language, but in YAML a truth value.

    Raises `GlossaryError` where the guide, or what became of it, is not as `read` has it.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

    read({where: text})
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        document = yaml.load(text) or yaml.load(empty(project))
    except YAMLError as error:  # stricter than what `read` reads with
        raise GlossaryError(f"read {where}", f"not YAML: {error}", "Repair that line.") from error
    lexicon = document.get("pronunciation_lexicon")
    if not lexicon:
        lexicon = document["pronunciation_lexicon"] = CommentedSeq()
    same = [entry for entry in lexicon if parse(Pronunciation, dict(entry), where=where).key == rule.key]
    if same:
        same[0]["tts"] = Quoted(rule.tts)
    else:
        words = {"term": Quoted(rule.term), "tts": Quoted(rule.tts), "locale": Quoted(rule.locale)}
        entry = CommentedMap(**words, case_sensitive=rule.case_sensitive)
        entry.fa.set_flow_style()
        lexicon.append(entry)
    written = io.StringIO()
    yaml.dump(document, written)
    read({where: written.getvalue()})
    return written.getvalue()


def _rules(kind: type[Rule], entries: Sequence[Any], *, where: str) -> dict[Hashable, Rule]:
    if len(entries) > MOST_ENTRIES:
        raise GlossaryError(f"read {where}", f"it has more than {MOST_ENTRIES} entries", "Remove some.")
    rules: dict[Hashable, Rule] = {}
    spellings: set[tuple[str, str]] = set()  # of two rules that differ in no letter, one would never hold
    for number, entry in enumerate(entries, start=1):
        place = f"{where}, entry {number}"
        rule = parse(kind, entry, where=place)
        fault = next(filter(None, map(_fault, rule.sides)), None)
        if isinstance(rule, Pronunciation) and rule.locale != "*" and not langcodes.tag_is_valid(rule.locale):
            fault = f"{rule.locale!r} is no language tag"
        spelt = rule.sides[0], getattr(rule, "locale", "")
        if rule.key in rules or spelt in spellings:
            fault = f"{rule.sides[0]!r} has a rule already"
        if fault:
            raise GlossaryError(f"read {place}", fault, "Correct or remove that entry.")
        rules[rule.key] = rule
        spellings.add(spelt)
    return rules


def _fault(side: str) -> str | None:
    if not side.strip():
        return "one side is empty"
    if side != side.strip():
        return f"{side[:40]!r} begins or ends with a space"
    if len(side) > LONGEST_TERM:
        return f"{side[:40]!r}… is longer than {LONGEST_TERM} characters"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Zl", "Zp") for character in side):
        return f"{side[:40]!r} holds a control character"
    return None


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


class Finder:
    """Finds terms in texts, as whole words.

    Parameters
    ----------
    terms : mapping of str to bool
        Term -> whether its case matters.
    """

    def __init__(self, terms: Mapping[str, bool]) -> None:
        self._terms = sorted(terms, key=lambda term: (-len(term), not terms[term], term))
        spellings = [_spelling(term, case_sensitive=terms[term]) for term in self._terms]
        self._pattern = regex.compile(f"{LEFT_EDGE}(?:{'|'.join(spellings)}){RIGHT_EDGE}", regex.VERSION1)

    def replace(self, text: str, by: Callable[[str, regex.Match[str]], str]) -> str:
        """Return the text in NFC with each term found replaced by ``by(term, match)``, in one pass.

        Raises `GlossaryError` where the search takes longer than ten seconds.
        """

        def replacement(match: regex.Match[str]) -> str:
            return by(self._terms[match.groups().index(match[0])], match)

        if not self._terms:
            return _nfc(text)
        try:
            return self._pattern.sub(replacement, _nfc(text), timeout=SEARCH_SECONDS)
        except TimeoutError as error:
            raise GlossaryError(
                f"look for the guide's terms in {text[:40]!r}…",
                f"it took longer than {SEARCH_SECONDS} s",
                "Split the line, or shorten the guide.",
            ) from error

    def find(self, text: str) -> list[tuple[str, str]]:
        """Return each term found, and how it stands there, in order."""
        found: list[tuple[str, str]] = []

        def note(term: str, match: regex.Match[str]) -> str:
            found.append((term, match[0]))
            return match[0]

        self.replace(text, note)
        return found


def _spelling(term: str, *, case_sensitive: bool) -> str:
    spelling = r"\s+".join(map(regex.escape, term.split()))
    return f"({spelling})" if case_sensitive else f"((?i:{spelling}))"


class Glossary:
    """The glossary's rules at work on lines and their translations."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._terms = {term.source: term for term in terms}
        self._sources = Finder({term.source: term.case_sensitive for term in terms})
        self._targets = Finder({term.target: False for term in terms})

    def fires(self, line: str) -> list[Term]:
        """Return the rules whose source term stands in a line, once for each time it stands there."""
        return [self._terms[source] for source, _ in self._sources.find(line)]

    def confirmed(self, line: str, text: str) -> list[Term]:
        """Return the rules that fire and whose target stands in the translation at least as often.

        A target may have a capital at its beginning.
        """
        fired = self.fires(line)
        if not fired:
            return []
        wanted = Counter(term.target for term in fired)
        found = Counter(standing for _, standing in self._targets.find(text))
        there = {target: sum(found[one] for one in {target, _capitalised(target)}) for target in wanted}
        return [term for term in fired if there[term.target] >= wanted[term.target]]

    def hold(self, line: str, sources: Collection[str]) -> Held:
        """Return a line in which these source terms are held by words that no translator knows."""
        names = _placeholders(line)
        terms: dict[str, Term] = {}

        def placeholder(source: str, match: regex.Match[str]) -> str:
            if source not in sources:
                return str(match[0])
            name = next(names)
            terms[name] = self._terms[source]
            return name.capitalize() if match[0][0].isupper() else name

        return Held(self._sources.replace(line, placeholder), terms)


@dataclass(frozen=True)
class Held:
    """A line with its terms held: a translator passes the placeholders on as it passes on any name."""

    text: str
    terms: Mapping[str, Term]  # placeholder -> rule

    def release(self, translation: str) -> str | None:
        """Return the translation with every placeholder replaced by its rule's target.

        It gets a capital where it begins a sentence and the placeholder had one. `None` where not every
        placeholder stands there exactly once: then the translator did not keep them.
        """
        finder = Finder({name: False for name in self.terms})
        if sorted(name for name, _ in finder.find(translation)) != sorted(self.terms):
            return None

        def target(name: str, match: regex.Match[str]) -> str:
            begins = match[0][0].isupper() and SENTENCE_START.search(match.string[: match.start()])
            return _capitalised(self.terms[name].target) if begins else self.terms[name].target

        return finder.replace(translation, target)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _placeholders(line: str) -> Iterator[str]:
    taken = line.casefold()
    for length in count(1):
        for letters in product(ascii_lowercase, repeat=length):
            name = f"xq{''.join(letters)}x"
            if name not in taken:
                yield name
