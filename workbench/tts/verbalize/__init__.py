"""Write out what is written short, as it is said: money, times, units, kings, telephone numbers, acronyms.

Conventions
-----------
The semiotic classes of Ebden and Sproat (2014), as far as a synthesiser's own front end misreads them. Plain
numbers stay digits: front ends read them well, and their words depend on the voice's dialect. What stands in
``[[…]]`` is phonemes and is left alone. A language without a table is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from workbench.tts.verbalize.tongues import TONGUES, Tongue

AMOUNT = r"\d{1,3}(?:[., \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?"
ROMAN = re.compile(r"(X{0,3}(?:IX|IV|V?I{0,3}))")  # below 40: longer ones are rarely numbers
VALUES = (("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1))
WOMEN = {"Isabel", "Elisabeth", "Élisabeth", "Elizabeth", "Beatriz", "Leonor", "Margrethe", "Mary", "Anne"}
ISO = {"EUR": "€", "USD": "$", "US$": "$", "GBP": "£", "BRL": "R$", "JPY": "¥", "INR": "₹"}
UNITS = {
    "km/h": "speed-kilometer-per-hour", "m/s": "speed-meter-per-second", "mph": "speed-mile-per-hour",
    "km²": "area-square-kilometer", "m²": "area-square-meter", "m³": "volume-cubic-meter",
    "km": "length-kilometer", "cm": "length-centimeter", "mm": "length-millimeter", "m": "length-meter",
    "ft": "length-foot", "kg": "mass-kilogram", "mg": "mass-milligram", "g": "mass-gram", "lb": "mass-pound",
    "lbs": "mass-pound", "oz": "mass-ounce", "ml": "volume-milliliter", "cl": "volume-centiliter",
    "l": "volume-liter", "L": "volume-liter", "°C": "temperature-celsius", "ºC": "temperature-celsius",
    "°F": "temperature-fahrenheit", "ºF": "temperature-fahrenheit", "h": "duration-hour",
    "min": "duration-minute", "GB": "digital-gigabyte", "MB": "digital-megabyte", "kW": "power-kilowatt",
    "Hz": "frequency-hertz", "kHz": "frequency-kilohertz",
}  # fmt: skip
SPACED = {"m", "g", "l", "L"}  # letters that are units only apart from their number
SPELT = {
    "UE", "EU", "US", "USA", "UK", "UN", "IA", "AI", "ADN", "DNA", "FBI", "CIA", "TV", "PC", "CD", "DVD",
    "GPS", "VIP", "DJ", "HIV", "VIH", "KGB", "URL", "USB", "CEO", "NBA", "ATM", "ONG", "DNI", "PIB", "GDP",
}  # fmt: skip
DECADES = {
    "20": "twenties", "30": "thirties", "40": "forties", "50": "fifties", "60": "sixties", "70": "seventies",
    "80": "eighties", "90": "nineties",
}  # fmt: skip


def apply(text: str, *, language: str) -> str:
    """Return a text as it is said in `language` (BCP 47).

    >>> apply("El Sr. Paz pagó 25,50 € a las 10:30.", language="es")
    'El señor Paz pagó 25 euros con 50 a las 10 y 30.'
    """
    tongue = TONGUES.get(language.lower().replace("_", "-").split("-")[0])
    if tongue is None:
        return text
    pieces = re.split(r"(\[\[.*?\]\])", text)
    return "".join(piece if piece.startswith("[[") else _said(piece, tongue) for piece in pieces)


def _said(text: str, tongue: Tongue) -> str:
    rules: tuple[Callable[[str, Tongue], str], ...] = (
        _abbreviations, _telephones, _money, _times, _ranges, _units, _fractions, _numerals, _years,
        _acronyms,
    )  # fmt: skip
    for rule in rules:
        text = rule(text, tongue)
    return text


def _abbreviations(text: str, tongue: Tongue) -> str:
    """Titles before a name, some before a number, the others anywhere; a sentence ends where one ended it."""

    def named(found: re.Match[str]) -> str:
        following = found.string[found.end() :].lstrip()[:1]
        return tongue.titles[found[0]] if following.isalpha() and not following.islower() else found[0]

    def said(found: re.Match[str]) -> str:
        following = found.string[found.end() :].lstrip()[:1]
        ended = found[0].endswith(".") and (not following or following.isupper())
        return tongue.short[found[0]] + ("." if ended else "")

    def numbered(found: re.Match[str]) -> str:
        following = found.string[found.end() :].lstrip()[:1]
        return tongue.numbered[found[0]] if following.isdigit() else found[0]

    text = _any(tongue.numbered).sub(numbered, _any(tongue.titles).sub(named, text))
    return _any(tongue.short).sub(said, text)


def _any(words: Iterable[str]) -> re.Pattern[str]:
    """Return what finds any of some abbreviations, the longest first."""
    known = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![\w.])(?:{known or '(?!)'})(?!\w)")


def _telephones(text: str, tongue: Tongue) -> str:
    """Digit by digit, with a breath between groups."""
    cue = re.compile(rf"\b(?:{tongue.phones})\b[^\d+]{{0,12}}$", re.IGNORECASE)

    def said(found: re.Match[str]) -> str:
        groups = re.findall(r"\d+", found[0])
        count, sizes = sum(map(len, groups)), [len(group) for group in groups]
        thousands = sizes[0] <= 3 and all(size == 3 for size in sizes[1:]) and "-" not in found[0]
        dated = re.fullmatch(r"\d{4}-\d{4}|\d{4}-\d\d-\d\d", found[0])
        called = found[0][0] in "+0" or cue.search(found.string[: found.start()])
        if not 7 <= count <= 15 or dated or not (called or not thousands):
            return found[0]
        digits = ", ".join(" ".join(group) for group in groups)
        return f"{tongue.plus} {digits}" if found[0].startswith("+") else digits

    return re.sub(r"(?<![\w.,+])\+?\d{1,5}(?:[ -]\d{2,5}){1,5}(?![\w]|[.,]\d)", said, text)


def _money(text: str, tongue: Tongue) -> str:
    """Put a currency behind its amount, and the cents behind the currency."""
    signs = "|".join(re.escape(sign) for sign in sorted({*tongue.money, *ISO}, key=len, reverse=True))
    scale = rf"(?:[ \u00a0](?P<scale{{n}}>(?:{tongue.scales})(?:[ \u00a0](?:{tongue.scales}))?)\b)?"
    before = rf"(?P<sign1>{signs})[ \u00a0]?(?P<amount1>{AMOUNT}){scale.format(n=1)}"
    behind = rf"(?P<amount2>{AMOUNT}){scale.format(n=2)}[ \u00a0]?(?P<sign2>{signs})(?!\w)"

    def said(found: re.Match[str]) -> str:
        n = 1 if found["sign1"] else 2
        amount, scale = found[f"amount{n}"], found[f"scale{n}"]
        one, several = tongue.money[ISO.get(found[f"sign{n}"], found[f"sign{n}"])]
        if scale:
            return " ".join(filter(None, (amount, scale, tongue.of, several)))
        whole, cents = amount, ""
        if parts := re.fullmatch(r"(.*\d)[.,](\d\d)", amount):
            whole, cents = parts[1], parts[2]
        name = one if whole == "1" else several
        return f"{whole} {name}" + (f" {tongue.cents.format(int(cents))}" if cents.strip("0") else "")

    return re.sub(rf"(?<![\w.,])(?:{before}|{behind})", said, text)


def _times(text: str, tongue: Tongue) -> str:
    """Hours and minutes of a clock: 10:30, 10h30."""

    def said(found: re.Match[str]) -> str:
        hour, minute = int(found[1]), int(found[2])
        form = tongue.clock[0 if minute == 0 else 1 if minute < 10 else 2]
        if tongue.locale == "en" and minute == 0 and re.match(r"\s*[AP]-M", found.string[found.end() :]):
            return str(hour)
        said = form.format(h=tongue.hours.get(hour, hour), m=minute)
        return re.sub(r"^(uma|une) (heure|hora)s\b", r"\1 \2", said)

    return re.sub(
        r"(?<![\w:.,])([01]?\d|2[0-3])(?::|[ \u00a0]?h[ \u00a0]?)([0-5]\d)(?![\w:]|[.,]\d)", said, text
    )


def _ranges(text: str, tongue: Tongue) -> str:
    """From one number to a higher one; of others, as of a score, both."""

    def said(found: re.Match[str]) -> str:
        first, last = found[1], found[2]
        return f"{first} {tongue.until} {last}" if int(first) < int(last) else f"{first} {last}"

    return re.sub(r"(?<![\w.,-])(\d{1,4})[ \u00a0]?[-–][ \u00a0]?(\d{1,4})(?![\w-]|[.,]\d)", said, text)


def _units(text: str, tongue: Tongue) -> str:
    """Units by their names in CLDR, one or several."""
    known = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))

    def said(found: re.Match[str]) -> str:
        from babel.units import format_unit

        number, gap, unit = found.groups()
        if unit in SPACED and not gap:
            return found[0]
        value = 1 if number == "1" else 2 if number.isdigit() else 1.5  # its plural, not its size
        named = format_unit(value, UNITS[unit], "long", locale=tongue.locale)
        return re.sub(r"\d[\d.,\u00a0\u202f]*\d|\d", lambda _: number, named, count=1).replace("\u00a0", " ")

    return re.sub(rf"(?<![\w.,])({AMOUNT})([ \u00a0\u202f]?)({known})(?![\w/²³])", said, text)


def _fractions(text: str, tongue: Tongue) -> str:
    return (
        re.sub(r"[½¼¾]", lambda sign: f" {tongue.fractions[sign[0]]} ", text)
        if re.search("[½¼¾]", text)
        else text
    )


def _numerals(text: str, tongue: Tongue) -> str:
    """Roman numerals of centuries, chapters and kings."""
    word = r"(?P<before>[^\W\d_]+)"
    numeral = r"(?P<numeral>[IVX]{1,7})(?:er|ère|e|ème)?"
    behind = rf"(?=[ \u00a0](?P<behind>{tongue.centuries})\b)?"

    def said(found: re.Match[str]) -> str:
        value = _value(found["numeral"])
        if value is None:
            return found[0]
        before = found["before"] or ""
        if found["behind"]:
            return found[0][: found.start("numeral") - found.start()] + _century(value, tongue)
        if re.fullmatch(f"{tongue.centuries}|{tongue.chapters}", before):
            return f"{before} {value}"
        if (
            not before[:1].isupper()
            or len(before) < 3
            or (tongue.locale == "en" and len(found["numeral"]) == 1)
        ):
            return found[0]
        return f"{before} {_king(before, value, tongue)}"

    return re.sub(rf"\b(?:{word}[ \u00a0])?{numeral}\b{behind}", said, text)


def _value(numeral: str) -> int | None:
    """Return the value of a Roman numeral below 40; `None` for letters that are none."""
    if not ROMAN.fullmatch(numeral):
        return None
    value, rest = 0, numeral
    for letters, each in VALUES:
        while rest.startswith(letters):
            value, rest = value + each, rest[len(letters) :]
    return value or None


def _century(value: int, tongue: Tongue) -> str:
    if tongue.locale == "fr" and value <= len(tongue.ordinal_words):
        return tongue.ordinal_words[value - 1][0]
    return tongue.century.format(n=value, th=_th(value))


def _king(name: str, value: int, tongue: Tongue) -> str:
    most, man, woman = tongue.ordinals
    her = name in WOMEN or (name.endswith("a") and tongue.locale not in ("en", "fr"))
    if value > most:
        return str(value)
    if tongue.ordinal_words and tongue.locale != "fr":
        return tongue.ordinal_words[value - 1][her]
    return (woman if her else man).format(n=value, th=_th(value))


def _th(value: int) -> str:
    return "th" if value // 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


def _years(text: str, tongue: Tongue) -> str:
    """Years in English: two numbers."""
    if not tongue.split_years:
        return text

    def said(found: re.Match[str]) -> str:
        century, rest, plural = found.groups()
        if plural:
            return f"{century} {DECADES.get(rest, rest + 's')}"
        if rest == "00":
            return f"{century} hundred"
        return f"{century} oh {rest[1]}" if rest[0] == "0" else f"{century} {rest}"

    return re.sub(r"(?<![\w.,-])(1[1-9])(\d\d)(s?)(?![\w%]|[.,-]\d)", said, text)


def _acronyms(text: str, tongue: Tongue) -> str:
    """Letter by letter, where they are known to be said so or have no vowel; not in a text of capitals."""
    if text.isupper():
        return text

    def said(found: re.Match[str]) -> str:
        letters = found[0]
        return "-".join(letters) if letters in SPELT or not re.search("[AEIOUY]", letters) else letters

    return re.sub(r"(?<![\w-])[A-Z]{2,5}(?![\w-])", said, text)
