"""Phrases and questions on drawn scenes that no model has seen: is the right image first, is the answer right?

    python benchmarks/phrases.py RUN
    python benchmarks/phrases.py truth

RUN is that of a scene-graph model; ``truth`` takes the annotated graphs instead, which tests the language alone. Of 500
scenes of the test split, 100 have a phrase of one of their relationships; a scene is right where the annotated graph
fits the phrase. 1,000 questions are made from the annotations; the baseline answers each form of question with what is
most frequent in the training split. The result goes to ``benchmarks/results/phrases.json``.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import torch

import visus
from visus.data.vignettes import Vignettes
from visus.data.vignettes.dataset import Scene
from visus.phrases.ground import ground
from visus.phrases.parse import parse
from visus.phrases.questions import answer
from visus.phrases.vocabulary import Vocabulary
from visus.types import GraphPrediction, InstanceTarget, Schema

RESULT = Path(__file__).parent / "results" / "phrases.json"
KS = (1, 5, 10)


def true_graph(target: InstanceTarget) -> GraphPrediction:
    """The annotated graph as a prediction that is certain of everything."""
    assert target.attributes is not None
    assert target.relationships is not None
    return GraphPrediction(
        boxes_xyxy=target.boxes_xyxy,
        labels=target.labels,
        scores=torch.ones(len(target)),
        size=target.size,
        attribute_scores=target.attributes.float(),
        relationships=target.relationships,
        relationship_scores=torch.ones(len(target.relationships)),
    )


def questions_of(target: InstanceTarget, schema: Schema, dice: Random) -> Iterator[tuple[str, str, str]]:
    """Forms, questions and answers about one scene, half of the yes-or-no ones true."""
    assert target.relationships is not None
    labels, rows = target.labels.tolist(), target.relationships.tolist()
    names, predicates = schema.categories, schema.predicates
    asked = names[dice.choice(labels) if dice.random() < 0.5 else dice.randrange(len(names))]
    there = sum(names[label] == asked for label in labels)
    yield "is there", f"is there a {asked}?", "yes" if there else "no"
    yield "how many", f"how many {asked}s are there?", str(there)
    if not rows:
        return
    subject, predicate, other = dice.choice(rows)
    first, second = names[labels[subject]], names[labels[other]]
    named = predicates[predicate if dice.random() < 0.5 else dice.randrange(len(predicates))]
    holds = any((names[labels[i]], predicates[p], names[labels[j]]) == (first, named, second) for i, p, j in rows)
    yield "is there, related", f"is there a {first} {named} a {second}?", "yes" if holds else "no"
    ends = {labels[j] for i, p, j in rows if (labels[i], p) == (labels[subject], predicate)}
    if len(ends) == 1:
        yield "what is", f"what is the {first} {predicates[predicate]}?", second
    who = labels[subject] if dice.random() < 0.5 else dice.choice(labels)
    counted = {i for i, p, j in rows if (labels[i], p, labels[j]) == (who, predicate, labels[other])}
    yield "how many, related", f"how many {names[who]}s are {predicates[predicate]} the {second}?", str(len(counted))


def asked(scenes: list[Scene], schema: Schema, count: int) -> list[tuple[int, str, str, str]]:
    """So many questions at most: the scene, the form, the question, the answer."""
    dice, found = Random(0), []
    for place, scene in enumerate(scenes):
        found += [(place, *one) for one in questions_of(scene.sample.target, schema, dice)]
    return found[:count]


def recalls(scenes: list[Scene], graphs: list[GraphPrediction], words: Vocabulary, count: int) -> dict[str, float]:
    """The share of phrases with a right scene among the first k."""
    truth = [true_graph(scene.sample.target) for scene in scenes]
    phrases = [scene.phrases[0] for scene in scenes if scene.phrases][:count]
    hits: Counter[int] = Counter()
    for phrase in phrases:
        graph = parse(phrase, words)
        scores = [ground(graph, one).score for one in graphs]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        ranks = [rank for rank, place in enumerate(order) if ground(graph, truth[place]).score > 0.5 and scores[place]]
        hits.update(k for k in KS if ranks and ranks[0] < k)
    return {f"phrase recall@{k}": hits[k] / len(phrases) for k in KS}


def accuracies(
    questions: list[tuple[int, str, str, str]], answers: Callable[[int, str, str], str], prefix: str
) -> dict[str, float]:
    """The share of right answers, of all and by form."""
    right: dict[str, list[bool]] = {}
    for place, form, question, expected in questions:
        hit = answers(place, form, question) == expected
        for name in ("all questions", form):
            right.setdefault(name, []).append(hit)
    return {f"{prefix}: {name}": sum(hits) / len(hits) for name, hits in right.items()}


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--phrases", type=int, default=100)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args(argv)

    unseen = Vignettes(split="test", length=options.scenes, size=options.size)
    learned = Vignettes(split="train", length=options.scenes, size=64)
    schema, words = unseen.schema, Vocabulary(unseen.schema)
    scenes = [unseen.scene(index) for index in range(options.scenes)]
    if options.run == "truth":
        graphs = [true_graph(scene.sample.target) for scene in scenes]
    else:
        predictor = visus.load(options.run)
        graphs = [predictor.predict(scene.sample.input)[0].prediction for scene in scenes]
    prior: dict[str, Counter[str]] = {}
    for _, form, _, expected in asked([learned.scene(i) for i in range(options.scenes)], schema, options.questions):
        prior.setdefault(form, Counter())[expected] += 1
    usual = {form: counts.most_common(1)[0][0] for form, counts in prior.items()}
    questions = asked(scenes, schema, options.questions)
    numbers = recalls(scenes, graphs, words, options.phrases)
    numbers |= accuracies(questions, lambda place, form, text: answer(text, graphs[place], words).text, "graph")
    numbers |= accuracies(questions, lambda place, form, text: usual.get(form, ""), "prior alone")
    numbers = {name: round(value, 4) for name, value in numbers.items()}
    about = {"run": options.run, "scenes": options.scenes, "questions": len(questions)}
    options.out.write_text(json.dumps({**about, "numbers": numbers}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
