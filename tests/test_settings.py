import pytest

from workbench.engines.models import settings
from workbench.errors import RecordError
from workbench.library import read_text

from .structure import ROOT

TEXTS = {name: read_text(ROOT / name) for name in settings.FILES}


def test_each_model_says_who_made_it_and_under_which_licence():
    models = settings.read(TEXTS).models
    assert {"faster-whisper-base", "kokoro", "faster-whisper-small"} <= set(models)
    assert all(model.maker and model.licence and model.size for model in models.values())


def test_what_comes_out_of_packages_is_pinned_file_by_file_and_the_makers_own_place_is_asked_first():
    packaged = [
        model
        for model in settings.read(TEXTS).models.values()
        if any(source.packages for source in model.sources)
    ]
    assert len(packaged) == 2
    for model in packaged:
        own = [not source.packages for source in model.sources]
        assert own == sorted(own, reverse=True)
        from_packages = {
            name for source in model.sources for package in source.packages for name in package.members
        }
        from_makers = {
            name for source in model.sources if not source.packages for name in source.offered(model.files)
        }
        assert from_packages == from_makers == set(model.files)


def test_the_voices_that_are_fetched_are_those_that_may_be_cast_and_the_natives_mixed_into_them():
    said = settings.read(TEXTS)
    options = said.choices["tts"].options["kokoro"]
    cast = {voice["name"] for voice in options["voices"]}
    natives = {name for shares in options["natives"].values() for name in shares}
    fetched = {name for name in said.models["kokoro"].files if name.startswith("voices/")}
    assert fetched == {f"voices/{name}.bin" for name in cast | natives}
    assert len(cast) == 16


def test_a_source_with_an_unknown_key_is_refused():
    text = "offline: false\nmodels: {big: {maker: x, licence: MIT, size: 1, repository: a/b, sources: []}}"
    with pytest.raises(RecordError, match=r"params/models.yaml, big.*unknown key repository"):
        settings.read({**TEXTS, settings.MODELS_FILE: text})
    for there, wrong in (
        ("revision: ebe41f70", "revison: ebe41f70"),
        ("sha256: d01c3014", "sha265: d01c3014"),
        ("members: {model.bin: gymp", "member: {model.bin: gymp"),
    ):
        assert there in TEXTS[settings.MODELS_FILE]
        text = TEXTS[settings.MODELS_FILE].replace(there, wrong)
        with pytest.raises(RecordError, match=r"models.yaml, faster-whisper-base"):
            settings.read({**TEXTS, settings.MODELS_FILE: text})
    with pytest.raises(RecordError, match=r"params/models.yaml.*offline"):
        settings.read({**TEXTS, settings.MODELS_FILE: "models: {}"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mine: {asr: {engine: a, falback: [b]}}", "mine, asr: unknown key falback"),
        ("mine: {asr: pocketsphinx}", "Expected `object`, got `str`"),
        ("mine: [asr]", "Expected `object`, got `array`"),
    ],
)
def test_a_set_that_is_written_wrong_is_an_error_and_no_lost_fallback(text, found):
    with pytest.raises(RecordError, match=found):
        settings.read({**TEXTS, settings.SETS_FILE: text})


def test_no_file_of_the_project_names_the_host_of_a_registry():
    """The registries' own clients know where they are, or are told by who runs them."""
    import ast

    from .structure import CODE

    named = ("pypi.org", "pythonhosted.org", "npmjs.org", "npmjs.com")
    texts = [TEXTS[settings.MODELS_FILE], *(path.read_text() for path in CODE.modules.values())]
    assert len(texts) > 50
    assert not [name for name in named for text in texts if name in text]
    assert all(ast.parse(path.read_text()) for path in CODE.modules.values())
