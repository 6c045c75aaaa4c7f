"use strict";

// A scene graph in layers (Sugiyama et al. 1981), as visus.draw.graphs draws it: subjects stand above their objects.

const svgNode = (name, attributes = {}, text = "") => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
};

const inRow = 5;

function layersOf(count, edges) {
  const reached = Array.from({ length: count }, (_, node) => new Set([node])), forward = [];
  for (const [from, to] of edges) {
    if (reached[to].has(from)) continue;  // it would close a circle
    forward.push([from, to]);
    for (const set of reached) if (set.has(from)) for (const node of reached[to]) set.add(node);
  }
  const depth = new Array(count).fill(0);
  for (let round = 0; round < count; round++) for (const [from, to] of forward) depth[to] = Math.max(depth[to], depth[from] + 1);
  const tied = new Set(edges.flatMap(([from, to]) => [from, to]));
  const layers = [];
  for (let node = 0; node < count; node++) if (tied.has(node)) (layers[depth[node]] ??= []).push(node);
  const alone = [...Array(count).keys()].filter((node) => !tied.has(node));
  const kept = [...layers.filter(Boolean), alone].filter((layer) => layer.length);
  const near = new Map();
  for (const [from, to] of edges) for (const [a, b] of [[from, to], [to, from]]) near.set(a, [...(near.get(a) ?? []), b]);
  for (let sweep = 0; sweep < 8; sweep++) {
    const share = new Map(kept.flatMap((layer) => layer.map((node, column) => [node, (column + 0.5) / layer.length])));
    const mean = (node) => { const others = near.get(node) ?? [node]; return others.reduce((sum, other) => sum + share.get(other), 0) / others.length; };
    for (const layer of kept) layer.sort((a, b) => mean(a) - mean(b));
  }
  return kept.flatMap((layer) => Array.from({ length: Math.ceil(layer.length / inRow) }, (_, i) => layer.slice(i * inRow, (i + 1) * inRow)));
}

// nodes: {name, colour, ink, index}; edges: [from, to, name] by places in nodes; onHover(index or null).
function drawGraph(nodes, edges, width, onHover) {
  const layers = layersOf(nodes.length, edges), letter = 7.4, high = 30, step = 92;
  const widths = nodes.map((node) => node.name.length * letter + 24);
  const needed = Math.max(...layers.map((layer) => layer.reduce((sum, node) => sum + widths[node] + 34, 0)));
  const across = Math.max(Math.min(width, 900), needed), down = step * (layers.length - 1) + high + 24;
  const places = [];
  layers.forEach((layer, level) => {
    const room = (across - layer.reduce((sum, node) => sum + widths[node], 0)) / layer.length;
    let x = room / 2 + (layer.length === 1 && layers.length > 2 ? (level % 2 ? 1 : -1) * Math.min(70, room / 3) : 0);  // no arrow runs behind a box
    for (const node of layer) { places[node] = [x + widths[node] / 2, 12 + high / 2 + level * step]; x += widths[node] + room; }
  });
  const svg = svgNode("svg", { width: across, height: down, viewBox: `0 0 ${across} ${down}`, role: "img" });
  svg.append(svgNode("title", {}, edges.length ? edges.map(([a, b, name]) => `${nodes[a].name} ${name} ${nodes[b].name}`).join("; ") : "no relationships"));
  const border = ([x, y], [dx, dy], node) => {
    const share = Math.min(1, (widths[node] / 2) / (Math.abs(dx) || 1e-6), (high / 2) / (Math.abs(dy) || 1e-6));
    return [x + dx * share, y + dy * share];
  };
  const written = [], labels = [];
  for (const [a, b, name] of edges) {
    const [dx, dy] = [places[b][0] - places[a][0], places[b][1] - places[a][1]], length = Math.hypot(dx, dy) || 1;
    const side = [(-dy / length) * 7, (dx / length) * 7];
    const start = border([places[a][0] + side[0], places[a][1] + side[1]], [dx, dy], a), end = border([places[b][0] + side[0], places[b][1] + side[1]], [-dx, -dy], b);
    const angle = Math.atan2(end[1] - start[1], end[0] - start[0]);
    const wing = (turn) => `${end[0] - 9 * Math.cos(angle + turn)},${end[1] - 9 * Math.sin(angle + turn)}`;
    const edge = svgNode("g", { class: "edge", "data-ends": `${nodes[a].index} ${nodes[b].index}` });
    svg.append(edge);
    edge.append(svgNode("line", { x1: start[0], y1: start[1], x2: end[0], y2: end[1], stroke: "currentColor", "stroke-opacity": 0.55, "stroke-width": 1.5 }));
    edge.append(svgNode("polygon", { points: `${end} ${wing(0.4)} ${wing(-0.4)}`, fill: "currentColor", "fill-opacity": 0.7 }));
    const half = [name.length * 3.5 + 5, 10];
    const at = (share) => [start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])];
    const hides = ([x, y]) => [...written, ...places.map((p, i) => [p[0], p[1], widths[i] / 2, high / 2])].reduce((sum, [ox, oy, w, h]) =>
      sum + Math.max(0, half[0] + w - Math.abs(x - ox)) * Math.max(0, half[1] + h - Math.abs(y - oy)), 0);
    const best = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8].map(at).reduce((one, other) => (hides(other) < hides(one) ? other : one));
    written.push([...best, ...half]);
    labels.push([best, half, name, edge.dataset.ends]);
  }
  for (const [[x, y], [w, h], name, ends] of labels) {
    const label = svgNode("g", { class: "edge", "data-ends": ends });
    svg.append(label);
    label.append(svgNode("rect", { x: x - w, y: y - h, width: 2 * w, height: 2 * h, rx: 5, style: "fill: var(--card)" }));
    label.append(svgNode("text", { x, y: y + 4, "text-anchor": "middle", "font-size": 12.5, fill: "currentColor" }, name));
  }
  nodes.forEach((node, i) => {
    const [x, y] = places[i], group = svgNode("g", { "data-index": node.index });
    group.append(svgNode("rect", { x: x - widths[i] / 2, y: y - high / 2, width: widths[i], height: high, rx: 8, fill: node.colour }));
    group.append(svgNode("text", { x, y: y + 5, "text-anchor": "middle", "font-size": 13.5, fill: node.ink }, node.name));
    group.addEventListener("pointerenter", () => onHover(node.index));
    group.addEventListener("pointerleave", () => onHover(null));
    svg.append(group);
  });
  return svg;
}
