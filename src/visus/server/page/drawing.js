"use strict";

// What one model found, drawn: the input with boxes, masks, skeletons, classes of pixels or points, and a list beside it.

const make = (name, properties = {}, ...children) => {
  const { dataset, style, ...rest } = properties;
  const node = Object.assign(document.createElement(name), rest);
  Object.assign(node.dataset, dataset ?? {});
  Object.assign(node.style, style ?? {});
  node.append(...children);
  return node;
};
const rgb = (colour) => `rgb(${colour.join(" ")})`;
const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const inkOn = ([r, g, b]) => (0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) > 0.18 ? "#0f1219" : "#ffffff");
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

// Which model it was, under which licence, where it runs, and how long it took.
const factsOf = (model, milliseconds) => [["model", `${model.name} (${model.model})`], ["licence", model.licence], ["device", model.device],
  ["time", `${milliseconds.toFixed(0)} ms`]].map(([name, text]) => make("span", {}, `${name} `, make("b", {}, text)));

class Pane {
  constructor(model) {
    this.model = model;
    this.colours = new Map(model.categories.map((one) => [one.name, one.colour]));
    this.image = make("img", { alt: "" });
    this.over = make("canvas", { className: "over" });
    this.svg = svgNode("svg", { "aria-hidden": "true" });
    this.frame = make("div", { className: "frame" }, this.image, this.over, this.svg);
    this.facts = make("figcaption");
    this.stage = make("figure", { className: "stage" }, this.frame, this.facts);
    this.side = make("aside", { className: "side", ariaLabel: `What ${model.name} found` });
    this.graph = make("div", { className: "graph", hidden: true });
    this.root = make("section", { className: "pane", ariaLabel: model.name }, this.stage, this.side, this.graph);
    this.chosen = null;
    new ResizeObserver(() => this.drawBoxes()).observe(this.frame);
  }

  // url: of the image, null for a shape.
  async show(url, answer) {
    this.answer = answer;
    this.masks = new Map();
    this.edited = this.kept = null;
    this.chosen = null;
    if (answer.cloud) {
      const canvas = make("canvas", { className: "turn", width: 480, height: 480, tabIndex: 0, role: "img", ariaLabel: "The shape: drag, or press the arrow keys, to turn it" });
      this.frame.replaceWith(canvas);
      this.turned = canvas;
      turning(canvas, answer.cloud);
    } else {
      this.image.src = url;
      await this.image.decode().catch(() => {});
      this.frame.style.setProperty("--wide", `min(${Math.round((answer.width / answer.height) * 70)}vh, ${Math.max(answer.width, 1100)}px)`);
      this.over.width = answer.width;
      this.over.height = answer.height;
      this.svg.setAttribute("viewBox", `0 0 ${answer.width} ${answer.height}`);
    }
    this.facts.replaceChildren(...factsOf(this.model, answer.milliseconds));
  }

  words() {
    const { answer } = this;
    if (answer.caption) return answer.caption;
    if (!answer.objects) {
      const [first, ...others] = (answer.classes ?? answer.parts ?? []).map(({ name, score, share }) => `${name} (${percent(share ?? score)})`);
      return first ? `${answer.kind === "classes" ? "Likeliest" : "Most of it"}: ${[first, ...others.slice(0, 2)].join(", ")}.` : "Done.";
    }
    const counts = new Map();
    for (const { name } of this.shown()) counts.set(name, (counts.get(name) ?? 0) + 1);
    const names = [...counts].map(([name, count]) => (count > 1 ? `${count} × ${name}` : name));
    return names.length ? `Found: ${names.join(", ")}.` : `Nothing from score ${view.threshold.toFixed(2)} on.`;
  }

  // The objects that are shown: from a score on, of the classes that are wanted; as they were corrected.
  shown() {
    const objects = this.edited ?? (this.answer.objects ?? []).map((one, index) => ({ ...one, index }));
    return objects.filter((one) => (one.score ?? 1) >= view.threshold && !view.hidden.has(one.name));
  }

  isChosen(index) {
    return Array.isArray(this.chosen) ? this.chosen.includes(index) : this.chosen === index;
  }

  // Objects that an answer is about, although their scores are below the threshold.
  asked() {
    const objects = Array.isArray(this.chosen) ? this.chosen.map((index) => ({ ...this.answer.objects[index], index })) : [];
    return objects.filter((one) => one.score < view.threshold || view.hidden.has(one.name));
  }

  draw() {
    const { answer } = this;
    this.image.alt = this.words();
    if (answer.labels_png) this.drawPixels();
    this.drawBoxes();
    if (answer.relationships) this.drawRelationships();
    this.list();
  }

  choose(index, scroll = false) {
    this.chosen = index;
    this.drawBoxes();
    for (const item of this.root.querySelectorAll("[data-index]")) {
      const on = this.isChosen(Number(item.dataset.index));
      item.classList.toggle("on", on);
      if (item instanceof SVGElement) item.style.opacity = index === null || on ? 1 : 0.45;
      if (on && scroll && item.matches(".item")) item.scrollIntoView({ block: "nearest" });
    }
    for (const edge of this.graph.querySelectorAll(".edge")) edge.style.opacity = index === null || edge.dataset.ends.split(" ").some((end) => this.isChosen(Number(end))) ? 1 : 0.12;
    if (answerHasPixels(this.answer)) this.drawPixels();
  }

