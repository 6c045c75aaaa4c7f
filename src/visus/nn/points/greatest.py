"""The last shared layer of a point network and the maximum over points in one step of training.

A layer of PointNet that makes 1,024 features of each point is followed by batch norm, ReLU and the maximum over the
points (arXiv 1612.00593, figure 2), which throws all but one point a feature away. So the features of all points need
not be kept, normalised or differentiated one by one. With ``y = W x`` over ``N`` points of mean ``m`` and covariance
``C``:

- the norm's mean is ``W m``, and its variance the diagonal of ``W C Wᵀ``;
- an increasing function of ``y`` is greatest where ``y`` is: norm and ReLU are applied to the maxima alone (to the
  minima where the norm's gain is negative);
- the gradient of ``y`` is nothing but that of the maxima, a constant, and a multiple of ``y - W m``; the last two give
  ``W`` and ``x`` a gradient through matrices of ``c x c``, without ``y``.

The results are those of the layers one after the other, but for rounding.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

_CHUNK_BYTES = {"cpu": 4 << 20}
"""So much of the features of all points is there at once: on a CPU, what stays in a cache."""
_CHUNK_BYTES_ELSEWHERE = 256 << 20
Rows = Float[Tensor, "d c"]
Channels = Float[Tensor, " d"]


def greatest(layers: nn.Sequential, x: Float[Tensor, "b c p"]) -> Float[Tensor, "b d"]:
    """The maximum over points of what ends with 1x1 convolution, batch norm and ReLU.

    Args:
        layers: any, of which the last three are these.
        x: the features of each point.
    """
    before, last = list(layers)[:-3], list(layers)[-3:]
    convolution, norm, relu = cast(Any, last)
    for layer in before:
        x = layer(x)
    if not norm.training or type(norm) is not nn.BatchNorm1d:  # norms across processes have statistics of their own
        return relu(norm(convolution(x)).amax(dim=2))  # type: ignore[no-any-return]
    with torch.autocast(x.device.type, enabled=False):
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        weight = convolution.weight[:, :, 0].to(exact)
        found, mean, variance = _Greatest.apply(  # type: ignore[no-untyped-call]
            exact, weight, convolution.bias, norm.weight, norm.bias, norm.eps
        )
    _remember(norm, mean, variance, x.shape[0] * x.shape[2])
    return relu(found)  # type: ignore[no-any-return]


@torch.no_grad()
def _remember(norm: nn.BatchNorm1d, mean: Channels, variance: Channels, count: int) -> None:
    """Moves the norm's running statistics as it would itself."""
    assert norm.num_batches_tracked is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.num_batches_tracked.add_(1)
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_((variance * (count / max(count - 1, 1))).to(norm.running_var), share)


class _Greatest(torch.autograd.Function):
    """The greatest normalised feature over the points of each cloud, and the statistics that normalise.

    The bias of the convolution moves the mean alone, as the norm takes it away: its gradient is 0.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "b c p"], weight: Rows, bias: Channels, gain: Channels, shift: Channels, eps: float
    ) -> tuple[Float[Tensor, "b d"], Channels, Channels]:
        """Some clouds at a time, so that the features of all points are never there at once."""
        mean_x, covariance = _moments(x)
        mean = weight @ mean_x
        variance = ((weight @ covariance) * weight).sum(dim=1).clamp(min=0)
        sign = torch.where(gain < 0, -1.0, 1.0)
        turned = weight * sign[:, None]
        most = _CHUNK_BYTES.get(x.device.type, _CHUNK_BYTES_ELSEWHERE)
        clouds = max(1, most // (weight.shape[0] * x.shape[2] * x.element_size()))
        found = [(turned @ some).max(dim=2) for some in torch.split(x, clouds)]
        places = torch.cat([one.indices for one in found])  # [b, d]
        root = (variance + eps).rsqrt()
        normal = (torch.cat([one.values for one in found]) * sign - mean) * root
        ctx.save_for_backward(x, weight, gain, places, normal, root, mean_x, covariance)
        moved = mean + bias
        ctx.mark_non_differentiable(moved, variance)
        return torch.addcmul(shift, normal, gain), moved, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slopes: Float[Tensor, "b d"], *unused: Any) -> Any:
        """The gradients of points, weights, bias, gain and shift."""
        x, weight, gain, places, normal, root, mean_x, covariance = ctx.saved_tensors
        of_shift, of_gain = slopes.sum(dim=0), (slopes * normal).sum(dim=0)
        scale = gain * root
        at = slopes * scale  # of the maxima, before the norm's own statistics
        constant, factor = of_shift * scale, of_gain * scale * root  # N times what every point gets
        count = x.shape[0] * x.shape[2]
        points = x.transpose(1, 2)  # [b, p, c]
        chosen = points.gather(1, places[:, :, None].expand(-1, -1, x.shape[1]))  # [b, d, c]
        of_weight = torch.einsum("bd,bdc->dc", at, chosen)
        of_weight -= constant[:, None] * mean_x + factor[:, None] * (weight @ covariance)
        shared = weight.T @ (weight * (factor / count)[:, None])  # [c, c]
        everywhere = shared @ mean_x - weight.T @ (constant / count)  # [c]
        of_points = torch.baddbmm(everywhere, points, (-shared).expand(len(x), -1, -1))  # [b, p, c]
        first = torch.arange(len(x), device=x.device)[:, None] * x.shape[2]
        of_points.view(count, -1).index_add_(0, (places + first).flatten(), (at[:, :, None] * weight).flatten(0, 1))
        return of_points.transpose(1, 2), of_weight, torch.zeros_like(of_shift), of_gain, of_shift, None


def _moments(x: Float[Tensor, "b c p"]) -> tuple[Float[Tensor, " c"], Float[Tensor, "c c"]]:
    """Mean and covariance of all points."""
    mean = x.mean(dim=(0, 2))
    moved = x - mean[:, None]
    return mean, torch.bmm(moved, moved.transpose(1, 2)).sum(dim=0) / (x.shape[0] * x.shape[2])
