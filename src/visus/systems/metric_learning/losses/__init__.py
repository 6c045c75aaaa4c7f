"""Losses on the embeddings of a batch: ``LOSSES[name](...)(embeddings, labels)``."""

from collections.abc import Callable

from torch import nn

from visus.systems.metric_learning.losses.arcface import ArcFaceLoss, arcface_loss
from visus.systems.metric_learning.losses.circle import CircleLoss, circle_loss
from visus.systems.metric_learning.losses.clustering import ClusteringLoss, clustering_loss
from visus.systems.metric_learning.losses.contrastive import ContrastiveLoss, contrastive_loss
from visus.systems.metric_learning.losses.cosface import CosFaceLoss, cosface_loss
from visus.systems.metric_learning.losses.lifted_structure import LiftedStructureLoss, lifted_structure_loss
from visus.systems.metric_learning.losses.margin import MarginLoss, margin_loss
from visus.systems.metric_learning.losses.npairs import NPairsLoss, npairs_loss
from visus.systems.metric_learning.losses.proxy_nca import ProxyNCALoss, proxy_nca_loss
from visus.systems.metric_learning.losses.triplet import TripletLoss, triplet_loss

LOSSES: dict[str, Callable[..., nn.Module]] = {
    "proxy_nca": ProxyNCALoss,  # the usual one: it needs no particular batches
    "contrastive": ContrastiveLoss,
    "lifted_structure": LiftedStructureLoss,
    "npairs": NPairsLoss,
    "clustering": ClusteringLoss,
    "circle": CircleLoss,
    "margin": MarginLoss,
    "triplet": TripletLoss,
    "arcface": ArcFaceLoss,
    "cosface": CosFaceLoss,
}

__all__ = [
    "LOSSES",
    "ArcFaceLoss",
    "CircleLoss",
    "ClusteringLoss",
    "ContrastiveLoss",
    "CosFaceLoss",
    "LiftedStructureLoss",
    "MarginLoss",
    "NPairsLoss",
    "ProxyNCALoss",
    "TripletLoss",
    "arcface_loss",
    "circle_loss",
    "clustering_loss",
    "contrastive_loss",
    "cosface_loss",
    "lifted_structure_loss",
    "margin_loss",
    "npairs_loss",
    "proxy_nca_loss",
    "triplet_loss",
]
