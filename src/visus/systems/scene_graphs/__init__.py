"""Scene graphs: objects, their attributes, and how they are related."""

from visus.problem import Architecture, Problem
from visus.systems.scene_graphs.counting import counting_update
from visus.systems.scene_graphs.losses import SceneGraphCriterion
from visus.systems.scene_graphs.measured import METRICS, scene_graph_metric
from visus.systems.scene_graphs.models import MODELS
from visus.systems.scene_graphs.network import SceneGraphNetwork
from visus.types import InstanceTarget

PROBLEM = Problem(
    name="scene_graphs",
    targets=(InstanceTarget,),
    architectures=(Architecture(MODELS, {"scene_graph": SceneGraphCriterion}),),
    metric=scene_graph_metric,
    metrics=METRICS,
    update=counting_update,
)

__all__ = ["PROBLEM", "SceneGraphCriterion", "SceneGraphNetwork"]
