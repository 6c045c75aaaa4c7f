"use strict";

// A run's validation images: what is right, wrong and missed in each, counted anew for every score without a request.

const COLOURS = { right: "#22b060", wrong: "#eb3e48", missed: "#ffbe1e" };
const CAUSES = { class: "of another class", place: "badly placed", twice: "found twice", background: "nothing labelled there" };
const STEP = 60;
const STATES = ["right", "wrong", "missed"];
const view = { images: [], threshold: 0.5, iou: 0.5, hidden: new Set(), kind: "images", shown: STEP, open: null, order: [], order_of: { column: "f1", down: false }, shuffle: 0, usual: 0.5, most: 1, noise: new Map() };

// The detections from the threshold on and the objects that none of them found: { state, cause, ... } each.
function judged(image) {
  const found = image.detections.filter((one) => one.score >= view.threshold && one.cause !== "crowd")
    .map((one) => ({ ...one, state: one.cause ? "wrong" : "right" }));
  const missed = image.objects.filter((one) => one.found_score === null || one.found_score < view.threshold)
    .map((one) => ({ ...one, state: "missed", score: null }));
  return [...found, ...missed];
}

const filters = () => Object.fromEntries(["class", "size", "kind", "sort"].map((id) => [id, element(id).value]));
const wanted = (one, asked) => (one.score === null || one.score <= view.most) && (!asked.class || one.name === asked.class || one.taken_for === asked.class) && (!asked.size || one.size === asked.size) &&
  (!asked.kind || one.state === asked.kind || one.cause === asked.kind);

const count = (things, state) => things.filter((one) => one.state === state).length;
const RANKS = {
  error: (things) => -count(things, "wrong") - count(things, "missed"),
  missed: (things) => -count(things, "missed"),
  wrong: (things) => -count(things, "wrong"),
  sure: (things) => -Math.max(0, ...things.filter((one) => one.state === "wrong").map((one) => one.score)),
  right: (things) => (count(things, "wrong") + count(things, "missed")) * 1000 - count(things, "right"),
  index: () => 0,
  random: (things, image) => (Math.imul(image.index + 1, 2654435761) >>> 0) ^ view.shuffle,  // the same until it is asked for again
};

