"use strict";

// The page: which model looks at what, what is shown of it, and what can be taken away.

const view = { models: [], model: null, other: null, file: null, name: "", url: "", threshold: 0.5, hidden: new Set(), panes: [], gallery: null };
let turn = 0;  // a newer request makes the answers of an older one void

// Asks which models are loaded, and chooses one of them; the first without a name.
async function list(name = "") {
  const told = await request("/api/models");
  if (!told) return;
  Object.assign(view, { models: told.models, gallery: told.gallery, examples: told.examples, limits: told.limits });
  const option = ({ name, problem }) => make("option", { value: name }, `${name} · ${problem.replaceAll("_", " ")}`);
  element("model").replaceChildren(...told.models.map(option));
  element("other").replaceChildren(make("option", { value: "" }, "nothing"), ...told.models.map(option));
  element("other").value = view.other?.name ?? "";
  element("model").value = name || told.models[0].name;
  choose(element("model").value);
  teaching.bases();
}

async function begin() {
  element("model").addEventListener("change", () => { choose(element("model").value); look(); });
  element("other").addEventListener("change", () => { view.other = view.models.find(({ name }) => name === element("other").value) ?? null; look(); });
  await list();
}

function choose(name) {
  const before = view.model?.takes;
  view.model = view.models.find((model) => model.name === name);
  view.hidden.clear();
  view.threshold = view.model.threshold;
  const shape = view.model.takes === "shape", phrase = view.model.takes === "phrase";
  element("sources").hidden = phrase;
  element("make").hidden = !phrase;
  element("file").accept = shape ? ".off,.obj,.ply,.stl,.glb,.xyz,.pts,.npy" : "image/*";
  element("camera").hidden = shape;
  const kind = shape ? "a shape" : "an image";
  element("invitation").replaceChildren(make("span", { className: "by-mouse" }, make("b", {}, `Drop ${kind} here`), shape ? " (.off, .ply, .xyz ...), or" : ", paste one, or"),
    make("b", { className: "by-touch" }, shape ? "Choose a shape (.off, .ply, .xyz ...)" : "Choose an image, or take one"));
  for (const option of element("other").options) {
    const model = view.models.find((one) => one.name === option.value);
    option.hidden = option.disabled = Boolean(model) && (model === view.model || model.takes !== view.model.takes);
  }
  if (element("other").selectedOptions[0]?.disabled) { element("other").value = ""; view.other = null; }
  element("compare").hidden = phrase || [...element("other").options].every((option) => !option.value || option.disabled);
  if (before !== undefined && before !== view.model.takes) forget();
  offerExamples(view.model, phrase ? 0 : view.examples);
}

function forget() {
  view.file = null;
  clear();
  say("");
}

function clear() {
  view.panes = [];
  element("panes").replaceChildren();
  document.body.classList.add("first");
  for (const id of ["controls", "actions", "ask", "neighbours"]) element(id).hidden = true;
}

function take(file) {
  if (view.model.takes === "phrase") return;
  if (file.size > view.limits.max_bytes) {
    say(`${file.name || "The image"} has ${(file.size / 1e6).toFixed(0)} MB, and this server takes ${view.limits.max_bytes / 1e6} MB.`, true);
    return;
  }
  if (view.url) URL.revokeObjectURL(view.url);
  for (const one of element("examples").children) one.setAttribute("aria-pressed", String(one.file === file));
  Object.assign(view, { file, name: file.name || "pasted.png", url: URL.createObjectURL(file) });
  element("neighbours").hidden = true;
  look();
}

async function look() {
  if (!view.file) return;
  const mine = ++turn, models = [view.model, ...(view.other ? [view.other] : [])];
  leaveEditing();
  say(`${models.map(({ name }) => name).join(" and ")} ${models.length > 1 ? "look" : "looks"} at ${view.name} ...`);
  element("panes").classList.add("busy");
  const answers = await Promise.all(models.map((model) => {
    const form = new FormData();
    form.append("image", view.file, view.name);
    return request(`/api/predict?drawable=true&model=${encodeURIComponent(model.name)}`, { method: "POST", body: form });
  }));
  if (mine !== turn) return;
  element("panes").classList.remove("busy");
  if (answers.includes(null)) { clear(); return; }
  document.body.classList.remove("first");
  view.panes = models.map((model) => new Pane(model));
  for (const pane of view.panes.slice(1)) for (const [name, colour] of view.panes[0].colours) if (pane.colours.has(name)) pane.colours.set(name, colour);
  element("panes").classList.toggle("two", models.length > 1);
  element("panes").replaceChildren(...view.panes.map((pane) => pane.root));
  await Promise.all(view.panes.map((pane, i) => pane.show(view.url, answers[i])));
  showControls(answers);
  redraw();
  const [first] = view.panes;
  say(`${first.words()} ${answers.map((answer) => `${answer.model}: ${answer.milliseconds.toFixed(0)} ms`).join("; ")}`);
}

