"""What every network of metric learning stands on: a body, and the last layers before its features are pooled.

A backbone can be cut behind one of its stages (`SplitBackbone`): what lies below is computed once, what lies above many
times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.backbones import PACKAGED, Backbone, backbone, efficientnet_lite0, freeze, loads_pretrained
from visus.nn.backbones.efficientnet_lite import lite_norm
from visus.nn.norm import frozen


class NeckedBackbone(nn.Module):
    """A body, and a neck behind its last stage.

    Args:
        body: the backbone.
        neck: layers between its last stage and the pooling; None for none.
        channels: the channels behind the neck; those of the last stage where there is none.
    """

    def __init__(self, body: Backbone, neck: nn.Module | None = None, channels: int | None = None) -> None:
        super().__init__()
        self.body = body
        self.neck = neck or nn.Identity()
        self.channels = (*body.channels[:-1], channels or body.channels[-1])

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c _ _"]:
        """The features behind the neck."""
        return self.neck(self.body.stages(pixels)[-1])  # type: ignore[no-any-return]

    def stages(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The features of all stages, the last one behind the neck."""
        *lower, last = self.body.stages(pixels)
        return [*lower, self.neck(last)]


MakeBackbone = Callable[..., NeckedBackbone]
"""Builds a backbone from ``pretrained`` and ``trainable_layers``."""


class SplitBackbone(nn.Module):
    """A backbone in two halves.

    Args:
        backbone: what is cut; it is used up. The groups of its body must be the stem and one row of layers for each
            stage, as those of ResNet, EfficientNet-Lite, GoogLeNet and BN-Inception are.
        stage: the number of the stage behind which it is cut.

    Raises:
        ValueError: the body has no such stage, or cannot be cut.
    """

    def __init__(self, backbone: NeckedBackbone, stage: int) -> None:
        super().__init__()
        groups = backbone.body.groups()
        if len(groups) != len(backbone.body.channels) + 1:
            raise ValueError(
                f"a {type(backbone.body).__name__} cannot be cut: its groups are not one row for each stage"
            )
        if not 0 <= stage < len(backbone.body.channels) - 1:
            raise ValueError(f"stage must lie in 0..{len(backbone.body.channels) - 2} for this backbone, not {stage}")
        self.stage, self.channels = stage, (backbone.channels[stage], backbone.channels[-1])
        above = [layer for group in groups[stage + 2 :] for layer in group]
        _replace(backbone.body, above)
        self.body = backbone.body
        self.above = nn.Sequential(*above, backbone.neck)

    def lower(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c _ _"]:
        """The features at the cut."""
        return self.body.stages(pixels)[self.stage]

    def upper(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """From features at the cut to those behind the neck."""
        return self.above(features)  # type: ignore[no-any-return]


def _replace(body: nn.Module, layers: Sequence[nn.Module]) -> None:
    """Puts identities where ``layers`` were."""
    gone = {id(layer) for layer in layers}
    for module in list(body.modules()):
        for name, child in list(module.named_children()):
            if id(child) in gone:
                setattr(module, name, nn.Identity())


def lite0_backbone(*, pretrained: bool = True, trainable_layers: int | None = None) -> NeckedBackbone:
    """EfficientNet-Lite0 with its last 1x1 convolution: 1280 channels of ReLU6, ImageNet weights of the install.

    Args:
        pretrained: with those weights, all norms are frozen.
        trainable_layers: how many of the body's five groups learn, counted from the last; 3 if pretrained, else 5.
            With 0 the neck is frozen as well.
    """
    norm = frozen(lite_norm) if pretrained else lite_norm
    weights = pretrained and loads_pretrained(PACKAGED)
    network = efficientnet_lite0(pretrained=weights, norm=norm, num_classes=None)
    layers = (3 if pretrained else 5) if trainable_layers is None else trainable_layers
    freeze(network.features, layers)
    network.head.requires_grad_(layers > 0)
    return NeckedBackbone(network.features, network.head, 1280)


def resnet50_backbone(*, pretrained: bool = False, trainable_layers: int | None = None) -> NeckedBackbone:
    """ResNet-50: stages of 256, 512, 1024 and 2048 channels."""
    return NeckedBackbone(backbone("resnet50", pretrained=pretrained, trainable_layers=trainable_layers))


def googlenet_backbone(
    *, pretrained: bool = False, trainable_layers: int | None = None, taps: Sequence[str] | None = None
) -> NeckedBackbone:
    """torchvision's GoogLeNet; ``taps`` name the layers that are its stages."""
    return NeckedBackbone(backbone("googlenet", pretrained=pretrained, trainable_layers=trainable_layers, taps=taps))


def bn_inception_backbone(
    *, pretrained: bool = False, trainable_layers: int | None = None, taps: Sequence[str] | None = None
) -> NeckedBackbone:
    """BN-Inception; ``taps`` name the layers that are its stages."""
    return NeckedBackbone(backbone("bn_inception", pretrained=pretrained, trainable_layers=trainable_layers, taps=taps))
