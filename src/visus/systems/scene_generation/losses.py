"""What a generator of images learns by: reconstruction, layout, and two judges that learn against it.

Johnson et al. 2018, arXiv 1804.01622, section 3 ("training"), with the weights of the paper. The judges live in the
criterion: their parameters learn with the loss and are not part of the model that is saved. All terms are computed at
the same weights, as in the paper's rounds, so that one backward pass serves generator and judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.ops.layout import windows
from visus.systems.scene_generation.discriminators import ImageDiscriminator, ObjectDiscriminator
from visus.systems.scene_generation.features import FeatureDistance
from visus.systems.scene_generation.outputs import GenerationOutputs, Truth
from visus.training.update import frozen
from visus.types import ImageTarget

_CROP = 32


class SceneGenerationCriterion(nn.Module):
    """The terms of the generator and of its judges.

    Args:
        num_classes: categories that the judge of objects tells apart.
        features: weight of the difference of features, see `FeatureDistance`; the paper has none. The mean absolute
            difference of normalised colours has the weight 1.
        boxes: weight of the mean squared error of the boxes, in shares of the sides.
        masks: weight of the cross-entropy of the outlines.
        adversarial: weight of what either judge says to the generator.
        category: weight of the category that the judge of objects sees, for the generator and for itself.
        judges: what is judged: images and objects, one of the two, or nothing.
        width: channels of the first convolution of either judge.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        features: float = 0.0,
        boxes: float = 10.0,
        masks: float = 0.1,
        adversarial: float = 0.01,
        category: float = 0.1,
        judges: Literal["both", "images", "objects", "none"] = "both",
        width: int = 64,
    ) -> None:
        super().__init__()
        self.weights = {"reconstruction": 1.0, "boxes": boxes, "masks": masks}
        self.adversarial, self.category, self.features = adversarial, category, features
        self.distance = FeatureDistance() if features else None
        images, objects = judges in ("both", "images"), judges in ("both", "objects")
        self.image_judge = ImageDiscriminator(width=width) if images else None
        self.object_judge = ObjectDiscriminator(width=width, num_classes=num_classes) if objects else None

    @property
    def discriminators(self) -> list[nn.Module]:
        """The discriminators that there are."""
        return [judge for judge in (self.image_judge, self.object_judge) if judge is not None]

    def forward(self, outputs: GenerationOutputs, targets: Sequence[ImageTarget]) -> dict[str, Float[Tensor, ""]]:
        """The terms by name; what is said of ``targets`` came with the outputs."""
        assert outputs.truth is not None
        assert outputs.images is not None
        images, truth = outputs.images, outputs.truth
        with torch.autocast(images.device.type, enabled=False):
            terms = {
                "reconstruction": F.l1_loss(images, truth.images),
                "boxes": F.mse_loss(outputs.boxes, truth.boxes),
                "masks": F.binary_cross_entropy_with_logits(outputs.mask_logits, truth.masks),
            }
            losses = {name: self.weights[name] * value for name, value in terms.items()}
            if self.distance is not None:
                losses["features"] = self.features * self.distance(images, truth.images)
            if self.image_judge is not None:
                losses |= self._judged_images(self.image_judge, images, truth.images)
            if self.object_judge is not None:
                losses |= self._judged_objects(self.object_judge, outputs, images, truth)
        return losses

    def _judged_images(self, judge: ImageDiscriminator, made: Tensor, real: Tensor) -> dict[str, Tensor]:
        with frozen(judge):
            said = judge(made)
        return {
            "image": self.adversarial * F.softplus(-said).mean(),
            "image_judge": F.softplus(judge(made.detach())).mean() + F.softplus(-judge(real)).mean(),
        }

    def _judged_objects(
        self, judge: ObjectDiscriminator, outputs: GenerationOutputs, images: Tensor, truth: Truth
    ) -> dict[str, Tensor]:
        """What is said of the objects in their annotated boxes, in the made images and in the real ones."""
        labels = outputs.labels
        made, real = (windows(some, truth.boxes, outputs.image_index, _CROP) for some in (images, truth.images))
        with frozen(judge):
            said, seen = judge(made)
        of_made, seen_made = judge(made.detach())
        of_real, seen_real = judge(real)
        confusion = F.cross_entropy(seen_made, labels) + F.cross_entropy(seen_real, labels)
        return {
            "object": self.adversarial * F.softplus(-said).mean(),
            "category": self.category * F.cross_entropy(seen, labels),
            "object_judge": F.softplus(of_made).mean() + F.softplus(-of_real).mean(),
            "category_judge": confusion,
        }
