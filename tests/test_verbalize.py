"""What is written short, as it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.tts import verbalize
from workbench.tts.verbalize.tongues import TONGUES

SAID = [
    # titles and other abbreviations; a sentence that one ends still ends
    ("es", "El Sr. Pérez y la Dra. Ruiz, etc.", "El señor Pérez y la doctora Ruiz, etcétera."),
    ("es", "Vive en EE. UU. Es rico.", "Vive en Estados Unidos. Es rico."),
    ("en", "Dr. Smith met Mrs. Jones on Main St.", "Doctor Smith met Missus Jones on Main Street."),
    ("en", "St. John said no. No. I said: No. 5!", "Saint John said no. No. I said: Number 5!"),
    ("fr", "M. Dupont et Mme Roy, p. ex.", "monsieur Dupont et madame Roy, par exemple."),
    ("it", "Il sig. Rossi con la dott.ssa Neri", "Il signor Rossi con la dottoressa Neri"),
    ("pt-BR", "O Sr. Silva e a Dra. Souza", "O senhor Silva e a doutora Souza"),
    ("ca", "El Sr. Puig i la Dra. Mas", "El senyor Puig i la doctora Mas"),
    ("hi", "डॉ. शर्मा", "डॉक्टर शर्मा"),
    # money
    ("es", "25,50 €, $5 o US$3 mil millones", "25 euros con 50, 5 dólares o 3 mil millones de dólares"),
    ("en", "Cost: $25.4 billion, £3.50 or $1.", "Cost: 25.4 billion dollars, 3 pounds 50 or 1 dollar."),
    ("fr", "25,50 € et 1 000 000 €", "25 euros 50 et 1 000 000 euros"),
    ("it", "Costa 1.250,00 €", "Costa 1.250 euro"),
    ("pt-BR", "R$ 1,00 e R$ 3 milhões", "1 real e 3 milhões de reais"),
    ("hi", "₹500", "500 रुपये"),
    # times of day
    ("es", "a las 10:30, 1:05 y 13:00", "a las 10 y 30, una y 5 y 13 en punto"),
    ("en", "at 10:00 a.m., 7:05 and 9:00", "at 10 A-M, 7 oh 5 and 9 o'clock"),
    ("fr", "à 10h30 ou 20 h 05, 1h00", "à 10 heures 30 ou 20 heures 5, une heure"),
    ("pt-BR", "às 2h15", "às duas horas e 15"),
    ("ca", "a les 2:10", "a les dues i 10"),
    ("hi", "10:30", "10 बजकर 30 मिनट"),
    # units
    ("es", "3 kg a 1,5 km/h y 20 °C", "3 kilogramos a 1,5 kilómetros por hora y 20 grados Celsius"),
    ("en", "1 kg, 5 km and 1,500 m", "1 kilogram, 5 kilometers and 1,500 meters"),
    ("it", "5 m, 20 ºC", "5 metri, 20 gradi Celsius"),
    ("fr", "10h et 5 min", "10 heures et 5 minutes"),
    ("es", "½ litro", "medio litro"),
    # Roman numerals
    ("es", "Felipe II, Isabel II, Alfonso XIII, siglo XX", "Felipe 2º, Isabel 2ª, Alfonso 13, siglo 20"),
    ("en", "Henry VIII, World War II, Chapter IV", "Henry the 8th, World War 2, Chapter 4"),
    ("en", "Then I left with Malcolm X in the XIX century", "Then I left with Malcolm X in the 19th century"),
    ("fr", "François Ier, Louis XIV, au XVIIe siècle", "François premier, Louis 14, au dix-septième siècle"),
    ("it", "nel XX secolo, sotto Luigi XIV", "nel 20º secolo, sotto Luigi 14º"),
    ("pt-BR", "Dom Pedro II, João XXIII", "Dom Pedro 2º, João 23"),
    ("ca", "Jaume I i Pere IV al segle XX", "Jaume primer i Pere quart al segle 20"),
    ("es", "Un CD y el DVD de la MIX", "Un C-D y el D-V-D de la MIX"),
    # years and ranges
    ("en", "1984-1990, 1905, 1900, 2024", "19 84 to 19 90, 19 oh 5, 19 hundred, 2024"),
    ("en", "in the 1980s", "in the 19 eighties"),
    ("es", "De 1990-1995 ganó 3-2 en 1984", "De 1990 a 1995 ganó 3 2 en 1984"),
    # telephones
    ("es", "Llama al 600 123 456", "Llama al 6 0 0, 1 2 3, 4 5 6"),
    ("es", "Hay 600 123 456 casas", "Hay 600 123 456 casas"),
    ("es", "+34 600 123 456", "más 3 4, 6 0 0, 1 2 3, 4 5 6"),
    ("en", "555-1234, born 1984-05-12", "5 5 5, 1 2 3 4, born 1984-05-12"),
    ("fr", "06 12 34 56 78", "0 6, 1 2, 3 4, 5 6, 7 8"),
    # acronyms
    ("es", "La UE, la ONU y la BBC", "La U-E, la ONU y la B-B-C"),
    ("en", "NATO, the EU and the FBI", "NATO, the E-U and the F-B-I"),
    ("es", "¡NO! YA VOY", "¡NO! YA VOY"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "written", "said"), SAID)
def test_what_is_written_short_is_said_in_full(language, written, said):
    assert " ".join(verbalize.apply(written, language=language).split()) == said


@pytest.mark.parametrize("language", sorted(TONGUES))
def test_phonemes_of_the_lexicon_stay_and_what_was_said_is_said_once(language):
    text = "[[10:30 UE]] 10:30"
    said = verbalize.apply(text, language=language)
    assert said.startswith("[[10:30 UE]] ")
    assert verbalize.apply(said, language=language) == said


@pytest.mark.parametrize("text", ["Dr. Müller, 10:30, 5 €", ""])
def test_a_language_without_a_table_is_left_as_it_is(text):
    assert verbalize.apply(text, language="de") == text


@given(
    text=st.text(alphabet="abc ABC.,:-/$€£½%°012345678 XVIhkgm\u00a0[]'’Srño", max_size=60),
    language=st.sampled_from(sorted(TONGUES)),
)
def test_any_text_can_be_said(text, language):
    said = verbalize.apply(text, language=language)
    assert bool(said.strip()) == bool(text.strip())


@given(st.text(alphabet="abcdefghijklmnñopqrstuvwxyzáéíóú ,;¿?¡!", max_size=80))
def test_prose_in_which_nothing_is_written_short_is_left_alone(text):
    assert verbalize.apply(text, language="es") == text


@pytest.mark.parametrize(
    "hard", ["1" * 20000, "1 " * 9000, "1.1" * 9000, "IVX" * 9000, "Sr. " * 9000, "a-" * 9000]
)
def test_long_repetitions_take_no_long_time(hard):
    assert verbalize.apply(hard, language="es")
