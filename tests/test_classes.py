import json

import pytest

from nucloop.classes import ClassScheme, NucleusClass, builtin_schemes
from nucloop.errors import DataError


def test_every_promised_scheme_is_built_in():
    wanted = {"brca-m2c", "ocelot", "puma", "lizard", "consep-4", "consep-7", "pannuke", "patherea-ki67"}
    assert wanted <= set(builtin_schemes())
    assert len(ClassScheme.named("patherea-ki67")) == 5
    assert len(ClassScheme.named("consep-7")) == 7


@pytest.mark.parametrize("name", list(builtin_schemes()))
def test_colours_within_a_scheme_differ(name):
    scheme = ClassScheme.named(name)
    assert len(set(scheme.colors)) == len(scheme)


def test_a_class_is_found_by_its_own_or_its_qupath_name_in_any_case():
    scheme = ClassScheme.named("brca-m2c")
    assert scheme.index("TUMOUR") == scheme.index("Tumor") == 1


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_users_scheme_is_read_from_a_file(tmp_path, suffix):
    data = {"name": "mine", "classes": [{"name": "mitosis", "color": "#112233"}]}
    path = tmp_path / f"mine.{suffix}"
    path.write_text(json.dumps(data))
    scheme = ClassScheme.named(str(path))
    assert scheme.names == ("mitosis",)
    assert scheme.classes[0].qupath == "mitosis"
    assert scheme.classes[0].rgb == (0x11, 0x22, 0x33)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"name": "x", "classes": []}', "1 to 100 classes"),
        ('{"name": "x", "classes": [{"name": "a", "color": "red"}]}', "#rrggbb"),
        ('{"name": "x", "classes": [{"name": "a", "colour": "#000000"}]}', "not a class scheme"),
        (
            '{"name": "x", "classes": [{"name": "a", "color": "#000000"}, {"name": "a", "color": "#000001"}]}',
            "same name",
        ),
        ("{", "neither JSON nor YAML"),
        ("[" * 100_000, "neither JSON nor YAML"),
    ],
)
def test_a_wrong_scheme_file_says_what_is_wrong(tmp_path, text, sentence):
    path = tmp_path / "scheme.json"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        ClassScheme.from_file(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\n" + "# \n" * 350_000, "too large"),
        ("name: x\nclasses: &all\n- {name: a, color: '#000000'}\ndescription: *all\n", "repeats a part"),
        ("[" * 150_000, "too deep|neither"),
        ("name: !!int ''\n", "not what it is said to be"),
        ("name: !!bool maybe\n", "not what it is said to be"),
        ("name: !!timestamp noon\n", "not what it is said to be"),
        ("name: '\udcff'\n", "utf-8"),
    ],
)
def test_a_scheme_in_yaml_cannot_grow_hang_or_end_in_a_traceback(tmp_path, text, sentence):
    path = tmp_path / "scheme.yaml"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(DataError, match=sentence):
        ClassScheme.from_file(path)


def test_an_unknown_scheme_lists_the_known_ones():
    with pytest.raises(DataError, match="brca-m2c"):
        ClassScheme.named("nothing")


def test_two_classes_of_one_name_in_qupath_stay_two():
    classes = (
        NucleusClass("tumour, sure", "#ff0000", "Tumor"),
        NucleusClass("tumour, unsure", "#ff8800", "Tumor"),
        NucleusClass("stroma", "#00ff00", "Stroma"),
    )
    assert ClassScheme("x", classes).qupath_names == ("tumour, sure", "tumour, unsure", "Stroma")
    crossed = (NucleusClass("Tumor", "#ff0000", "Neoplastic"), NucleusClass("other", "#ff8800", "Tumor"))
    assert ClassScheme("x", crossed).qupath_names == ("Neoplastic", "other")