function showControls(answers) {
  const scored = answers.some((answer) => answer.objects), classes = answers.some((answer) => answer.objects || answer.labels_png);
  element("controls").hidden = !classes;
  element("slider").hidden = !scored;
  element("threshold").value = view.threshold;
  element("actions").hidden = false;
  element("copy-json").textContent = answers[0].objects ? "Copy COCO JSON" : "Copy JSON";
  element("copy-png").hidden = Boolean(answers[0].cloud);
  element("correct").hidden = !answers[0].objects;
  element("alike").hidden = !view.gallery || view.model.takes !== "image";
  element("ask").hidden = answers[0].kind !== "graph";
  say("", false, "said");
  if (view.gallery && answers[0].kind === "embedding") alike();
}

function redraw() {
  element("slider").querySelector("output").textContent = view.threshold.toFixed(2);
  for (const pane of view.panes) pane.draw();
  const counts = new Map();
  view.panes.forEach(({ answer }, place) => {  // a count for each model; none where it tells the classes of pixels
    for (const one of answer.objects ?? (answer.labels_png ? answer.classes : [])) {
      if (!counts.has(one.name)) counts.set(one.name, view.panes.map((pane) => (pane.answer.objects ? 0 : "")));
      if (answer.objects && one.score >= view.threshold) counts.get(one.name)[place] += 1;
    }
  });
  const seen = ([name, each]) => view.hidden.has(name) || each.some((count) => count !== 0);
  const chips = [...counts].filter(seen).map(([name, each]) => {
    const count = each.filter((one) => one !== "").join(" · ");
    const chip = make("button", { type: "button", className: "chip", ariaPressed: String(!view.hidden.has(name)), title: `Show or hide ${name}`, dataset: { name } },
      make("i", { className: "dot", style: { background: rgb(view.panes.map((pane) => pane.colours.get(name)).find(Boolean) ?? [120, 130, 150]) } }), name, ...(count === "" ? [] : [make("b", {}, String(count))]));
    chip.addEventListener("click", () => {
      view.hidden.has(name) ? view.hidden.delete(name) : view.hidden.add(name);
      redraw();
      element("filter").querySelector(`[data-name="${CSS.escape(name)}"]`)?.focus();
    });
    return chip;
  });
  element("filter").replaceChildren(...chips);
}

element("threshold").addEventListener("input", (event) => { view.threshold = Number(event.target.value); redraw(); });

const withToken = () => document.cookie.includes("visus_token=");

async function copy(text, what, where = "status") {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`${what} copied.`, false, where);
}
element("copy-json").addEventListener("click", () => copy(JSON.stringify(cocoOf(view.panes[0].answer, view.panes[0].shown()), null, 1), "JSON"));
element("copy-curl").addEventListener("click", () => copy(curlOf(view.model, view.name, withToken()), "The curl command"));
element("copy-python").addEventListener("click", () => copy(pythonOf(view.model, view.name, view.threshold), "Python"));

element("copy-png").addEventListener("click", async () => {
  const blob = await pngOf(view.panes[0]);
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    say("The drawing was copied.");
  } catch {
    const link = make("a", { href: URL.createObjectURL(blob), download: `${view.name.replace(/\.\w+$/, "")}_drawn.png` });
    link.click();
    say("The drawing was saved, as this browser copies no images.");
  }
});

