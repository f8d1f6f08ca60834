from workbench import batch


def test_a_key_stands_for_all_that_is_below_it(root):
    (root / "params/library.yaml").write_text(
        "episodes: {s/e: {}, s/f: {}, t/e: {}}\ndubs: {s/e/es: {}, s/e/ca: {}, t/e/es: {}}\n"
    )
    assert batch.keys(root, ["s/e/es"]) == ["s/e/es"]
    assert batch.keys(root, ["s/e"]) == ["s/e", "s/e/es", "s/e/ca"]
    assert batch.keys(root, ["s"]) == ["s/e", "s/f", "s/e/es", "s/e/ca"]
    assert batch.keys(root, ["t/e/es", "s/f"]) == ["s/f", "t/e/es"]
    assert len(batch.keys(root)) == 6
