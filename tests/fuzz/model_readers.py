"""What reads models, recipes, schemes, cohorts and training lists: a file that is changed, its companions beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.fuzz.containers import in_safetensors, sha256
from tests.fuzz.mutations import in_bytes
from tests.fuzz.readers import JSON, TEXT, Reader

__all__ = ["MODEL_READERS"]

HEAD = "brca-m2c"
CROPS = {"train.txt": "TCGA-A7-A13G-1.png\n", "label": "10 20 1\n30.5 40 2\n"}
LIST = "x,y,label\n1.5,2.5,1\n3,4,2\n"


def _cards(folder: Path) -> list[Path]:
    from nucloop.models.files.cards import shipped_weights

    weights = shipped_weights()[HEAD]
    return [Path(shutil.copy(weights.with_suffix(".json"), folder))]


def _read_card(path: Path) -> None:
    from nucloop.models.files.cards import load_head, shipped_weights

    weights = path.with_suffix(".safetensors")
    if not weights.exists():
        shutil.copy(shipped_weights()[HEAD], weights)
    load_head(str(weights))


def _weights(folder: Path) -> list[Path]:
    from nucloop.models.files.cards import shipped_weights

    return [Path(shutil.copy(shipped_weights()[HEAD], folder))]


def _read_weights(path: Path) -> None:
    """Load a head and its replay set; the card says what the file's sha256 is, so that it is looked into."""
    from nucloop.learning.head_files import LearnedHead
    from nucloop.models.files.cards import shipped_weights

    card = json.loads(shipped_weights()[HEAD].with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | {"sha256": sha256(path.read_bytes())}))
    LearnedHead.open(str(path))


def _detector_cards(folder: Path) -> list[Path]:
    from nucloop.models.files.cards import shipped_weights

    card = json.loads(shipped_weights()["denuc-mobilenet"].with_suffix(".json").read_text())
    small = {
        key: card[key]
        for key in ("kind", "name", "architecture", "family", "mpp", "config", "halo", "threshold")
        if key in card
    }
    paths = []
    for family, config in (("denuc", card["config"]), ("patherea", {"backbone": "resnet18", "channels": 8})):
        paths.append(folder / f"{family}.json")
        paths[-1].write_text(json.dumps(small | {"family": family, "config": config, "sha256": "SHA"}))
    return paths


def _read_detector_card(path: Path) -> None:
    from nucloop.models.files.cards import load_detector

    weights = path.with_suffix(".safetensors")
    weights.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    path.write_bytes(path.read_bytes().replace(b"SHA", sha256(weights.read_bytes()).encode()))
    load_detector(str(weights))


def _folders(folder: Path) -> list[Path]:
    timm = {"architecture": "vit_tiny_patch16_224", "model_args": {"depth": 2},
            "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}  # fmt: skip
    dino = {
        "model_type": "dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 14,
    }
    (folder / "config.json").write_text(json.dumps(timm))
    (folder / "dino.json").write_text(json.dumps(dino))
    return [folder / "config.json", folder / "dino.json"]


def _read_folder(path: Path) -> None:
    from nucloop.models.files.zoo import open_encoder

    folder = path.parent / "model"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "config.json")
    (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    open_encoder(str(folder))


def _recipes(folder: Path) -> list[Path]:
    from importlib import resources

    from nucloop.training.recipe import recipe_names

    for name in recipe_names():
        (folder / f"{name}.yaml").write_text(resources.files("nucloop.recipes").joinpath(f"{name}.yaml").read_text())
    return sorted(folder.iterdir())


def _read_recipe(path: Path) -> None:
    from nucloop.training.recipe import DetectorRecipe, EncoderRecipe, load_recipe, recipe_record

    kind = EncoderRecipe if path.name.startswith("encoder") else DetectorRecipe
    json.dumps(recipe_record(load_recipe(str(path), kind)))


def _schemes(folder: Path) -> list[Path]:
    from importlib import resources

    import yaml

    text = resources.files("nucloop").joinpath("class_schemes.yaml").read_text()
    one = yaml.safe_load(text)[0]
    (folder / "a.yaml").write_text(yaml.safe_dump(one))
    (folder / "a.json").write_text(json.dumps(one))
    return [folder / "a.yaml", folder / "a.json"]


def _read_scheme(path: Path) -> None:
    from nucloop.classes import ClassScheme, join

    scheme = ClassScheme.from_file(path)
    join(scheme.classes, scheme.classes)


def _projects(folder: Path) -> list[Path]:
    from nucloop.cohort.project import save_project
    from nucloop.cohort.settings import CohortSettings

    save_project(folder, CohortSettings(), [])
    return [folder / "project.yaml", folder / "slides.parquet"]


def _read_project(path: Path) -> None:
    from nucloop.cohort.project import open_project

    fresh = path.parent / "fresh"
    if not fresh.exists():
        fresh.mkdir()
        _projects(fresh)
    folder = path.parent / "cohort"
    shutil.copytree(fresh, folder, dirs_exist_ok=True)
    shutil.copy(path, folder / path.name.partition("-")[2] if "-" in path.name else folder / path.name)
    open_project(folder)


def _crops(folder: Path) -> list[Path]:
    (folder / "brca_ds_train.txt").write_text(CROPS["train.txt"])
    (folder / "label.txt").write_text(CROPS["label"])
    (folder / "label.csv").write_text(LIST)
    (folder / "images.csv").write_text("image,mpp,organ\na.png,0.25,breast\n")
    return sorted(folder.iterdir())


def _read_crops(path: Path) -> None:
    from nucloop.training.datasets import open_dataset

    folder = path.parent / "data"
    for name in ("labels", "images"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "images" / "train_1.png").touch()
    (folder / "brca_ds_train.txt").write_text(CROPS["train.txt"])
    (folder / "labels" / "TCGA-A7-A13G-1_gt_class_coords.txt").write_text(CROPS["label"])
    (folder / "labels" / "a.csv").write_text(LIST)
    places = {
        "brca_ds_train.txt": ("brca-m2c", folder / path.name),
        "label.txt": ("brca-m2c", folder / "labels" / "TCGA-A7-A13G-1_gt_class_coords.txt"),
        "label.csv": ("consep-20x", folder / "labels" / "train_1.csv"),
        "images.csv": ("monuseg", folder / path.name),
    }
    name, place = places[path.name]
    shutil.copy(path, place)
    open_dataset(f"{name}:{folder}", "train")


MODEL_READERS: dict[str, Reader] = {
    "card": Reader(_cards, _read_card, JSON),
    "weights": Reader(_weights, _read_weights, (in_safetensors, in_safetensors, in_bytes)),
    "detector card": Reader(_detector_cards, _read_detector_card, JSON, 150),
    "model folder": Reader(_folders, _read_folder, JSON, 150),
    "recipe": Reader(_recipes, _read_recipe, TEXT),
    "scheme": Reader(_schemes, _read_scheme, TEXT),
    "cohort": Reader(_projects, _read_project, TEXT),
    "training list": Reader(_crops, _read_crops, TEXT),
}
"""By name; of those that build networks fewer inputs are tried by `make test`, since each takes a tenth of a second."""
