"""From a recipe's data to loaders: what is opened, what is refused before it trains, how batches are put together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import visus
from rectangles import rectangles
from visus import catalog
from visus.data.errors import DatasetNotFoundError
from visus.data.readers import coco, sop
from visus.metrics import CocoMetric, ObjectMetric
from visus.metrics.object_matches import match_objects
from visus.nn.model import predict_batch
from visus.runs.feed import check_recipe, open_split, train_loader, val_loader
from visus.training.evaluation import measure, predict_samples
from visus.training.recipe import AugmentRecipe, DataRecipe, Recipe, RecipeError
from visus.types import InstancePrediction, Sample, Schema, SemanticTarget

MODEL = "fasterrcnn_lite0_fpn"
DATA = DataRecipe(dataset="vignettes", train_length=3, val_length=2, batch_size=2, workers=0)
DETECTOR = Recipe(name="r", model=MODEL, model_options={"size": 64}, data=DATA)


def augmented(recipe: Recipe, **asked: object) -> Recipe:
    return replace(recipe, data=replace(recipe.data, augment=AugmentRecipe(**asked)))


def checked(recipe: Recipe, dataset: object | None = None) -> None:
    check_recipe(recipe, catalog.problem_of(recipe.model), dataset or open_split(recipe, "train"))


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("kind", "field", "value"),
        [
            ("warp", "mixup", 0.2),
            ("warp", "cutmix", 1.0),
            ("ssd", "rotate", 10.0),
            ("ssd", "scale", (0.5, 2.0)),
            ("ssd", "translate", 0.1),
            ("ssd", "colour", 0.3),
            ("ssd", "stretch", 1.2),
            ("ssd", "mixup", 0.2),
        ],
    )
    def test_options_of_the_augmentation_that_nothing_reads(self, kind: str, field: str, value: object) -> None:
        with pytest.raises(RecipeError, match=rf"data\.augment\.{field} is not used: {MODEL} with .*'{kind}' reads"):
            checked(augmented(DETECTOR, kind=kind, **{field: value}))

    def test_the_message_lists_what_is_read(self) -> None:
        with pytest.raises(RecipeError, match=r"'ssd' reads size, flip$"):
            checked(augmented(DETECTOR, kind="ssd", rotate=5.0))

    def test_an_unknown_augmentation(self) -> None:
        with pytest.raises(
            ValueError, match=r"no augmentation called 'wrap'; did you mean warp\? There are: none, shapes, ssd, warp"
        ):
            checked(augmented(DETECTOR, kind="wrap"))

    @pytest.mark.parametrize(
        ("model", "wanted"),
        [
            ("classifier_lite0", "ClassTarget"),
            ("fcn_lite0", "SemanticTarget"),
            ("descriptor_lite0", "ClassTarget"),
        ],
    )
    def test_data_of_another_problem(self, model: str, wanted: str) -> None:
        recipe = replace(DETECTOR, model=model, data=replace(DATA, root="here"))
        message = rf"{model} \(\w+\) learns from {wanted}, but vignettes here has InstanceTarget"
        with pytest.raises(RecipeError, match=message):
            checked(recipe, open_split(DETECTOR, "train"))

    def test_an_unknown_data_set(self) -> None:
        with pytest.raises(ValueError, match="no data set called 'vignets'; did you mean vignettes"):
            open_split(replace(DETECTOR, data=replace(DATA, dataset="vignets")), "train")


class TestWhatIsAllowed:
    @pytest.mark.parametrize("kind", ["warp", "ssd"])
    def test_the_defaults_of_each_kind(self, kind: str) -> None:
        checked(augmented(DETECTOR, kind=kind, size=(64, 64), flip=0.25))

    def test_everything_that_a_warp_reads(self) -> None:
        checked(augmented(DETECTOR, size=(64, 64), scale=(0.5, 2.0), stretch=1.5, translate=0.1, rotate=5, colour=0.5))

    def test_mixing_batches_of_a_classifier(self) -> None:
        recipe = replace(DETECTOR, model="classifier_lite0", data=replace(DATA, dataset="vignettes_objects"))
        checked(augmented(recipe, mixup=0.2, cutmix=1.0))


def test_a_split_is_as_short_as_the_recipe_wants() -> None:
    assert [len(open_split(DETECTOR, part)) for part in ("train", "val")] == [3, 2]
    whole = replace(DETECTOR, data=replace(DATA, train_length=None))
    assert len(open_split(whole, "train")) > 1000
    with_names = replace(DETECTOR, data=replace(DATA, train="val", val="test"))
    assert torch.equal(open_split(with_names, "train")[0].input, open_split(DETECTOR, "val")[0].input)


class TestLoaders:
    def test_training_varies_and_validation_does_not(self) -> None:
        model = catalog.build_model(DETECTOR.model, open_split(DETECTOR, "train").schema, {"size": 64})
        recipe = augmented(DETECTOR, size=(96, 128), scale=(0.5, 2.0))
        (batch,) = train_loader(recipe, open_split(recipe, "train"), model)
        assert [target.size for target in batch.targets] == [(96, 128)] * 2
        assert batch.inputs.frames == [(96, 128)] * 2
        val = open_split(recipe, "val")
        (batch,) = val_loader(recipe, val, model)
        assert [target.size for target in batch.targets] == batch.inputs.frames == [val.size(0), val.size(1)]
        assert batch.paths == [val.path(0), val.path(1)]
        assert torch.equal(batch.targets[1].boxes_xyxy, val[1].target.boxes_xyxy)
        assert batch.inputs.sizes.tolist() == [[64, 64]] * 2  # at the model's size

    def test_a_batch_that_is_not_full_is_kept_only_of_little_data(self) -> None:
        model = catalog.build_model(DETECTOR.model, open_split(DETECTOR, "train").schema, {"size": 64})
        sizes = {
            length: [len(batch) for batch in train_loader(DETECTOR, first(length), model)] for length in (1, 2, 3, 5)
        }
        assert sizes == {1: [1], 2: [2], 3: [2], 5: [2, 2]}

    def test_batches_by_class_need_labels(self, tmp_path: Path) -> None:
        model = catalog.build_model(DETECTOR.model, open_split(DETECTOR, "train").schema, {"size": 64})
        recipe = replace(DETECTOR, data=replace(DATA, batches="pairs"))
        with pytest.raises(RecipeError, match="'pairs', but vignettes does not tell the labels"):
            train_loader(recipe, open_split(recipe, "train"), model)
        sop.write_fake(tmp_path, classes=6, views=4, seed=0)
        data = DataRecipe(dataset="sop", root=str(tmp_path), batches="classes", batch_size=8, workers=0)
        recipe = Recipe(name="r", model="descriptor_lite0", model_options={"size": 32}, data=data)
        dataset = open_split(recipe, "train")
        model = catalog.build_model(recipe.model, dataset.schema, recipe.model_options)
        labels = [int(target.label) for target in next(iter(train_loader(recipe, dataset, model))).targets]
        assert sorted(labels.count(label) for label in set(labels)) == [4, 4]

    def test_the_loaders_transform_is_a_copy_of_the_models(self) -> None:
        model = catalog.build_model(DETECTOR.model, open_split(DETECTOR, "train").schema, {"size": 64})
        loader = val_loader(DETECTOR, open_split(DETECTOR, "val"), model)
        model.transform.min_size = 999
        assert next(iter(loader)).inputs.sizes.tolist() == [[64, 64]] * 2


def first(length: int) -> object:
    return open_split(replace(DETECTOR, data=replace(DATA, train_length=length)), "train")


class TestOpenDataset:
    def test_generated_data_by_name(self) -> None:
        dataset = visus.open_dataset("vignettes", "val")
        assert torch.equal(dataset[0].input, open_split(DETECTOR, "val")[0].input)
        assert isinstance(visus.open_dataset("vignettes_semantic")[0].target, SemanticTarget)

    def test_a_folder_in_a_layout_that_is_recognised(self, tmp_path: Path) -> None:
        coco.write_fake(tmp_path)
        found, named = visus.open_dataset(tmp_path), visus.open_dataset("coco", root=tmp_path)
        assert len(found) == len(named) > 0
        assert found.schema.categories == named.schema.categories
        assert len(visus.open_dataset(str(tmp_path), "val")) > 0

    def test_what_does_not_exist_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetNotFoundError):
            visus.open_dataset(tmp_path)
        with pytest.raises(ValueError, match="no data set called 'coca'; did you mean coco"):
            visus.open_dataset("coca", root=tmp_path)
        with pytest.raises(ValueError, match="split of drawn data called 'holdout'; there are: test, train, val"):
            visus.open_dataset("vignettes", "holdout")


class Shapes:
    """Images of three shapes in turn, of which two are padded alike."""

    schema = Schema(categories=("a",), category_ids=(1,))
    shapes = ((50, 90), (52, 88), (90, 50))

    def __len__(self) -> int:
        return 14

    def size(self, index: int) -> tuple[int, int]:
        return self.shapes[index % 3]

    def path(self, index: int) -> str:
        return f"{index}.png"

    def __getitem__(self, index: int) -> Sample:
        generator = torch.Generator().manual_seed(index)
        height, width = self.size(index)
        image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
        target = rectangles((height, width), [(2, 2, 30, 40)], masks=False).target
        return Sample(image, replace(target, keypoints_xyv=None, image_id=index), self.path(index))


def test_the_size_of_the_batches_changes_no_measurement() -> None:
    torch.manual_seed(0)
    model = catalog.build_model(MODEL, Shapes.schema, {"size": 64, "pretrained": False}).eval()
    found: dict[int, dict[int, InstancePrediction]] = {}
    for batch_size in (1, 4):
        recipe = replace(DETECTOR, data=replace(DATA, batch_size=batch_size))
        loader = val_loader(recipe, Shapes(), model)
        found[batch_size] = {}
        for batch in loader:
            assert len({tuple(model.transform.frame(size)) for size in batch.inputs.frames}) == 1
            _, predictions = predict_batch(model, batch.inputs)
            ids = [target.image_id for target in batch.targets]
            found[batch_size] |= dict(zip(ids, predictions, strict=True))
        assert len(loader) == (14 if batch_size == 1 else 4)
    assert list(found[1]) == list(range(14))
    for index, alone in found[1].items():
        torch.testing.assert_close(found[4][index].boxes_xyxy, alone.boxes_xyxy, rtol=0, atol=1e-2)
        torch.testing.assert_close(found[4][index].scores, alone.scores, rtol=0, atol=1e-4)


def test_what_is_measured_keeps_its_place_among_batches_of_like_shape() -> None:
    model = catalog.build_model(MODEL, Shapes.schema, {"size": 64, "pretrained": False})
    recipe = replace(DETECTOR, data=replace(DATA, batch_size=4))
    qualities: dict[int, float | None] = {}
    objects = ObjectMetric(Shapes.schema)
    measure(
        model,
        CocoMetric(schema=Shapes.schema),
        val_loader(recipe, Shapes(), model),
        also=[objects],
        quality=lambda prediction, target: float(target.image_id),
        qualities=qualities,
    )
    assert dict(sorted(qualities.items())) == {i: float(i) for i in range(14)}
    assert list(qualities) != list(range(14))  # batches are of like shape
    dataset = Shapes()
    judged = dict(zip(qualities, objects.qualities(0.3), strict=True))
    for index, sample in enumerate(dataset[i] for i in range(14)):
        (alone,) = predict_samples(model, [sample])
        assert judged[index] == pytest.approx(match_objects(alone, sample.target).quality(0.3), abs=0.05)