  drawBoxes() {
    if (!this.answer || this.answer.cloud) return;
    const { answer, svg, chosen } = this, shown = [...this.shown(), ...this.asked()], pen = this.over.getContext("2d");
    const unit = answer.width / Math.max(1, this.frame.clientWidth);
    svg.replaceChildren();
    if (!answerHasPixels(answer)) pen.clearRect(0, 0, answer.width, answer.height);
    const boxes = answer.box_xyxy ? [{ box_xyxy: answer.box_xyxy, name: answer.classes[0].name, score: answer.classes[0].score, index: 0 }] : shown;
    const named = boxes.length <= 20;
    for (const one of [...boxes].reverse()) {
      const colour = this.colours.get(one.name) ?? [120, 130, 150], [x1, y1, x2, y2] = one.box_xyxy;
      const faded = chosen !== null && !this.isChosen(one.index);
      if (one.segmentation) {
        if (!this.masks.has(one.index)) this.masks.set(one.index, maskCanvas(one.segmentation, colour));
        pen.globalAlpha = faded ? 0.15 : 1;
        pen.drawImage(this.masks.get(one.index), 0, 0);
        pen.globalAlpha = 1;
      }
      const group = svgNode("g", { "data-index": one.index, opacity: faded ? 0.25 : 1 });
      const on = this.isChosen(one.index);
      group.append(svgNode("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 2 * unit, fill: on ? rgb(colour) : "transparent", "fill-opacity": on ? 0.12 : 0,
        stroke: rgb(colour), "stroke-width": (on ? 3.4 : 2) * unit }));
      if (one.keypoints) this.skeleton(group, one.keypoints, colour, unit);
      if (named || on) this.label(group, one, colour, unit);
      group.addEventListener("pointerenter", () => { if (!editing.on) this.choose(one.index, true); });
      group.addEventListener("pointerleave", () => { if (!editing.on) this.choose(null); });
      svg.append(group);
    }
    if (editing.on && editing.pane === this) editing.handles(unit);
  }

  label(group, one, colour, unit) {
    const [x1, y1, x2] = one.box_xyxy, size = 12.5 * unit, text = one.score === undefined ? one.name : `${one.name} ${one.score.toFixed(2)}`;
    const wide = text.length * 6.7 * unit + 8 * unit, high = 17 * unit;
    if (!this.isChosen(one.index) && x2 - x1 < 0.35 * wide) return;
    const x = Math.max(0, Math.min(x1 - unit, this.answer.width - wide)), y = y1 - high >= 0 ? y1 - high : y1;
    group.append(svgNode("rect", { x, y, width: wide, height: high, rx: 3 * unit, fill: rgb(colour) }));
    group.append(svgNode("text", { x: x + 4 * unit, y: y + 12.7 * unit, "font-size": size, "font-family": "system-ui, sans-serif", fill: inkOn(colour) }, text));
  }

  skeleton(group, points, colour, unit) {
    const at = (k) => points.slice(3 * k, 3 * k + 3);
    for (const [a, b] of this.model.keypoints?.skeleton ?? []) {
      const [p, q] = [at(a), at(b)];
      if (p[2] > 0 && q[2] > 0) group.append(svgNode("line", { x1: p[0], y1: p[1], x2: q[0], y2: q[1], stroke: rgb(colour), "stroke-width": 2.2 * unit, "stroke-linecap": "round" }));
    }
    for (let k = 0; k < points.length / 3; k++) {
      const [x, y, v] = at(k);
      if (v > 0) group.append(svgNode("circle", { cx: x, cy: y, r: 2.6 * unit, fill: "#fff", stroke: rgb(colour), "stroke-width": 1.4 * unit }));
    }
  }

  // The class of each pixel: the red channel of a grey PNG is the label.
  async drawPixels() {
    const { answer, model } = this;
    if (!this.labels) {
      const image = make("img", { src: `data:image/png;base64,${answer.labels_png}` });
      await image.decode();
      const copy = make("canvas", { width: answer.width, height: answer.height }), pen = copy.getContext("2d");
      pen.drawImage(image, 0, 0);
      this.labels = pen.getImageData(0, 0, answer.width, answer.height).data;
      this.frame.addEventListener("pointermove", (event) => {
        const area = this.frame.getBoundingClientRect();
        const x = Math.floor(((event.clientX - area.left) / area.width) * answer.width), y = Math.floor(((event.clientY - area.top) / area.height) * answer.height);
        const label = this.labels[4 * (y * answer.width + x)];
        this.frame.title = model.categories[label]?.name ?? "";
        const index = answer.classes.findIndex((one) => one.label === label);
        if (index !== this.chosen) this.choose(index < 0 ? null : index, true);
      });
      this.frame.addEventListener("pointerleave", () => this.choose(null));
    }
    const pen = this.over.getContext("2d"), image = pen.createImageData(answer.width, answer.height);
    const wanted = this.chosen === null ? null : answer.classes[this.chosen]?.label;
    for (let i = 0; i < image.data.length; i += 4) {
      const label = this.labels[i], category = model.categories[label];
      if (!category || view.hidden.has(category.name)) continue;
      image.data.set([...category.colour, wanted === null || wanted === undefined ? 130 : wanted === label ? 205 : 35], i);
    }
    pen.putImageData(image, 0, 0);
  }

  drawRelationships() {
    const { answer } = this, shown = this.shown().slice(0, 40), place = new Map(shown.map((one, i) => [one.index, i]));
    const edges = answer.relationships.filter(({ subject, object, score }) => place.has(subject) && place.has(object) &&
      score >= view.threshold * answer.objects[subject].score * answer.objects[object].score)
      .map(({ subject, predicate, object }) => [place.get(subject), place.get(object), predicate]);
    this.graph.hidden = !shown.length;
    if (!shown.length) return;
    const nodes = shown.map((one) => {
      const colour = this.colours.get(one.name) ?? [120, 130, 150];
      return { name: [...(one.attributes ?? []).slice(0, 2), one.name].join(" "), colour: rgb(colour), ink: inkOn(colour), index: one.index };
    });
    this.graph.replaceChildren(drawGraph(nodes, edges, this.graph.clientWidth - 24, (index) => this.choose(index, true)));
  }

  list() {
    const { answer, side } = this, rows = LISTED[answer.kind]?.(this) ?? [];
    const title = make("h2", {}, TITLES[answer.kind]?.(this, rows) ?? "");
    const items = rows.map(({ index, name, note, colour, bar, small }) => {
      const dot = make("i", { className: "dot", style: { background: colour ?? "transparent" } });
      const item = make("button", { type: "button", className: "item", dataset: { index } }, dot, make("span", {}, name), make("em", {}, note));
      if (small) item.append(make("small", {}, small));
      if (bar !== undefined) item.append(make("div", { className: "bar" }, make("i", { style: { width: `${100 * bar}%`, background: colour ?? "" } })));
      for (const [event, to] of [["pointerenter", index], ["focus", index], ["pointerleave", null], ["blur", null]])
        item.addEventListener(event, () => { if (!editing.on) this.choose(to); });
      item.addEventListener("click", () => { if (editing.on && editing.pane === this) editing.pick(index); });
      return make("li", {}, item);
    });
    const { index, tool } = side.contains(document.activeElement) ? document.activeElement.dataset : {};
    side.replaceChildren(title, ...(editing.on && editing.pane === this ? [editing.tools()] : []), rows.length ? make("ul", {}, ...items) : make("p", {}, EMPTY[answer.kind] ?? "Nothing was found."));
    if (index !== undefined || tool) {  // the keys stay where they were, although the list is a new one
      const same = index !== undefined ? `.item[data-index="${index}"]` : `[data-tool="${tool}"]:not(:disabled)`;
      (side.querySelector(same) ?? side.querySelector(".tools button:not(:disabled)"))?.focus({ preventScroll: true });
    }
  }
}