// The drawing as an image of the size in which it is seen, at least that of the input.
async function pngOf({ image, over, svg, answer, frame }) {
  const scale = Math.max(1, Math.ceil(frame.clientWidth / answer.width));
  const canvas = make("canvas", { width: answer.width * scale, height: answer.height * scale }), pen = canvas.getContext("2d");
  for (const layer of [image, over]) pen.drawImage(layer, 0, 0, canvas.width, canvas.height);
  const copyOfSvg = svg.cloneNode(true);
  copyOfSvg.setAttribute("width", canvas.width);
  copyOfSvg.setAttribute("height", canvas.height);
  const drawn = make("img", { src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copyOfSvg))}` });
  await drawn.decode();
  pen.drawImage(drawn, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function leaveEditing() {
  editing.end();
  element("correct").setAttribute("aria-pressed", "false");
  element("correct").textContent = "Correct";
}
element("correct").addEventListener("click", () => {
  if (editing.on) { leaveEditing(); return; }
  editing.start(view.panes[0]);
  element("correct").setAttribute("aria-pressed", "true");
  element("correct").textContent = "Leave correcting";
  say("What is corrected is kept until another image is looked at; Escape leaves.");
});

async function alike() {
  const form = new FormData();
  form.append("image", view.file, view.name);
  const found = await request("/api/search?k=12", { method: "POST", body: form });
  if (!found) return;
  const figures = found.matches.map((match) => {
    const name = (match.paths[0] ?? `entry ${match.id}`).split("/").pop();
    return make("figure", {}, make("img", { alt: name, src: `data:image/jpeg;base64,${match.thumbnail_jpg}` }), make("figcaption", {}, make("b", {}, match.score.toFixed(3)), ` ${name}`));
  });
  element("neighbours").replaceChildren(make("h2", {}, found.nothing_alike ? "Nothing alike: chance explains these scores" : "Alike in the gallery"), ...figures);
  element("neighbours").hidden = false;
  element("neighbours").scrollIntoView({ block: "nearest" });
}
element("alike").addEventListener("click", alike);

// Images of a phrase; pointing at one shows its layout.
element("make").addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = element("phrase").value.trim(), mine = ++turn;
  if (!words) return;
  say(`${view.model.name} makes images of "${words}" ...`, false, "made");
  view.asked = { phrase: words, samples: 4, seed: Math.floor(Math.random() * 1e6) };
  const told = await request(`/api/generate?${new URLSearchParams({ model: view.model.name, ...view.asked })}`, { method: "POST" }, "made");
  if (!told || mine !== turn) return;
  const colours = new Map(view.model.categories.map((one) => [one.name, rgb(one.colour)]));
  element("images").replaceChildren(...told.images.map((image, place) => {
    const svg = svgNode("svg", { viewBox: `0 0 ${image.width} ${image.height}`, "aria-hidden": "true" });
    for (const { name, box_xyxy: [x1, y1, x2, y2] } of image.objects) {
      svg.append(svgNode("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, fill: "none", stroke: colours.get(name), "stroke-width": image.width / 90 }));
      svg.append(svgNode("text", { x: x1 + 1, y: y1 + image.width / 16, "font-size": image.width / 18, fill: colours.get(name), stroke: "#000", "stroke-width": image.width / 300, "paint-order": "stroke" }, name));
    }
    const names = image.objects.map(({ name }) => name).join(", "), src = `data:image/png;base64,${image.image_png}`;
    const save = make("a", { href: src, download: `${words.replace(/[^\p{L}\p{N}]+/gu, "_")}_${place + 1}.png`, ariaLabel: `Save image ${place + 1} as PNG` }, "Save PNG");
    return make("figure", { tabIndex: 0 }, make("span", { className: "stack" }, make("img", { alt: `Made of: ${names}`, src }), svg), make("figcaption", {}, names, save));
  }));
  element("made-by").replaceChildren(...factsOf(view.model, told.images.reduce((sum, { milliseconds }) => sum + milliseconds, 0)));
  element("take-made").hidden = false;
  say(`${told.images.length} images of "${words}". Pointing at one shows what was put where.`, false, "made");
});
element("copy-phrase-curl").addEventListener("click", () => copy(curlOfPhrase(view.model, view.asked, withToken()), "The curl command", "made"));
element("copy-phrase-python").addEventListener("click", () => copy(pythonOfPhrase(view.model, view.asked), "Python", "made"));

element("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = element("words").value.trim();
  if (!words) return;
  const form = new FormData();
  form.append("images", view.file, view.name);
  const told = await request(`/api/ask?model=${encodeURIComponent(view.model.name)}&phrase=${encodeURIComponent(words)}`, { method: "POST", body: form }, "said");
  if (!told) return;
  const found = told.answers?.[0] ?? told.best[0];
  say(told.answers ? found.answer : found ? `${told.understood}: ${found.score.toFixed(3)}` : `${told.understood}: not in this image`, false, "said");
  view.panes[0].choose(found?.objects.length ? found.objects : null);
});
