"""Scene generation: an image from a scene graph."""

from visus.problem import Architecture, Problem
from visus.scenes import SceneGraph
from visus.systems.scene_generation.generator import SceneGenerator
from visus.systems.scene_generation.losses import SceneGenerationCriterion
from visus.systems.scene_generation.measured import generation_metric
from visus.systems.scene_generation.models import scene_generator
from visus.systems.scene_generation.update import AdversarialUpdate
from visus.types import ImageTarget

PROBLEM = Problem(
    name="scene_generation",
    targets=(ImageTarget,),
    inputs=(SceneGraph,),
    noun="scene graphs",
    architectures=(Architecture({"scene_generator": scene_generator}, {"scene_generation": SceneGenerationCriterion}),),
    metric=generation_metric,
    metrics={"generation": generation_metric},
    update=AdversarialUpdate,
)

__all__ = ["PROBLEM", "SceneGenerationCriterion", "SceneGenerator"]
