"use strict";

// Correcting what was found: boxes that are moved, stretched, drawn, renamed and deleted, with the mouse or the keys.

const editing = {
  on: false, pane: null, picked: null, before: [],

  // What was corrected stays with the pane, and is there again when correcting goes on.
  start(pane) {
    Object.assign(this, { on: true, pane, picked: null, before: [] });
    pane.edited = pane.kept ?? pane.shown();
    pane.frame.classList.add("editing");
    pane.svg.addEventListener("pointerdown", this.down);
    pane.draw();
  },

  end() {
    const { pane } = this;
    Object.assign(this, { on: false, pane: null, picked: null });
    if (!pane) return;
    pane.kept = pane.edited;
    pane.edited = null;
    pane.chosen = null;
    pane.frame.classList.remove("editing");
    pane.svg.removeEventListener("pointerdown", this.down);
    pane.draw();
  },

  one() { return this.pane.edited.find((one) => one.index === this.picked); },

  pick(index) {
    this.picked = index;
    this.pane.chosen = index;
    this.pane.draw();
  },

  remember() { this.before.push(structuredClone(this.pane.edited)); },

  undo() {
    const before = this.before.pop();
    if (!before) return;
    this.pane.edited = before;
    this.pick(this.one() ? this.picked : null);
    say("Undone.");
  },

  // What is changed has no score, outline or points any more: they belonged to what was found.
  touch(one) {
    for (const key of ["score", "segmentation", "keypoints"]) delete one[key];
  },

  change(edges) {
    const one = this.one(), { width, height } = this.pane.answer;
    if (!one) return;
    const [x1, y1, x2, y2] = one.box_xyxy.map((value, i) => value + edges[i]);
    const [left, right] = [Math.max(0, Math.min(x1, x2)), Math.min(width, Math.max(x1, x2))], [top, bottom] = [Math.max(0, Math.min(y1, y2)), Math.min(height, Math.max(y1, y2))];
    if (right - left < 1 || bottom - top < 1) return;
    one.box_xyxy = [left, top, right, bottom];
    this.touch(one);
    this.pane.drawBoxes();
  },

  rename(name) {
    const one = this.one();
    if (!one) return;
    this.remember();
    one.category_id = this.pane.model.categories.find((other) => other.name === name).id;
    one.name = name;
    delete one.score;
    this.pane.draw();
  },

  remove() {
    this.remember();
    this.pane.edited = this.pane.edited.filter((one) => one.index !== this.picked);
    this.pick(null);
    say("Deleted.");
  },

  add(box) {
    const { pane } = this, { width, height } = pane.answer, [category] = pane.model.categories;
    this.remember();
    const index = Math.max(-1, ...pane.edited.map((one) => one.index), (pane.answer.objects ?? []).length) + 1;
    pane.edited.push({ index, name: category.name, category_id: category.id, box_xyxy: box ?? [0.35 * width, 0.35 * height, 0.65 * width, 0.65 * height] });
    this.pick(index);
    say("A box was added; choose its class.");
  },

  handles(unit) {
    const one = this.one();
    if (!one) return;
    const [x1, y1, x2, y2] = one.box_xyxy;
    for (const [x, y, edges] of [[x1, y1, "1100"], [x2, y1, "0110"], [x1, y2, "1001"], [x2, y2, "0011"]])
      this.pane.svg.append(svgNode("circle", { cx: x, cy: y, r: 6 * unit, fill: "#fff", stroke: "#2360d8", "stroke-width": 2.5 * unit }),
        svgNode("circle", { cx: x, cy: y, r: 16 * unit, fill: "transparent", "data-edges": edges, style: "cursor: move" }));  // a finger needs more than what is seen
  },

  down(event) {
    const { pane } = editing, area = pane.frame.getBoundingClientRect(), scale = pane.answer.width / area.width;
    const place = (moved) => [(moved.clientX - area.left) * scale, (moved.clientY - area.top) * scale];
    const edges = event.target.dataset.edges, group = event.target.closest("g[data-index]");
    const start = place(event);
    event.preventDefault();
    pane.svg.setPointerCapture(event.pointerId);
    let last = start, drawn = null, moving = false;
    if (!edges && group) editing.pick(Number(group.dataset.index));
    else if (!edges) drawn = start;
    const move = (moved) => {
      const now = place(moved), [dx, dy] = [now[0] - last[0], now[1] - last[1]];
      if (drawn && Math.hypot(now[0] - start[0], now[1] - start[1]) > 6 * scale) {
        editing.add([Math.min(start[0], now[0]), Math.min(start[1], now[1]), Math.max(start[0], now[0]), Math.max(start[1], now[1])]);
        drawn = null;
        move.edges = "0011";
      } else if (!drawn && editing.one()) {
        if (!moving && !move.edges) editing.remember();
        moving = true;
        const chosen = edges ?? move.edges ?? "1111";
        editing.change([dx, dy, dx, dy].map((value, i) => value * Number(chosen[i])));
      }
      last = now;
    };
    const up = () => {
      pane.svg.removeEventListener("pointermove", move);
      pane.svg.removeEventListener("pointerup", up);
      pane.list();
    };
    pane.svg.addEventListener("pointermove", move);
    pane.svg.addEventListener("pointerup", up);
  },

  key(event) {
    if (!this.on || document.querySelector("dialog[open]") || event.target.matches("input[type=text], input:not([type])")) return;
    if (event.key === "Escape") { leaveEditing(); element("correct").focus(); return; }
    if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) { this.undo(); event.preventDefault(); return; }
    if (this.picked === null || event.target.matches("input, select")) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const pace = Math.max(1, this.pane.answer.width / 200), [dx, dy] = step.map((value) => value * pace);
      this.remember();
      this.change(event.shiftKey ? [0, 0, dx, dy] : [dx, dy, dx, dy]);
      event.preventDefault();
    } else if (event.key === "Delete" || event.key === "Backspace") this.remove();
  },

  tools() {
    const one = this.one(), names = this.pane.model.categories.map(({ name }) => make("option", { value: name, selected: name === one?.name }, name));
    const select = make("select", { ariaLabel: "Class of the chosen box", disabled: !one, dataset: { tool: "class" } }, ...names);
    select.addEventListener("change", () => this.rename(select.value));
    const button = (text, act, disabled = false, className = "") => {
      const made = make("button", { type: "button", disabled, className, dataset: { tool: text } }, text);
      made.addEventListener("click", act);
      return made;
    };
    const hint = make("p", {}, one ? "Drag the box or its corners, or press the arrow keys: they move it, with Shift they stretch it." : "Choose a box in the image or in the list, or draw a new one where there is none.");
    return make("div", {}, hint, make("div", { className: "tools" }, select, button("Delete", () => this.remove(), !one), button("Add a box", () => this.add()), button("Undo", () => this.undo(), !this.before.length), button("Save as COCO", () => this.save(), false, "primary")));
  },

  async save() {
    const { pane } = this, form = new FormData();
    form.append("image", view.file, view.name);
    form.append("annotations", JSON.stringify(pane.edited.map(({ category_id, box_xyxy: [x1, y1, x2, y2] }) => ({ category_id, bbox: [x1, y1, x2 - x1, y2 - y1] }))));
    const saved = await request(`/api/corrections?model=${encodeURIComponent(pane.model.name)}`, { method: "POST", body: form });
    if (saved) say(`Saved: ${saved.file} has ${saved.images} corrected ${saved.images === 1 ? "image" : "images"}.`);
  },
};
document.addEventListener("keydown", (event) => editing.key(event));
