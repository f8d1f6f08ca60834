"""The pronunciation lexicon: what a synthesiser is given in place of a word that it would misread.

It makes a text for the synthesiser alone. The stored translation, and so the subtitles, keep their words.
"""

from __future__ import annotations

from collections.abc import Iterable

from workbench.glossary import Finder, Pronunciation


def apply(text: str, rules: Iterable[Pronunciation], *, language: str) -> str:
    """Return a text as it shall be spoken in `language` (BCP 47).

    Whole words only, the longest term first, in a single pass: what a rule has put in is not looked at
    again. Of two rules for one term, the one with the longer locale holds.

    >>> apply("Kobayashi left.", [Pronunciation("Kobayashi", "Ko bye ah she", "en")], language="en-GB")
    'Ko bye ah she left.'
    """
    fitting = [rule for rule in rules if covers(rule.locale, language)]
    fitting.sort(key=lambda rule: 0 if rule.locale == "*" else len(rule.locale))
    chosen = {rule.key[0]: rule for rule in fitting}
    spoken = {rule.term: rule for rule in chosen.values()}
    finder = Finder({term: rule.case_sensitive for term, rule in spoken.items()})
    return finder.replace(text, lambda term, _: spoken[term].tts)


def covers(locale: str, language: str) -> bool:
    """Say whether a rule's locale holds for a language: ``en`` covers ``en-GB``, ``*`` covers all."""
    wanted, given = (tag.lower().replace("_", "-").split("-") for tag in (locale, language))
    return locale == "*" or given[: len(wanted)] == wanted
