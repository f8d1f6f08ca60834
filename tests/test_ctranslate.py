"""NLLB, M2M-100 and OPUS-MT, by the real library, with models that translate word for word."""

import json
import re
import threading

import pytest

from tests.tiny import translation
from workbench import engines, params
from workbench.engines.ctranslate import M2m, Nllb, Opus, flores, sentences_of
from workbench.errors import EngineError, LanguageError
from workbench.library import read_text
from workbench.records import LongLine

from .structure import ROOT

BUILT = {"nllb": translation.nllb, "m2m": translation.m2m, "opus": translation.opus}


def load(name, model, **changes):
    document = params.mapping(read_text(ROOT / "params" / "engines.yaml"), where="params/engines.yaml")
    known = document["translate"]["options"][name] | {"model": str(model), "device": "cpu"} | changes
    engine, options = engines.resolve("translate", name, params.Choice(name, (), {name: known}))
    assert engine.missing(options) is None
    return engine(options, given=None)


@pytest.fixture(scope="module", params=BUILT)
def engine(request, tmp_path_factory):
    return load(request.param, BUILT[request.param](tmp_path_factory.mktemp("models") / request.param))


def texts(engine, *lines, source="en", target="es"):
    return [draft.text for draft in engine.translate(lines, source=source, target=target)]


