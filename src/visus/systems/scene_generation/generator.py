"""Images from scene graphs (Johnson, Gupta and Fei-Fei 2018, arXiv 1804.01622, figure 2).

A graph convolution tells each object of its neighbours; a box and an outline are predicted for each; laid into one map,
the layout, they become an image in a cascaded refinement network.

Where we differ: objects may have attributes, whose embeddings are added to those of their categories; the graph may
give boxes; and a share of the outlines that the layout is made of in training (``own_masks``) are predicted ones, so
that the network knows in training what it is given later. With 0 all are annotated ones, as in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.nn.graphs import GraphConvolution
from visus.ops.layout import compose_layout, masks_in_boxes
from visus.scenes import GraphBatch
from visus.systems.scene_generation.heads import BoxHead, MaskHead, NoMaskHead
from visus.systems.scene_generation.outputs import GenerationOutputs, Truth, image_predictions, placed
from visus.systems.scene_generation.refinement import RefinementNetwork
from visus.systems.scene_generation.transform import GraphTransform
from visus.types import ImagePrediction, ImageTarget


class SceneGenerator(nn.Module):
    """The words of a graph, their context, the layout of the image, the image.

    Args:
        transform: makes batches of graphs, and normalises images.
        words: vectors of objects and of relationships.
        convolution: lets objects know of each other.
        box_head: where an object is.
        mask_head: its outline.
        refinement: from the layout and noise to the image.
        noise: channels of noise beside the layout.
        own_masks: the share of outlines in training's layouts that are predicted.
    """

    channels_last = True
    adapts = False

    def __init__(
        self,
        *,
        transform: GraphTransform,
        words: GraphWords,
        convolution: GraphConvolution,
        box_head: BoxHead,
        mask_head: MaskHead | NoMaskHead,
        refinement: RefinementNetwork,
        noise: int = 32,
        own_masks: float = 0.0,
    ) -> None:
        super().__init__()
        self.transform, self.words, self.convolution = transform, words, convolution
        self.box_head, self.mask_head, self.refinement = box_head, mask_head, refinement
        self.noise, self.own_masks = noise, own_masks

    def forward(self, graphs: GraphBatch, targets: Sequence[ImageTarget] | None = None) -> GenerationOutputs:
        """The layout of each graph; with targets also the image of the annotated layout, for losses."""
        vectors = self.convolution(*self.words(graphs))
        count = len(graphs.labels)
        outputs = GenerationOutputs(
            vectors=vectors,
            image_index=graphs.image_index,
            labels=graphs.labels,
            boxes=self.box_head(vectors[:count]),
            mask_logits=self.mask_head(vectors[:count]),
            given=graphs.shares_xyxy.to(vectors.dtype),
            noise=self._noise(graphs).to(vectors),
        )
        if targets is None:
            return outputs
        truth = self.transform.truth(targets, outputs.mask_logits.shape[-1])
        return replace(outputs, truth=truth, images=self._image(outputs, truth.boxes, self._outlines(outputs, truth)))

    @torch.no_grad()
    def postprocess(self, outputs: GenerationOutputs, sizes: Sequence[tuple[int, int]]) -> list[ImagePrediction]:
        """The image of each graph in the layout that is predicted, or given, resized to ``sizes`` (h, w)."""
        boxes, masks = placed(outputs.boxes, outputs.given), outputs.mask_logits.sigmoid()
        images = self.transform.pixels(self._image(outputs, boxes, masks))
        return image_predictions(outputs, images, boxes, masks, sizes)

    def _image(self, outputs: GenerationOutputs, boxes: Tensor, masks: Tensor) -> Float[Tensor, "b 3 h w"]:
        """The refinement network's image of a layout, behind which the image's own vectors fill all of it."""
        images, side = len(outputs.noise), self.transform.size
        laid = masks_in_boxes(masks, boxes, (side, side))
        everywhere = laid.new_ones(images, side, side)
        owners = torch.cat([outputs.image_index, torch.arange(images, device=laid.device)])
        layout = compose_layout(outputs.vectors, torch.cat([laid, everywhere]), owners, images)
        return self.refinement(torch.cat([layout, outputs.noise], dim=1))  # type: ignore[no-any-return]

    def _outlines(self, outputs: GenerationOutputs, truth: Truth) -> Float[Tensor, "n k k"]:
        """The annotated outlines; in training, predicted ones in place of a share of them."""
        if not self.training or not self.own_masks:
            return truth.masks
        own = torch.rand(len(truth.masks), 1, 1, device=truth.masks.device) < self.own_masks
        return torch.where(own, outputs.mask_logits.sigmoid(), truth.masks)

    def _noise(self, graphs: GraphBatch) -> Float[Tensor, "b noise h w"]:
        """Another one at every look in training; in evaluation that of the seed of each graph."""
        shape = self.noise, self.transform.size, self.transform.size
        if self.training:
            return torch.randn(len(graphs), *shape, device=graphs.labels.device)
        return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in graphs.seeds])


class GraphWords(nn.Module):
    """Vectors for the objects and the relationships of graphs, and for each image, that its objects are in.

    Args:
        num_classes: categories of objects.
        num_attributes: attributes of objects.
        num_predicates: kinds of relationships.
        dim: of the vectors.
    """

    def __init__(self, *, num_classes: int, num_attributes: int, num_predicates: int, dim: int) -> None:
        super().__init__()
        self.categories = nn.Embedding(num_classes + 1, dim)  # the last one is the image
        self.predicates = nn.Embedding(num_predicates + 1, dim)  # the last one says that an object is in its image
        self.attributes = nn.Linear(num_attributes, dim, bias=False)
        if num_attributes:
            nn.init.normal_(self.attributes.weight)  # as much as a category

    def forward(
        self, graphs: GraphBatch
    ) -> tuple[Float[Tensor, "nodes d"], Float[Tensor, "edges d"], Int64[Tensor, "edges 2"]]:
        """The vectors of the objects and, behind them, of the images; those of all edges, and the ends of these."""
        count, images = len(graphs.labels), len(graphs)
        described = self.attributes(graphs.attributes.to(self.categories.weight.dtype))
        objects = self.categories(graphs.labels) + described
        image = self.categories.weight[-1:].expand(images, -1)
        predicates = self.predicates(graphs.relationships[:, 1])
        inside = self.predicates.weight[-1:].expand(count, -1)
        places = torch.arange(count, device=graphs.labels.device)
        ends = torch.stack([places, count + graphs.image_index], dim=1)
        return (
            torch.cat([objects, image]),
            torch.cat([predicates, inside]),
            torch.cat([graphs.relationships[:, ::2], ends]),
        )
