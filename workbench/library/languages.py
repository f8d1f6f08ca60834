"""Which languages there are."""

from __future__ import annotations

import langcodes
import langcodes.tag_parser

from workbench.errors import LanguageError


def check_language(tag: str) -> str:
    """Return a BCP 47 tag in its standard form; raises `LanguageError` for what is none."""
    try:
        language = langcodes.Language.get(tag)
    except langcodes.tag_parser.LanguageTagError as error:
        raise LanguageError(
            f"use the language {tag!r}", str(error), "Give a BCP 47 tag such as en or pt-BR."
        ) from error
    if not language.is_valid() or language.language in (None, "und"):
        raise LanguageError(
            f"use the language {tag!r}",
            "no such language is registered",
            "Give a BCP 47 tag such as en or pt-BR.",
        )
    return language.to_tag()