class TestEachKind:
    def test_translates_line_by_line_in_order(self, engine):
        lines = ["good morning Ana", "hello", "the house is red", "one", "hello world"]
        want = ["buenos días Ana", "hola", "la casa es roja", "uno", "hola mundo"]
        assert texts(engine, *lines) == want
        assert texts(engine, *reversed(lines)) == want[::-1]

    def test_reports_words_that_it_has_never_seen_and_keeps_them(self, engine):
        (draft,) = engine.translate(["hello Zoltán"], source="en", target="es")
        assert draft.text == "hola Zoltán"
        assert draft.unknown == ("Zoltán",)

    def test_translates_sentence_by_sentence(self, engine):
        assert texts(engine, "hello world? good morning") == ["hola world? buenos días"]

    def test_cuts_nothing_off_a_line_that_is_too_long(self, engine):
        (text,) = texts(engine, "one two " * 400)
        assert text == ("uno dos " * 400).strip()

    def test_leaves_what_has_no_word(self, engine):
        assert texts(engine, "…", "♪", "- !") == ["…", "♪", "- !"]

    def test_has_nothing_to_do_with_no_lines(self, engine):
        assert texts(engine) == []

    def test_does_the_same_with_little_room(self, engine):
        small = load(engine.name, engine.options.model, batch=1, beam=1)
        assert texts(small, "good morning Ana", "hello") == ["buenos días Ana", "hola"]

    def test_two_threads_translate_the_same(self, engine):
        found = {}
        threads = [
            threading.Thread(target=lambda n=n: found.update({n: texts(engine, *["hello world"] * 20)}))
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found[0] == found[1] == ["hola mundo"] * 20


@pytest.fixture(scope="module")
def opus(tmp_path_factory):
    pairs = translation.PAIRS | {"morning?": "días?"}
    rather = {"good": "bon", "morning": "mes"}
    return load("opus", translation.opus(tmp_path_factory.mktemp("m") / "m", pairs, rather=rather))


class TestShortening:
    @staticmethod
    def shorten(engine, *lines, longest, terms=()):
        asked = [LongLine(f"s{n}", "A", line, "…", longest, terms) for n, line in enumerate(lines)]
        return engine.shorten(asked, source="en", target="es", exchanges={})

    @pytest.mark.parametrize(
        ("longest", "text"), [(11, "buenos días"), (8, "bon días"), (7, "bon mes"), (6, "")]
    )
    def test_takes_the_likeliest_translation_that_fits(self, opus, longest, text):
        assert self.shorten(opus, "good morning", longest=longest) == [text]

    def test_keeps_the_terms_of_the_glossary(self, opus):
        (text,) = self.shorten(opus, "good morning", longest=10, terms=(("good", "buenos"),))
        assert text == "buenos mes"
        assert self.shorten(opus, "good morning", longest=6, terms=(("good", "buenos"),)) == [""]

    def test_shares_the_budget_among_the_sentences_of_a_line(self, opus):
        line = "good morning? good morning"
        assert len(sentences_of(line)) == 2
        assert self.shorten(opus, line, longest=24) == ["buenos días? buenos días"]
        (short,) = self.shorten(opus, line, longest=21)
        assert short in ("bon días? buenos días", "buenos días? bon días")
        assert self.shorten(opus, line, longest=18) == ["bon días? bon días"]

    def test_gives_each_line_its_own_in_order_and_the_same_again(self, opus):
        lines = ["good morning", "hello", "the good house", "…"]
        found = self.shorten(opus, *lines, longest=10)
        assert found[1:2] == ["hola"]
        assert found[3:] == ["…"]
        assert [len(text) <= 10 for text in found] == [True] * 4
        assert self.shorten(opus, *lines, longest=10) == found

    def test_has_the_likeliest_alone_to_offer_where_only_one_is_looked_at(self, opus):
        one = load("opus", opus.options.model, hypotheses=1)
        assert self.shorten(one, "good morning", longest=11) == ["buenos días"]
        assert self.shorten(one, "good morning", longest=10) == [""]

    def test_time_grows_with_the_sentences_and_not_with_their_combinations(self, opus):
        line = " ".join(["good morning?"] * 40)
        (text,) = self.shorten(opus, line, longest=440)
        assert 430 < len(text) <= 440
        assert text.count("días?") == 40


class TestLanguages:
    @pytest.mark.parametrize(
        ("tag", "name"),
        [
            ("en", "eng_Latn"), ("en-GB", "eng_Latn"), ("es-419", "spa_Latn"), ("zh", "zho_Hans"),
            ("zh-TW", "zho_Hant"), ("yue", "yue_Hant"), ("ar", "arb_Arab"), ("fa", "pes_Arab"),
            ("nb", "nob_Latn"), ("no", "nob_Latn"), ("sr", "srp_Cyrl"), ("sr-Latn", "srp_Latn"),
            ("ja", "jpn_Jpan"), ("ko", "kor_Hang"), ("fil", "tgl_Latn"), ("sw", "swh_Latn"),
            ("uk", "ukr_Cyrl"), ("hi", "hin_Deva"), ("el", "ell_Grek"), ("sq", "als_Latn"),
            ("de", "deu_Latn"), ("cs", "ces_Latn"), ("eu", "eus_Latn"), ("ms", "zsm_Latn"),
        ],
    )  # fmt: skip
    def test_bcp_47_becomes_flores(self, tag, name):
        assert flores(tag)[0] == name

    @pytest.mark.parametrize("name", ["nllb", "m2m"])
    def test_a_language_that_the_model_does_not_know_is_refused(self, name, tmp_path):
        engine = load(name, BUILT[name](tmp_path / name))
        with pytest.raises(LanguageError, match=r"'de'.*does not know it"):
            texts(engine, "hello", target="de")

    def test_m2m_has_names_of_its_own(self, tmp_path):
        assert texts(load("m2m", translation.m2m(tmp_path / "m")), "hello", target="nb") == ["hola"]

    def test_languages_without_spaces_are_written_without(self, tmp_path):
        engine = load("nllb", translation.nllb(tmp_path / "m", {"Hello.": "你好。", "Bye.": "再见。"}))
        assert texts(engine, "Hello. Bye.", target="zh") == ["你好。再见。"]

    def test_an_opus_of_several_languages_is_told_which(self, tmp_path):
        engine = load("opus", translation.opus(tmp_path / "m", tags=[">>spa<<", ">>cat<<"]))
        assert texts(engine, "hello world", target="es")[0].endswith("mundo")
        with pytest.raises(LanguageError, match=">>fra<<"):
            texts(engine, "hello world", target="fr")

    def test_each_pair_may_have_its_own_model(self, tmp_path):
        translation.opus(tmp_path / "opus-en-es")
        translation.opus(tmp_path / "opus-en-ca", {"hello": "hola", "thank": "gràcies"})
        engine = load("opus", tmp_path / "opus-{source}-{target}")
        assert texts(engine, "thank", target="es-MX") == ["gracias"]
        assert texts(engine, "thank", target="ca") == ["gràcies"]
        with pytest.raises(EngineError, match=r"from en to fr with opus: .*opus-en-fr is not there"):
            texts(engine, "thank", target="fr")


class TestBadModels:
    @pytest.mark.parametrize(("engine", "name"), [(Nllb, "nllb"), (M2m, "m2m"), (Opus, "opus")])
    def test_each_file_is_asked_for(self, engine, name, tmp_path):
        folder = BUILT[name](tmp_path / "m")
        options = engine.Options(str(folder), "cpu", "auto", 1024, 2, 4)
        assert engine.missing(options) is None
        for file in ("model.bin", "config.json", engine.tokenisers[0]):
            aside = (folder / file).rename(tmp_path / file)
            assert file in engine.missing(options)
            aside.rename(folder / file)

    def test_one_that_is_not_there_says_how_to_bring_it(self):
        options = Opus.Options("opus-mt-{source}-{target}-ct2", "cpu", "auto", 1024, 2, 4)
        assert "workbench engines fetch opus-mt-en-es-ct2" in Opus.missing(options)
        assert "ct2-transformers-converter --model Helsinki-NLP/opus-mt-en-es" in Opus.missing(options)

    @pytest.mark.parametrize("file", ["model.bin", "sentencepiece.bpe.model", "config.json"])
    def test_one_cut_short_is_an_error_that_names_it(self, file, tmp_path):
        folder = translation.nllb(tmp_path / "m")
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(EngineError, match=r"load the model .*Bring the model anew"):
            texts(load("nllb", folder), "hello")

    def test_a_recogniser_is_no_translator(self, tmp_path):
        from tests.tiny.whisper import whisper

        folder = translation.nllb(tmp_path / "m")
        (folder / "model.bin").write_bytes((whisper(tmp_path / "w") / "model.bin").read_bytes())
        with pytest.raises(EngineError, match="load the model"):
            texts(load("nllb", folder), "hello")

    def test_a_translation_without_end_is_an_error_and_no_half_line(self, tmp_path):
        with pytest.raises(EngineError, match="repeats itself without end"):
            texts(load("nllb", translation.endless(tmp_path / "m")), "hello")

    def test_want_of_memory_names_the_figures_and_what_to_lower(self, tmp_path, monkeypatch):
        engine = load("nllb", translation.nllb(tmp_path / "m"))
        model = engine._model("en", "es")

        class Full:
            def translate_batch(self, *args, **kwargs):
                raise RuntimeError("CUDA failed with error out of memory")

        monkeypatch.setattr(model, "_translator", Full())
        with pytest.raises(EngineError, match=r"out of memory.*Lower batch"):
            texts(engine, "hello")


def test_a_models_identity_names_version_checksum_and_where_it_runs(tmp_path):
    engine = load("nllb", translation.nllb(tmp_path / "tiny"))
    assert re.fullmatch(r"ctranslate2 [\d.]+", engine.identity)
    texts(engine, "hello")
    assert re.fullmatch(r"ctranslate2 [\d.]+, tiny [0-9a-f]{16}, cpu \w+", engine.identity)


def test_a_tokeniser_of_transformers_will_do_and_a_vocabulary_of_lines(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = translation.nllb(tmp_path / "m")
    (folder / "sentencepiece.bpe.model").unlink()
    words = json.loads((folder / "shared_vocabulary.json").read_text())
    tokens = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.Metaspace()
    tokens.save(str(folder / "tokenizer.json"))
    (folder / "shared_vocabulary.json").rename(folder / "shared_vocabulary.txt")
    (folder / "shared_vocabulary.txt").write_text("\n".join(words))
    (draft,) = load("nllb", folder).translate(["good morning Zoltán"], source="en", target="es")
    assert draft.text == "buenos días Zoltán"
    assert draft.unknown == ("Zoltán",)


def test_an_abbreviation_ends_no_sentence():
    assert sentences_of("Mr. Ana is good. No. Good morning!") == ["Mr. Ana is good. ", "No. Good morning!"]
    assert sentences_of("Good morning. Mr. Ana?") == ["Good morning. ", "Mr. Ana?"]
