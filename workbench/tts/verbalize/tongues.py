"""What each language says for what is written short: abbreviations, money, clock times, kings, letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Plural = tuple[str, str]  # of one, and of several


@dataclass(frozen=True)
class Tongue:
    """One language.

    Attributes
    ----------
    locale : str
        Its name in CLDR, from where the names of units come.
    short : Mapping
        Abbreviation as it is written -> what is said.
    titles, numbered : Mapping
        The same of those that stand before a name alone, and before a number alone.
    money : Mapping
        Sign of a currency -> its name.
    cents : str
        How the cents follow: ``{}`` is their number.
    scales : str
        Alternatives of a regular expression: numbers by which an amount is multiplied in words.
    of : str
        Word between such a number and the currency.
    clock : tuple of str
        A time on the hour, one less than ten minutes past, and any other; of ``{h}`` and ``{m}``.
    hours : Mapping
        Hours that are not said as the number is.
    centuries, chapters : str
        Alternatives of words that stand by Roman numerals.
    ordinals : tuple
        Of kings: how many are said as ordinals; how one is written for a man and for a woman, of ``{n}``.
    ordinal_words : tuple
        Instead, the ordinals in words from the first on, for a man and for a woman.
    century : str
        How a number is said before the word for century, where not as it is.
    until : str
        Word between the ends of a range.
    plus : str
        Sign before a telephone number.
    phones : str
        Alternatives of words before one.
    fractions : Mapping
        Sign of a fraction -> what is said.
    split_years : bool
        Whether 1984 is said as two numbers.
    """

    locale: str
    short: Mapping[str, str]
    titles: Mapping[str, str]
    numbered: Mapping[str, str]
    money: Mapping[str, Plural]
    cents: str
    scales: str
    of: str
    clock: tuple[str, str, str]
    hours: Mapping[int, str]
    centuries: str
    chapters: str
    ordinals: tuple[int, str, str]
    until: str
    plus: str
    phones: str
    fractions: Mapping[str, str]
    ordinal_words: tuple[tuple[str, str], ...] = field(default=())
    century: str = "{n}"
    split_years: bool = False


ENGLISH = Tongue(
    "en",
    {
        "Jr.": "Junior", "vs.": "versus",
        "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is", "approx.": "approximately",
        "U.S.": "U-S", "U.S.A.": "U-S-A", "U.K.": "U-K", "a.m.": "A-M", "p.m.": "P-M",
        "St.": "Street", "Ave.": "Avenue", "Rd.": "Road", "Inc.": "Incorporated", "Ltd.": "Limited",
    },
    {
        "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Dr.": "Doctor", "Prof.": "Professor",
        "St.": "Saint", "Gen.": "General", "Col.": "Colonel",
        "Capt.": "Captain", "Lt.": "Lieutenant", "Sgt.": "Sergeant", "Sen.": "Senator", "Gov.": "Governor",
        "Rev.": "Reverend", "Mt.": "Mount",
    },
    {"No.": "Number", "Nos.": "Numbers", "p.": "page"},
    {
        "€": ("euro", "euros"), "$": ("dollar", "dollars"), "£": ("pound", "pounds"), "¥": ("yen", "yen"),
        "R$": ("real", "reals"), "₹": ("rupee", "rupees"),
    },
    "{}", "hundred|thousand|million|billion|trillion", "",
    ("{h} o'clock", "{h} oh {m}", "{h} {m}"), {},
    "century|centuries", "War|Chapter|Part|Act|Volume|Book|Section|Type|Phase|Scene|Title|Article",
    (99, "the {n}{th}", "the {n}{th}"), "to", "plus", "call|phone|telephone|number|dial|tel",
    {"½": "a half", "¼": "a quarter", "¾": "three quarters"}, century="{n}{th}", split_years=True,
)  # fmt: skip
SPANISH = Tongue(
    "es",
    {
        "Ud.": "usted", "Uds.": "ustedes", "etc.": "etcétera", "p. ej.": "por ejemplo", "av.": "avenida",
        "Avda.": "avenida", "EE. UU.": "Estados Unidos", "EE.UU.": "Estados Unidos",
        "EEUU": "Estados Unidos", "a. C.": "antes de Cristo", "d. C.": "después de Cristo",
        "a. m.": "de la mañana", "a.m.": "de la mañana", "p. m.": "de la tarde", "p.m.": "de la tarde",
    },
    {
        "Sr.": "señor", "Sra.": "señora", "Srta.": "señorita", "Sres.": "señores", "Dr.": "doctor",
        "Dra.": "doctora", "Dña.": "doña", "D.": "don", "Prof.": "profesor", "Profa.": "profesora",
        "Sto.": "santo", "Sta.": "santa", "Gral.": "general", "Cap.": "capitán", "Lic.": "licenciado",
        "Ing.": "ingeniero", "Arq.": "arquitecto",
    },
    {"núm.": "número", "n.º": "número", "nº": "número", "pág.": "página", "págs.": "páginas"},
    {
        "€": ("euro", "euros"), "$": ("dólar", "dólares"), "£": ("libra", "libras"), "¥": ("yen", "yenes"),
        "R$": ("real", "reales"), "₹": ("rupia", "rupias"),
    },
    "con {}", "mil|mill[oó]n(?:es)?|billón|billones", "de",
    ("{h} en punto", "{h} y {m}", "{h} y {m}"), {1: "una"},
    "siglos?", "[Cc]apítulo|[Aa]cto|[Tt]omo|[Tt]ítulo|[Pp]arte|[Vv]olumen|[Ee]scena",
    (10, "{n}º", "{n}ª"), "a", "más", "tel|teléfono|llam\\w+ al?|número|móvil",
    {"½": "medio", "¼": "un cuarto", "¾": "tres cuartos"},
)  # fmt: skip
FRENCH = Tongue(
    "fr",
    {
        "etc.": "et cetera", "p. ex.": "par exemple", "c.-à-d.": "c'est-à-dire",
        "av.": "avenue", "bd.": "boulevard", "Mme": "madame", "Mlle": "mademoiselle", "Mmes": "mesdames",
    },
    {
        "M.": "monsieur", "MM.": "messieurs", "Dr": "docteur", "Dr.": "docteur", "Pr": "professeur",
        "Pr.": "professeur", "St": "saint", "Ste": "sainte", "Mgr": "monseigneur",
    },
    {"n°": "numéro", "nº": "numéro", "p.": "page"},
    {
        "€": ("euro", "euros"), "$": ("dollar", "dollars"), "£": ("livre", "livres"), "¥": ("yen", "yens"),
        "R$": ("réal", "réaux"), "₹": ("roupie", "roupies"),
    },
    "{}", "mille|millions?|milliards?", "de",
    ("{h} heures", "{h} heures {m}", "{h} heures {m}"), {1: "une"},
    "siècles?", "[Cc]hapitre|[Aa]cte|[Tt]ome|[Tt]itre|[Pp]artie|[Vv]olume|[Ss]cène",
    (1, "premier", "première"), "à", "plus", "tél|téléphone|appel\\w+ (?:le|au)|numéro|portable",
    {"½": "un demi", "¼": "un quart", "¾": "trois quarts"},
    ordinal_words=tuple(
        (word, word)
        for word in (
            "premier", "deuxième", "troisième", "quatrième", "cinquième", "sixième", "septième", "huitième",
            "neuvième", "dixième", "onzième", "douzième", "treizième", "quatorzième", "quinzième", "seizième",
            "dix-septième", "dix-huitième", "dix-neuvième", "vingtième", "vingt et unième",
        )
    ),
)  # fmt: skip
ITALIAN = Tongue(
    "it",
    {
        "ecc.": "eccetera", "p. es.": "per esempio", "es.": "esempio", "a.C.": "avanti Cristo",
        "d.C.": "dopo Cristo",
    },
    {
        "sig.": "signor", "Sig.": "signor", "sig.ra": "signora", "Sig.ra": "signora", "sig.na": "signorina",
        "Sig.na": "signorina", "dott.": "dottor", "Dott.": "dottor", "dott.ssa": "dottoressa",
        "Dott.ssa": "dottoressa", "dr.": "dottor", "Dr.": "dottor", "prof.": "professor",
        "Prof.": "professor", "prof.ssa": "professoressa", "Prof.ssa": "professoressa",
        "avv.": "avvocato", "Avv.": "avvocato", "ing.": "ingegner", "Ing.": "ingegner", "on.": "onorevole",
        "On.": "onorevole", "S.": "San",
    },
    {"n.": "numero", "n°": "numero", "nº": "numero", "pag.": "pagina", "p.": "pagina"},
    {
        "€": ("euro", "euro"), "$": ("dollaro", "dollari"), "£": ("sterlina", "sterline"),
        "¥": ("yen", "yen"), "R$": ("real", "real"), "₹": ("rupia", "rupie"),
    },
    "e {}", "mila|milion[ei]|miliard[oi]", "di",
    ("{h} in punto", "{h} e {m}", "{h} e {m}"), {1: "una"},
    "secol[oi]", "[Cc]apitolo|[Aa]tto|[Tt]omo|[Tt]itolo|[Pp]arte|[Vv]olume|[Ss]cena",
    (99, "{n}º", "{n}ª"), "a", "più", "tel|telefono|chiam\\w+ (?:il|al)|numero|cellulare",
    {"½": "mezzo", "¼": "un quarto", "¾": "tre quarti"}, century="{n}º",
)  # fmt: skip
PORTUGUESE = Tongue(
    "pt_BR",
    {
        "etc.": "et cetera", "p. ex.": "por exemplo",
        "av.": "avenida", "Av.": "avenida", "a.C.": "antes de Cristo", "d.C.": "depois de Cristo",
        "EUA": "Estados Unidos", "V. Exa.": "Vossa Excelência",
    },
    {
        "Sr.": "senhor", "Sra.": "senhora", "Srta.": "senhorita", "Dr.": "doutor", "Dra.": "doutora",
        "Prof.": "professor", "Profa.": "professora", "D.": "dom", "Sto.": "santo", "Sta.": "santa",
        "Cap.": "capitão", "Eng.": "engenheiro",
    },
    {"nº": "número", "n.º": "número", "pág.": "página", "p.": "página"},
    {
        "€": ("euro", "euros"), "$": ("dólar", "dólares"), "£": ("libra", "libras"), "¥": ("iene", "ienes"),
        "R$": ("real", "reais"), "₹": ("rupia", "rupias"),
    },
    "e {}", "mil|milhão|milhões|bilhão|bilhões", "de",
    ("{h} horas", "{h} horas e {m}", "{h} horas e {m}"), {1: "uma", 2: "duas"},
    "séculos?", "[Cc]apítulo|[Aa]to|[Tt]omo|[Tt]ítulo|[Pp]arte|[Vv]olume|[Cc]ena",
    (10, "{n}º", "{n}ª"), "a", "mais", "tel|telefone|lig\\w+ (?:para|pro)|número|celular",
    {"½": "meio", "¼": "um quarto", "¾": "três quartos"},
)  # fmt: skip
CATALAN = Tongue(
    "ca",
    {
        "etc.": "etcètera", "p. ex.": "per exemple",
        "av.": "avinguda", "Av.": "avinguda", "EUA": "Estats Units",
    },
    {
        "Sr.": "senyor", "Sra.": "senyora", "Srta.": "senyoreta", "Dr.": "doctor", "Dra.": "doctora",
        "Prof.": "professor", "St.": "sant", "Sta.": "santa",
    },
    {"núm.": "número", "n.": "número", "pàg.": "pàgina"},
    {
        "€": ("euro", "euros"), "$": ("dòlar", "dòlars"), "£": ("lliura", "lliures"), "¥": ("ien", "iens"),
        "R$": ("real", "reals"), "₹": ("rupia", "rupies"),
    },
    "amb {}", "mil|milió|milions|bilió|bilions", "de",
    ("{h} en punt", "{h} i {m}", "{h} i {m}"), {1: "una", 2: "dues"},
    "segles?", "[Cc]apítol|[Aa]cte|[Tt]om|[Tt]ítol|[Pp]art|[Vv]olum|[Ee]scena",
    (10, "", ""), "a", "més", "tel|telèfon|truc\\w+ al?|número|mòbil",
    {"½": "mig", "¼": "un quart", "¾": "tres quarts"},
    ordinal_words=(
        ("primer", "primera"), ("segon", "segona"), ("tercer", "tercera"), ("quart", "quarta"),
        ("cinquè", "cinquena"), ("sisè", "sisena"), ("setè", "setena"), ("vuitè", "vuitena"),
        ("novè", "novena"), ("desè", "desena"),
    ),
)  # fmt: skip
GALICIAN = Tongue(
    "gl",
    {"etc.": "etcétera", "p. ex.": "por exemplo",},
    {
        "Sr.": "señor", "Sra.": "señora", "Dr.": "doutor", "Dra.": "doutora", "D.": "don", "Dna.": "dona",
        "Prof.": "profesor", "Profa.": "profesora",
    },
    {"núm.": "número", "nº": "número", "páx.": "páxina"},
    {
        "€": ("euro", "euros"), "$": ("dólar", "dólares"), "£": ("libra", "libras"), "¥": ("ien", "iens"),
        "R$": ("real", "reais"), "₹": ("rupia", "rupias"),
    },
    "con {}", "mil|millón|millóns|billón|billóns", "de",
    ("{h} en punto", "{h} e {m}", "{h} e {m}"), {1: "unha", 2: "dúas"},
    "séculos?", "[Cc]apítulo|[Aa]cto|[Tt]omo|[Tt]ítulo|[Pp]arte|[Vv]olume|[Ee]scena",
    (10, "{n}º", "{n}ª"), "a", "máis", "tel|teléfono|chama\\w* ao?|número|móbil",
    {"½": "medio", "¼": "un cuarto", "¾": "tres cuartos"},
)  # fmt: skip
HINDI = Tongue(
    "hi",
    {"आदि।": "आदि।", "रु.": "रुपये", "ई.": "ईस्वी"},
    {"डॉ.": "डॉक्टर", "डॉ॰": "डॉक्टर", "प्रो.": "प्रोफ़ेसर", "श्री.": "श्री", "पं.": "पंडित"},
    {},
    {
        "€": ("यूरो", "यूरो"), "$": ("डॉलर", "डॉलर"), "£": ("पाउंड", "पाउंड"), "¥": ("येन", "येन"),
        "R$": ("रियाल", "रियाल"), "₹": ("रुपया", "रुपये"),
    },
    "{}", "हज़ार|लाख|करोड़|अरब", "",
    ("{h} बजे", "{h} बजकर {m} मिनट", "{h} बजकर {m} मिनट"), {},
    "सदी|शताब्दी", "अध्याय|भाग|खंड", (0, "", ""), "से", "प्लस", "फ़ोन|नंबर|फोन",
    {"½": "आधा", "¼": "चौथाई", "¾": "तीन चौथाई"},
)  # fmt: skip

TONGUES: Mapping[str, Tongue] = {
    "en": ENGLISH, "es": SPANISH, "fr": FRENCH, "it": ITALIAN, "pt": PORTUGUESE, "ca": CATALAN,
    "gl": GALICIAN, "hi": HINDI,
}  # fmt: skip
