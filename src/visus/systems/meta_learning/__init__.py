"""Meta-learning: few-shot learners that know new classes from a few images, and a learned optimiser."""

from visus.problem import Architecture, Builder, Problem
from visus.systems.meta_learning.adapting import AdaptingLearner
from visus.systems.meta_learning.centroids import centroids_lite0
from visus.systems.meta_learning.losses import EpisodeCriterion, RelationCriterion, ReptileCriterion
from visus.systems.meta_learning.maml import maml_conv4
from visus.systems.meta_learning.matching import matching_conv4
from visus.systems.meta_learning.measured import episode_metric
from visus.systems.meta_learning.metric_learner import MetricLearner
from visus.systems.meta_learning.prototypical import prototypical_conv4
from visus.systems.meta_learning.relation import relation_conv4
from visus.systems.meta_learning.reptile import reptile_conv4
from visus.types import Episode, EpisodeTarget

COMPARING: dict[str, Builder] = {
    "prototypical_conv4": prototypical_conv4,
    "matching_conv4": matching_conv4,
    "centroids_lite0": centroids_lite0,
}

PROBLEM = Problem(
    name="meta_learning",
    targets=(EpisodeTarget,),
    inputs=(Episode,),
    noun="tasks",
    architectures=(
        Architecture(COMPARING, {"episodes": EpisodeCriterion}),
        Architecture({"relation_conv4": relation_conv4}, {"relation": RelationCriterion}),
        Architecture({"maml_conv4": maml_conv4}, {"maml": EpisodeCriterion}),
        Architecture({"reptile_conv4": reptile_conv4}, {"reptile": ReptileCriterion}),
    ),
    metric=episode_metric,
    unseen_classes=True,
)

__all__ = ["PROBLEM", "AdaptingLearner", "MetricLearner"]
