"""MVCNN (Su et al., arXiv 1505.00880): a network for images on views from around a shape, and their maximum.

The views go through one backbone, whose last maps are pooled over views (section 4.3) and then over cells. Views are
shaded points on black; a white background did not learn in other hands.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.backbones import Backbone, backbone, lite0_or
from visus.nn.points.transform import ViewTransform
from visus.systems.shapes3d.classifier import ShapeClassifier
from visus.systems.shapes3d.outputs import ShapeOutputs


class MVCNN(nn.Module):
    """Backbone, view pooling and classifier.

    Args:
        body: gives maps of images, the last of which is used.
        views: of each shape.
        num_classes: of the shapes.
    """

    def __init__(self, *, body: Backbone, views: int, num_classes: int) -> None:
        super().__init__()
        self.body, self.views = body, views
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(body.channels[-1], num_classes)

    def forward(self, images: Float[Tensor, "bv 3 h w"]) -> ShapeOutputs:
        """Scores of the classes."""
        maps = self.body.stages(images)[-1]  # [b * v, c, h, w]
        pooled = maps.view(-1, self.views, *maps.shape[1:]).amax(dim=1)
        return ShapeOutputs(self.classifier(self.dropout(pooled.mean(dim=(2, 3)))))


def mvcnn_lite0(
    *,
    num_classes: int = 40,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    views: int = 12,
    size: int = 96,
    body: Backbone | None = None,
) -> ShapeClassifier:
    """MVCNN on EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        num_classes: of the shapes.
        pretrained: start from the ImageNet weights.
        trainable_layers: how many groups of the backbone's layers learn, counted from the last; 3 if pretrained, else
            all.
        views: from around the shape, in equal steps.
        size: rows and columns of a view.
        body: a backbone of your own in place of EfficientNet-Lite0.
    """
    made = lite0_or(body, pretrained=pretrained, trainable_layers=trainable_layers)
    return _assembled(made, num_classes, views, size)


def mvcnn_vgg16(
    *,
    num_classes: int = 40,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    views: int = 12,
    size: int = 224,
) -> ShapeClassifier:
    """MVCNN on VGG-16, near the published VGG-11; arguments as for `mvcnn_lite0`."""
    body = backbone("vgg16", pretrained=pretrained, trainable_layers=trainable_layers)
    return _assembled(body, num_classes, views, size)


def mvcnn_resnet18(
    *,
    num_classes: int = 40,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    views: int = 12,
    size: int = 224,
) -> ShapeClassifier:
    """MVCNN on ResNet-18; arguments as for `mvcnn_lite0`."""
    body = backbone("resnet18", pretrained=pretrained, trainable_layers=trainable_layers)
    return _assembled(body, num_classes, views, size)


def _assembled(body: Backbone, num_classes: int, views: int, size: int) -> ShapeClassifier:
    transform = ViewTransform(views=views, size=size, mean=body.mean, std=body.std)
    return ShapeClassifier(transform=transform, network=MVCNN(body=body, views=views, num_classes=num_classes))