// An image with the boxes of what is found and missed in it; with names where it is large.
function picture(image, things, side, onHover = null, unit = 1) {
  const svg = svgNode("svg", { viewBox: `0 0 ${image.width} ${image.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  things.forEach((one, i) => {
    if (!one.box_xyxy || view.hidden.has(one.state)) return;
    const [x1, y1, x2, y2] = one.box_xyxy;
    const box = svgNode("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, fill: "transparent", stroke: COLOURS[one.state], "stroke-width": 2.2, "vector-effect": "non-scaling-stroke",
      ...(one.state === "missed" && { "stroke-dasharray": "6 4" }), "data-place": i });
    box.append(svgNode("title", {}, sentence(one)));
    svg.append(box);
    if (!onHover) return;
    box.addEventListener("pointerenter", () => onHover(i));
    box.addEventListener("pointerleave", () => onHover(null));
    const size = 13 * unit;
    svg.append(svgNode("text", { x: Math.max(1, x1 + 0.25 * size), y: Math.max(size, y1 + size), "font-size": size, fill: "#fff", stroke: "#000", "stroke-width": size / 5, "paint-order": "stroke", "data-place": i, "pointer-events": "none" }, one.name));
  });
  const img = make("img", { loading: "lazy", alt: "", src: `/api/browse/images/${image.index}?side=${side}`, width: image.width, height: image.height });
  return make("span", { className: "seen" }, img, svg);
}

function sentence(one) {
  if (one.state === "missed") return `${one.name}: missed${one.found_score ? `, found at ${one.found_score.toFixed(2)}` : ""}`;
  if (one.state === "right") return `${one.name} ${one.score.toFixed(2)}: right${one.box_xyxy ? `, IoU ${one.iou.toFixed(2)}` : ""}`;
  return `${one.name} ${one.score.toFixed(2)}: ${CAUSES[one.cause]}${one.taken_for ? `, labelled ${one.taken_for}` : ""}`;
}

const counts = (things) => make("span", { className: "counts" }, ...["right", "wrong", "missed"].map((state) =>
  make("span", { className: state, title: state }, `${count(things, state)}`)));

function tile({ image, things }) {
  const button = make("button", { type: "button", className: "tile", dataset: { key: image.index } }, picture(image, things, 480),
    make("span", { className: "caption" }, make("span", {}, `\u2066${image.name || image.index}\u2069`), counts(things)));
  button.setAttribute("aria-label", `${image.name || image.index}: ${["right", "wrong", "missed"].map((state) => `${count(things, state)} ${state}`).join(", ")}`);
  button.addEventListener("click", () => enlarge(image.index));
  return button;
}

function draw() {
  for (const [id, value] of [["threshold", view.threshold], ["most", view.most]]) element(id).nextElementSibling.textContent = value.toFixed(2);
  const images = view.kind === "images";
  element("noise").hidden = view.kind !== "labels";
  element("key").hidden = !images;
  element("grid").hidden = view.kind === "classes";
  element("classes").hidden = view.kind !== "classes";
  for (const id of ["sort", "kind"]) element(id).closest("label").hidden = !images;
  element("class").closest("label").hidden = view.kind === "classes";
  const { key } = document.activeElement?.dataset ?? {};
  VIEWS[view.kind]();
  if (key) element("grid").querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });  // it is another element now
}

function drawImages() {
  const asked = filters(), any = asked.class || asked.size || asked.kind || view.most < 1;
  const judgedImages = view.images.map((image) => ({ image, things: judged(image).filter((one) => wanted(one, asked)) })).filter(({ things }) => !any || things.length);
  const rank = ({ image, things }) => RANKS[asked.sort](things, image);
  judgedImages.sort((a, b) => rank(a) - rank(b) || a.image.index - b.image.index);
  view.order = judgedImages;
  const all = judgedImages.flatMap(({ things }) => things), [right, wrong, missed] = ["right", "wrong", "missed"].map((state) => count(all, state));
  element("totals").replaceChildren(`${judgedImages.length.toLocaleString("en")} images: `, make("b", { className: "right" }, `${right} right`), ", ", make("b", { className: "wrong" }, `${wrong} wrong`), ", ", make("b", { className: "missed" }, `${missed} missed`),
    any ? "" : `; precision ${share(right, right + wrong)}, recall ${share(right, right + missed)}`);
  element("grid").replaceChildren(...judgedImages.slice(0, view.shown).map(tile), ...(judgedImages.length ? [] : [nothing()]));
  element("more").hidden = judgedImages.length <= view.shown;
}

const share = (part, whole) => (whole ? `${(100 * part / whole).toFixed(1)} %` : "-");

// What of each class is right, wrong and missed, and what it is most often taken for; a class opens its images.
const COLUMNS = [["name", "Class"], ["labelled", "Labelled"], ...STATES.map((state) => [state, state[0].toUpperCase() + state.slice(1)]), ["precision", "Precision"], ["recall", "Recall"], ["f1", "F1"], ["confused", "Most often taken for"]];

function classRows() {
  const rows = new Map(), asked = { ...filters(), class: "", kind: "" };
  const row = (name) => rows.get(name) ?? rows.set(name, { name, right: 0, wrong: 0, missed: 0, taken: {} }).get(name);
  for (const image of view.images) for (const one of judged(image).filter((one) => wanted(one, asked))) {
    row(one.name)[one.state] += 1;
    if (one.cause === "class") row(one.taken_for).taken[one.name] = (row(one.taken_for).taken[one.name] ?? 0) + 1;
  }
  return [...rows.values()].map((one) => {
    const [other, times] = Object.entries(one.taken).sort((a, b) => b[1] - a[1])[0] ?? ["", 0];
    const { right, wrong, missed } = one, all = 2 * right + wrong + missed;
    return { ...one, labelled: right + missed, precision: right + wrong ? right / (right + wrong) : -1, recall: right + missed ? right / (right + missed) : -1, f1: all ? (2 * right) / all : -1, other, confused: times };
  });
}

function drawClasses() {
  const rows = classRows(), { column, down } = view.order_of;
  rows.sort((a, b) => (typeof a[column] === "string" ? a[column].localeCompare(b[column]) : a[column] - b[column]) * (down ? -1 : 1) || a.name.localeCompare(b.name));
  const head = COLUMNS.map(([key, title]) => {
    const button = make("button", { type: "button", dataset: { key: `sort ${key}` } }, title, key === column ? (down ? " ↓" : " ↑") : "");
    button.addEventListener("click", () => { view.order_of = { column: key, down: key === column ? !down : key !== "name" }; draw(); });
    const cell = make("th", { scope: "col" }, button);
    if (key === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    return cell;
  });
  const percent = (value) => (value < 0 ? "-" : `${(100 * value).toFixed(1)} %`);
  const body = rows.map((one) => {
    const open = make("button", { type: "button", className: "link", dataset: { key: `class ${one.name}` }, ariaLabel: `Images with ${one.name}` }, one.name);
    open.addEventListener("click", () => { element("class").value = one.name; show("images"); });
    return make("tr", {}, make("th", { scope: "row" }, open), make("td", {}, `${one.labelled}`), ...STATES.map((state) => make("td", { className: state }, `${one[state]}`)),
      make("td", {}, percent(one.precision)), make("td", {}, percent(one.recall)), make("td", {}, percent(one.f1)), make("td", {}, one.other ? `${one.other} (${one.confused})` : ""));
  });
  const sum = (state) => rows.reduce((total, one) => total + one[state], 0);
  element("totals").textContent = `${rows.length} ${rows.length === 1 ? "class" : "classes"}, ${sum("labelled").toLocaleString("en")} labelled; precision ${share(sum("right"), sum("right") + sum("wrong"))}, recall ${share(sum("right"), sum("labelled"))}, at a score from ${view.threshold.toFixed(2)} and an IoU from ${view.iou.toFixed(2)}.`;
  element("classes").replaceChildren(rows.length ? make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)) : nothing());
  element("more").hidden = true;
}

const nothing = () => make("p", { className: "nothing" }, view.images.length ? "No image fits: choose other filters, or move the slider." : "No image has been looked at yet.");

// What a sure model says against the labels, the surest first: something where nothing is labelled, another class, or
// another place; then what is labelled where it finds nothing of the kind at any score.
function suspects() {
  const asked = { ...filters(), kind: "" }, list = [], never = [];
  for (const image of view.images) {
    for (const one of image.detections.filter(({ score, cause }) => score >= view.threshold && cause in DOUBTS).map((one) => ({ ...one, state: "wrong" })))
      if (wanted(one, asked)) list.push({ image, one, key: `${image.index} ${one.name} ${one.box_xyxy}` });
    for (const one of image.objects.filter(({ found_score, box_xyxy }) => found_score === null && box_xyxy).map((one) => ({ ...one, state: "missed", score: null })))
      if (wanted(one, asked)) never.push({ image, one, key: `${image.index} null ${one.box_xyxy}` });
  }
  return [...list.sort((a, b) => b.one.score - a.one.score), ...never];
}
const DOUBTS = {
  class: (one) => `labelled ${one.taken_for}, looks like ${one.name}`,
  background: (one) => `${one.name}, not labelled`,
  place: (one) => `${one.name}, labelled at another place`,
};
const doubt = (one) => (one.state === "missed" ? `labelled ${one.name}, found at no score` : DOUBTS[one.cause](one));

function drawSuspects() {
  const list = suspects();
  view.order = [...new Map(list.map(({ image }) => [image.index, { image }])).values()];
  element("totals").textContent = `${list.length.toLocaleString("en")} ${list.length === 1 ? "place" : "places"} where the labels and a model that is sure (from ${view.threshold.toFixed(2)}) disagree. Mark those where the labels are wrong.`;
  element("grid").replaceChildren(...list.slice(0, view.shown).map(({ image, one, key }) => {
    const text = doubt(one), name = image.name || image.index, missed = one.state === "missed";
    const button = make("button", { type: "button", ariaPressed: String(view.noise.has(key)), ariaLabel: `The label is wrong: ${text}, in ${name}`, dataset: { key } }, "The label is wrong");
    button.addEventListener("click", () => {
      if (view.noise.has(key)) view.noise.delete(key);
      else view.noise.set(key, { image: image.name, index: image.index, box_xyxy: one.box_xyxy, label: missed ? one.name : one.cause === "place" ? one.name : one.taken_for ?? null, found: missed ? null : one.name, score: one.score });
      button.setAttribute("aria-pressed", String(view.noise.has(key)));
      tellMarked();
    });
    const open = make("button", { type: "button", className: "open", ariaLabel: `Look at ${name}`, dataset: { key: `open ${key}` } }, picture(image, [one], 480));
    open.addEventListener("click", () => enlarge(image.index));
    return make("div", { className: "suspect" }, open, make("p", {}, make("b", {}, missed ? "" : `${one.score.toFixed(2)} `), text), make("div", { className: "row" }, button));
  }), ...(list.length ? [] : [nothing()]));
  element("more").hidden = list.length <= view.shown;
  tellMarked();
}

const tellMarked = () => { element("marked").textContent = `${view.noise.size} marked`; };

element("save").addEventListener("click", async () => {
  const saved = await request("/api/browse/noise", { method: "POST", body: JSON.stringify([...view.noise.values()]) });
  if (saved) say(`Saved: ${saved.file} lists ${saved.marked} wrong ${saved.marked === 1 ? "label" : "labels"}.`);
});

const openPlace = () => view.order.findIndex(({ image }) => image.index === view.open);

function enlarge(index) {
  view.open = index;
  const place = openPlace(), image = view.images.find((one) => one.index === index), things = judged(image), dialog = element("large");
  element("name").textContent = `${image.name || image.index}`;
  const hover = (chosen) => {
    dialog.querySelectorAll("svg [data-place]").forEach((box) => { box.style.opacity = chosen === null || Number(box.dataset.place) === chosen ? 1 : 0.15; });
    dialog.querySelectorAll(".item").forEach((item) => item.classList.toggle("on", Number(item.dataset.place) === chosen));
  };
  element("before").disabled = place <= 0;
  element("after").disabled = place < 0 || place >= view.order.length - 1;
  if (!dialog.open) dialog.showModal();
  if (document.activeElement.disabled) dialog.querySelector(".primary").focus();  // keys do nothing on a button that is off
  const wide = Math.min(element("picture").clientWidth, (0.74 * innerHeight * image.width) / image.height, Math.max(image.width, 1000));
  const seen = picture(image, things, 1600, hover, image.width / wide);
  element("picture").replaceChildren(seen);
  Object.assign(view, { zoom: 1, wide });
  zoomed(1);
  element("found").replaceChildren(make("ul", {}, ...things.map((one, i) => {
    const item = make("button", { type: "button", className: "item", dataset: { place: i } }, make("i", { className: `dot ${one.state}` }), make("span", {}, one.name), make("em", {}, one.score === null ? "" : one.score.toFixed(2)),
      make("small", {}, one.state === "wrong" ? `${CAUSES[one.cause]}${one.taken_for ? `, labelled ${one.taken_for}` : ""}` : `${one.state}, ${one.size}`));
    for (const [event, to] of [["pointerenter", i], ["focus", i], ["pointerleave", null], ["blur", null]]) item.addEventListener(event, () => hover(to));
    return make("li", {}, item);
  })));
}
// The wheel and the keys + and - look closer, at the place under the pointer or in the middle.
function zoomed(factor, at = null) {
  const box = element("picture"), seen = box.firstElementChild, frame = box.getBoundingClientRect(), before = view.zoom;
  view.zoom = Math.min(8, Math.max(1, view.zoom * factor));
  const [x, y] = at ? [at.clientX - frame.left, at.clientY - frame.top] : [frame.width / 2, frame.height / 2];
  const [left, top] = [(box.scrollLeft + x) * (view.zoom / before) - x, (box.scrollTop + y) * (view.zoom / before) - y];
  seen.style.width = view.zoom === 1 ? `min(100%, ${Math.round(view.wide)}px)` : `${Math.round(view.wide * view.zoom)}px`;
  seen.querySelectorAll("text").forEach((text) => { text.style.fontSize = `${text.getAttribute("font-size") / view.zoom}px`; });
  box.scrollTo(left, top);
}
element("picture").addEventListener("wheel", (event) => { event.preventDefault(); zoomed(event.deltaY < 0 ? 1.25 : 0.8, event); }, { passive: false });
const turnPage = (step) => { const next = view.order[openPlace() + step]; if (next) enlarge(next.image.index); };
element("before").addEventListener("click", () => turnPage(-1));
element("after").addEventListener("click", () => turnPage(1));
element("large").addEventListener("keydown", (event) => { if (event.key === "ArrowLeft") turnPage(-1); else if (event.key === "ArrowRight") turnPage(1); else if (event.key === "+") zoomed(1.25); else if (event.key === "-") zoomed(0.8); });

for (const id of ["class", "size", "kind", "sort"]) element(id).addEventListener("change", () => {
  if (element("sort").value === "random") view.shuffle = Math.floor(Math.random() * 2 ** 31);
  view.shown = STEP;
  draw();
});
element("threshold").addEventListener("input", (event) => { view.threshold = Number(event.target.value); draw(); });
element("most").addEventListener("input", (event) => { view.most = Number(event.target.value); draw(); });
element("more").addEventListener("click", () => { view.shown += STEP; draw(); });
const VIEWS = { images: drawImages, classes: drawClasses, labels: drawSuspects };
function show(kind) {
  const labels = kind === "labels";
  if (labels !== (view.kind === "labels")) view.threshold = labels ? Math.max(view.threshold, 0.8) : view.usual;
  Object.assign(view, { kind, shown: STEP });
  element("threshold").value = view.threshold;
  for (const other of Object.keys(VIEWS)) element(`view-${other}`).setAttribute("aria-pressed", String(other === kind));
  draw();
}
for (const kind of Object.keys(VIEWS)) element(`view-${kind}`).addEventListener("click", () => show(kind));

element("key").append(...STATES.map((state) => {
  const button = make("button", { type: "button", className: "chip", ariaPressed: "true" }, make("i", { className: `dot ${state}` }), state);
  button.addEventListener("click", () => {
    view.hidden[view.hidden.has(state) ? "delete" : "add"](state);
    button.setAttribute("aria-pressed", String(!view.hidden.has(state)));
    draw();
  });
  return button;
}));

// The arrow keys go from image to image, row by row.
element("grid").addEventListener("keydown", (event) => {
  const tiles = [...element("grid").querySelectorAll(".tile, .open")], place = tiles.indexOf(document.activeElement);
  const wide = Math.max(1, tiles.findIndex((tile) => tile.getBoundingClientRect().top > tiles[0].getBoundingClientRect().top + 4));
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide }[event.key];
  if (place < 0 || !step || !tiles[place + step]) return;
  event.preventDefault();
  tiles[place + step].focus();
});

// Another least IoU is another matching, which the server does.
element("iou").addEventListener("input", (event) => { element("iou").nextElementSibling.textContent = Number(event.target.value).toFixed(2); });
element("iou").addEventListener("change", async (event) => {
  view.iou = Number(event.target.value);
  view.images = [];
  if (!element("looking").hidden) return;  // what is still looked at is asked for with it
  begin(false);
});

async function begin(first = true) {
  for (; ; first = false) {
    const { iou, images } = view, told = await request(`/api/browse?since=${images.length}&iou=${iou}`);
    if (!told) return;
    if (images !== view.images) continue;  // of another IoU
    if (first) {
      element("title").textContent = `${told.model} · ${told.split}`;
      document.title = `visus: ${told.model}`;
      view.usual = view.threshold = Math.max(0.05, told.threshold);
      element("threshold").value = view.threshold;
      element("class").append(...told.categories.map(({ name }) => make("option", { value: name }, name)));
      for (const one of told.noise) view.noise.set(`${one.index} ${one.found} ${one.box_xyxy}`, one);
    }
    view.images.push(...told.images);
    if (told.images.length || first) draw();
    if (told.failure) { say(told.failure, true); return; }
    const done = view.images.length >= told.total;
    element("looking").hidden = done;
    Object.assign(element("progress"), { value: view.images.length, max: told.total });
    element("progress-text").textContent = `${view.images.length} of ${told.total.toLocaleString("en")} images were looked at`;
    if (done) return;
    await new Promise((later) => setTimeout(later, view.images.length < 200 ? 700 : 3000));
  }
}
begin();