const answerHasPixels = (answer) => Boolean(answer?.labels_png);

const listObjects = (pane) => pane.shown().map((one) => ({
  index: one.index, name: [...(one.attributes ?? []), one.name].join(" "), note: one.score === undefined ? "corrected" : one.score.toFixed(2), colour: rgb(pane.colours.get(one.name) ?? [120, 130, 150]),
}));
const listClasses = (pane) => pane.answer.classes.slice(0, 10).map((one, index) => ({
  index, name: one.name, note: percent(one.score), bar: one.score, colour: rgb(pane.colours.get(one.name) ?? [120, 130, 150]),
}));

// The lines of the list, by the kind of what was found.
const LISTED = {
  objects: listObjects,
  graph: listObjects,
  classes: listClasses,
  pixels: (pane) => pane.answer.classes.map((one, index) => ({ ...one, index })).filter((one) => !view.hidden.has(one.name)).map((one) => ({
    index: one.index, name: one.name, note: percent(one.share), bar: one.share, colour: rgb(pane.model.categories[one.label].colour), small: `mean score ${one.score.toFixed(2)}`,
  })),
  parts: (pane) => pane.answer.parts.map((one, index) => ({ index, name: one.name, note: percent(one.share), bar: one.share, colour: rgb(pane.model.parts[one.part].colour) })),
  embedding: () => [],
};
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;
const TITLES = {
  objects: (pane, rows) => `${counted(rows.length, "object", "objects")} from ${view.threshold.toFixed(2)}`,
  graph: (pane, rows) => `${counted(rows.length, "object", "objects")} from ${view.threshold.toFixed(2)}`,
  classes: () => "Likeliest classes",
  pixels: () => "Classes of pixels",
  parts: () => "Parts",
  embedding: (pane) => `A descriptor of ${pane.answer.embedding.length} numbers`,
};
const EMPTY = {
  objects: "No object at this score: move the slider to the left.",
  graph: "No object at this score: move the slider to the left.",
  embedding: "A descriptor tells what is alike.",
};
