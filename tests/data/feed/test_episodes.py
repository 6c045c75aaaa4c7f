"""Episodes: disjoint, repeatable, telling nothing by their order; and data that cannot give them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.datasets import DATASETS
from visus.data.errors import EpisodeError
from visus.data.feed.episodes import Episodes, episode_batches
from visus.types import ClassTarget, Sample, Schema


class Numbers:
    """Images whose every pixel is the number of the image."""

    super_labels = None

    def __init__(self, sizes: list[int]) -> None:
        self.labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        names = tuple(f"class {number}" for number in range(len(sizes)))
        self.schema = Schema(names, tuple(range(len(names))))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        image = torch.full((3, 4, 4), index, dtype=torch.uint8)
        return Sample(image, ClassTarget(self.labels[index], (4, 4), index), self.path(index))

    def size(self, index: int) -> tuple[int, int]:
        return 4, 4

    def path(self, index: int) -> str:
        return f"image {index}"


def numbers_in(images: tuple[torch.Tensor, ...]) -> list[int]:
    return [int(image[0, 0, 0]) for image in images]


def test_shots_and_queries_are_disjoint_and_labels_are_right() -> None:
    data = Numbers([7, 3, 9, 8, 6])
    tasks = Episodes(data, n_way=3, k_shot=2, queries=3, count=50)
    seen = set()
    for index in range(50):
        sample = tasks[index]
        episode, target = sample.input, sample.target
        shown, asked = numbers_in(episode.support), numbers_in(episode.queries)
        assert len({*shown, *asked}) == 3 * 5
        classes = data.labels[torch.tensor(shown)].view(3, 2)
        assert (classes == target.classes[:, None]).all()
        assert (data.labels[torch.tensor(asked)] == target.classes[target.labels]).all()
        assert episode.size == target.size == tasks.size(index) == (12, 20)
        assert sample.path == tasks.path(index)
        seen |= set(target.classes.tolist())
    assert seen == {0, 2, 3, 4}, "a class of three images cannot give five"


def test_an_episode_is_a_function_of_seed_and_number() -> None:
    data = Numbers([6] * 8)
    first, again, other = (Episodes(data, n_way=4, k_shot=1, queries=2, count=9, seed=seed) for seed in (0, 0, 1))
    assert numbers_in(first[5].input.queries) == numbers_in(again[5].input.queries)
    assert numbers_in(first[5].input.queries) != numbers_in(other[5].input.queries)
    assert numbers_in(first[5].input.queries) != numbers_in(first[6].input.queries)
    assert len(first) == 9
    assert first[2**61].target.image_id == 2**61
    with pytest.raises(IndexError):
        first[-1]


def test_the_order_of_the_queries_tells_nothing() -> None:
    tasks = Episodes(Numbers([10] * 6), n_way=3, k_shot=1, queries=2, count=1)
    labels = torch.stack([tasks[index].target.labels for index in range(400)]).double()
    assert labels.mean(0).sub(1).abs().max() < 0.15


def test_training_batches_never_repeat_and_are_shared_out() -> None:
    sampler = episode_batches(batch_size=3, per_epoch=12, seed=4)
    epochs = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
    assert [len(one) for one in epochs] == [4, 4, 4]
    assert epochs[0] == epochs[2]
    assert not {n for batch in epochs[0] for n in batch} & {n for batch in epochs[1] for n in batch}


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([9, 9], "a task of 3 classes needs as many, but the data has 2 classes: lower n_way"),
        ([9], "but the data has 1 class: lower n_way"),
        (
            [9, 2, 4, 9],
            r"needs 5 images of each \(k_shot \+ queries\), but 2 classes of 4 have so many, and the largest",
        ),
    ],
)
def test_data_that_cannot_give_tasks_is_refused(sizes: list[int], message: str) -> None:
    with pytest.raises(EpisodeError, match=message) as error:
        Episodes(Numbers(sizes), n_way=3, k_shot=2, queries=3, count=1)
    assert "\n" not in str(error.value)


def test_data_without_labels_ahead_is_refused() -> None:
    scenes = DATASETS["vignettes"].open(Path(), "train")
    with pytest.raises(EpisodeError, match="need a data set of classes"):
        Episodes(scenes, n_way=2, k_shot=1, queries=1, count=1)


def test_the_same_image_in_two_classes_is_refused(tmp_path: Path) -> None:
    for place, name in enumerate("abcd"):
        (tmp_path / name).mkdir()
        for view in range(2):
            Image.new("RGB", (9, 9), (20 * place, 20 * view, 9)).save(tmp_path / name / f"{view}.png")
    Image.open(tmp_path / "a" / "0.png").save(tmp_path / "b" / "1.png")
    tasks = Episodes(DATASETS["class_folder"].open(tmp_path, "train"), n_way=2, k_shot=1, queries=1, count=1)
    with pytest.raises(EpisodeError, match=r"the same image as .*; take one of them away"):
        tasks[0]
