"""Recipes for shapes: parametric ones in minutes on a laptop, ModelNet10, and a folder of your own.

Weights are chosen on validation shapes. ``visus evaluate RUN --split test`` then measures the test once; ``--data.val
test`` chooses them on the test, as many published numbers were, and the run says so.
"""

from __future__ import annotations

from dataclasses import replace

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Option, Recipe

_MINUTES = 4.5


def pointnet_vignettes3d() -> Recipe:
    """PointNet on 256 points of parametric shapes, in five minutes: ``visus train pointnet_vignettes3d``."""
    return _vignettes3d("pointnet_vignettes3d", "pointnet", {"points": 256})


def pointnet2_vignettes3d() -> Recipe:
    """PointNet++ (SSG) on 256 points of parametric shapes, in five minutes: ``visus train pointnet2_vignettes3d``."""
    return _vignettes3d("pointnet2_vignettes3d", "pointnet2_ssg", {"points": 256}, batch_size=16)


def dgcnn_vignettes3d() -> Recipe:
    """DGCNN on 256 points of parametric shapes, in five minutes: ``visus train dgcnn_vignettes3d``."""
    return _vignettes3d("dgcnn_vignettes3d", "dgcnn", {"points": 256, "neighbours": 10}, batch_size=16)


def voxnet_vignettes3d() -> Recipe:
    """VoxNet on parametric shapes, in five minutes: ``visus train voxnet_vignettes3d``."""
    return _vignettes3d("voxnet_vignettes3d", "voxnet", {})


def mvcnn_vignettes3d() -> Recipe:
    """MVCNN on six views of parametric shapes, in five minutes: ``visus train mvcnn_vignettes3d``."""
    return _vignettes3d("mvcnn_vignettes3d", "mvcnn_lite0", {"views": 6, "size": 64}, batch_size=16)


def pointnet_parts_vignettes3d() -> Recipe:
    """The parts of parametric shapes, in five minutes: ``visus train pointnet_parts_vignettes3d``."""
    recipe = _vignettes3d("pointnet_parts_vignettes3d", "pointnet_parts", {"points": 256})
    return replace(recipe, data=replace(recipe.data, dataset="vignettes3d_parts"))


def pointnet_shapes() -> Recipe:
    """A folder of meshes or point clouds for each class: ``visus train pointnet_shapes --data.root FOLDER``."""
    recipe = _points("pointnet_shapes", "pointnet", {"points": 1024})
    return replace(recipe, data=replace(recipe.data, dataset="shape_folder", root="shapes"))


def pointnet_parts_shapes() -> Recipe:
    """The parts of shapes, on data of one's own in Python: ``visus.train("pointnet_parts_shapes", data=...)``."""
    return replace(pointnet_parts_vignettes3d(), name="pointnet_parts_shapes", fit=FitRecipe(epochs=60))


def pointnet_modelnet10() -> Recipe:
    """PointNet on the cells of ModelNet10: ``visus train pointnet_modelnet10 --data.root FOLDER``."""
    return _modelnet10("pointnet_modelnet10", "pointnet", {"points": 512})


def pointnet2_modelnet10() -> Recipe:
    """PointNet++ (SSG) on the cells of ModelNet10: ``visus train pointnet2_modelnet10 --data.root FOLDER``."""
    return _modelnet10("pointnet2_modelnet10", "pointnet2_ssg", {"points": 512}, batch_size=16)


def dgcnn_modelnet10() -> Recipe:
    """DGCNN on the cells of ModelNet10: ``visus train dgcnn_modelnet10 --data.root FOLDER``."""
    return _modelnet10("dgcnn_modelnet10", "dgcnn", {"points": 512}, batch_size=16)


def voxnet_modelnet10() -> Recipe:
    """VoxNet on the cells of ModelNet10: ``visus train voxnet_modelnet10 --data.root FOLDER``."""
    recipe = _modelnet10("voxnet_modelnet10", "voxnet", {})
    return replace(recipe, data=replace(recipe.data, augment=AugmentRecipe(kind="shapes", flip=0.5, stretch=1.1)))


def mvcnn_modelnet10() -> Recipe:
    """MVCNN on views of the cells of ModelNet10: ``visus train mvcnn_modelnet10 --data.root FOLDER``."""
    return _modelnet10("mvcnn_modelnet10", "mvcnn_lite0", {"views": 12, "size": 64}, batch_size=16)


def _points(name: str, model: str, options: dict[str, Option], *, batch_size: int = 32) -> Recipe:
    """What all of them share."""
    augment = AugmentRecipe(kind="shapes", flip=0.5, scale=(0.85, 1.15), translate=0.1, options={"jitter": 0.01})
    return Recipe(
        name=name,
        model=model,
        model_options=options,
        data=DataRecipe(batch_size=batch_size, augment=augment),
        optim=OptimRecipe(name="adamw", lr=1e-3, weight_decay=0.02, warmup_steps=30, clip_norm=5.0),
        fit=FitRecipe(epochs=60, ema_decay=0.99),
    )


def _vignettes3d(name: str, model: str, options: dict[str, Option], *, batch_size: int = 32) -> Recipe:
    """Parametric shapes, which vary by themselves."""
    recipe = _points(name, model, options, batch_size=batch_size)
    data = replace(
        recipe.data,
        dataset="vignettes3d",
        train_length=40_000,
        val_length=500,
        augment=AugmentRecipe(kind="shapes", flip=0.5),
    )
    return replace(recipe, data=data, fit=FitRecipe(epochs=1, max_minutes=_MINUTES, ema_decay=0.98))


def _modelnet10(name: str, model: str, options: dict[str, Option], *, batch_size: int = 32) -> Recipe:
    """ModelNet10, whose shapes all face one way, so that they are not turned."""
    recipe = _points(name, model, options, batch_size=batch_size)
    data = replace(recipe.data, dataset="modelnet10_voxels", root="modelnet10_voxels")
    return replace(recipe, data=data, fit=FitRecipe(epochs=40, max_minutes=25.0, ema_decay=0.99))
