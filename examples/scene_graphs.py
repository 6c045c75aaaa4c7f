"""Scene graphs on your own loop: Neural Motifs learns relationships of given objects in drawn scenes, and says them.

python examples/scene_graphs.py --steps 200 --out graph.png
"""

from __future__ import annotations

import argparse

import torch

from visus.catalog import build_model
from visus.data.feed.collate import Collate
from visus.data.feed.loader import make_loader
from visus.data.vignettes import Vignettes
from visus.draw.draw import draw
from visus.metrics import SceneGraphMetric
from visus.nn.model import predict_batch
from visus.phrases.ground import ground
from visus.phrases.parse import parse
from visus.phrases.vocabulary import Vocabulary
from visus.phrases.wording import caption
from visus.systems.scene_graphs import SceneGraphCriterion


def main(argv: list[str] | None = None) -> None:
    """Trains, measures, draws one scene with its graph and looks for a phrase in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--phrase", default="man sitting on bench")
    parser.add_argument("--out", default="graph.png")
    options = parser.parse_args(argv)

    scenes = Vignettes(split="train", length=8 * options.steps, size=options.size)
    # The detector stays as it is; boxes and classes are given ("predcls"), so that it need not have learned anything.
    model = build_model("motifs_lite0", scenes.schema, {"size": options.size, "mode": "predcls"})
    criterion = SceneGraphCriterion()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)

    model.train()
    for step, batch in enumerate(make_loader(scenes, collate=Collate(), batch_size=8)):
        losses = criterion(model(batch.inputs, batch.targets), batch.targets)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        print(step, "  ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items()), flush=True)

    model.eval()
    unseen = Vignettes(split="val", length=16, size=options.size)
    metric = SceneGraphMetric(scenes.schema, mode="predcls", seen=model.frequencies.seen)
    for batch in make_loader(unseen, collate=Collate(), batch_size=8):
        _, predictions = predict_batch(model, batch.inputs, batch.targets)
        metric.update(predictions, batch)
    print({name: round(value, 3) for name, value in metric.compute().items() if name in ("R@20", "mR@20")})

    sample = unseen[0]
    _, [found] = predict_batch(model, model.transform.batch([sample.input]), [sample.target])
    draw(sample.input, found, scenes.schema, min_score=0.3).save(options.out)
    graph = parse(options.phrase, Vocabulary(scenes.schema))
    print(caption(found, scenes.schema, min_score=0.3))
    print(f"{options.phrase!r} fits by {ground(graph, found).score:.3f}; the graph is drawn to {options.out}")


if __name__ == "__main__":
    main()
