"use strict";

// The form that teaches new classes: a name and a few images for each; nothing is trained.

const teaching = {
  classes: [],

  // The models whose features or boxes can be given new names.
  bases() {
    const bases = view.models.filter(({ teaches }) => teaches).map(({ name, problem }) => make("option", { value: name }, `${name} · ${problem}`));
    const kept = element("base").value;
    element("base").replaceChildren(make("option", { value: "" }, "ImageNet's features"), ...bases);
    element("base").value = [...element("base").options].some(({ value }) => value === kept) ? kept : "";
  },

  addClass(name = "") {
    const one = { name, files: [] }, number = this.classes.length + 1;
    const input = make("input", { type: "text", value: name, autocomplete: "off", maxLength: 60, placeholder: ["mug", "bowl", "spoon"][number - 1] ?? "another", ariaLabel: `Name of class ${number}` });
    input.addEventListener("input", () => { one.name = input.value.trim(); });
    const file = make("input", { type: "file", accept: "image/*", multiple: true, className: "hidden", ariaLabel: `Images of class ${number}` });
    file.addEventListener("change", () => { this.addFiles(one, file.files); file.value = ""; });
    const shown = make("button", { type: "button", title: "Add the image that is looked at above" }, "Add the image above");
    shown.addEventListener("click", () => {
      if (view.file && view.model.takes === "image") this.addFiles(one, [view.file]);
      else say("No image is looked at yet.", true, "lesson");
    });
    const remove = make("button", { type: "button", className: "away", title: `Remove class ${number}`, ariaLabel: `Remove class ${number}` }, "×");
    remove.addEventListener("click", () => {
      this.classes = this.classes.filter((other) => other !== one);
      one.row.remove();
      element("more-classes").focus();
    });
    one.thumbs = make("div", { className: "thumbs" });
    one.row = make("fieldset", { className: "lesson" }, make("legend", {}, `Class ${number}`), input, remove, make("label", { className: "button" }, "Choose images", file), shown, one.thumbs);
    one.row.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      element("drop").classList.remove("over");
      this.addFiles(one, event.dataTransfer.files);
    });
    one.row.addEventListener("paste", (event) => {
      if (!event.clipboardData?.files.length) return;
      event.stopPropagation();
      this.addFiles(one, event.clipboardData.files);
    });
    this.classes.push(one);
    element("lessons").append(one.row);
    return input;
  },

  addFiles(one, files) {
    for (const file of files) {
      const thumb = make("button", { type: "button", title: `Take ${file.name} out`, ariaLabel: `Take ${file.name} out` }, make("img", { alt: "", src: URL.createObjectURL(file) }));
      one.files.push(file);
      thumb.addEventListener("click", () => {
        one.files = one.files.filter((other) => other !== file);
        URL.revokeObjectURL(thumb.firstChild.src);
        thumb.remove();
        one.row.querySelector("input[type=text]").focus();
      });
      one.thumbs.append(thumb);
    }
    say(`${one.name || "The class"} has ${counted(one.files.length, "image", "images")}.`, false, "lesson");
  },

  // What is missing, in a line; empty where nothing is.
  missing() {
    const nameless = this.classes.findIndex(({ name, files }) => !name && files.length), named = this.classes.filter(({ name }) => name);
    if (nameless >= 0) return `Class ${nameless + 1} has no name.`;
    if (named.length < 2) return "Name two classes or more.";
    const empty = named.find(({ files }) => !files.length);
    if (empty) return `${empty.name} has no image.`;
    const twice = named.find(({ name }, place) => named.findIndex((other) => other.name === name) !== place);
    return twice ? `Two classes are called ${twice.name}.` : "";
  },

  async teach() {
    const missing = this.missing();
    if (missing) { say(missing, true, "lesson"); return; }
    const form = new FormData();
    for (const { name, files } of this.classes) for (const file of files) form.append(name, file, file.name);
    const asked = new URLSearchParams({ name: element("taught-name").value.trim() || "taught", base: element("base").value });
    say("Looks at the images ...", false, "lesson");
    element("teach-now").disabled = true;
    const told = await request(`/api/teach?${asked}`, { method: "POST", body: form }, "lesson");
    element("teach-now").disabled = false;
    if (!told) return;
    const known = Object.entries(told.classes).filter(([, count]) => count > 0).map(([name, count]) => `${name} (${counted(count, "image", "images")})`);
    await list(told.model);
    if (view.file) await look();
    say(`${told.model} knows ${known.join(", ")}, and is chosen above: give it an image. It is kept in ${told.run}.`, false, "lesson");
  },
};

element("more-classes").addEventListener("click", () => teaching.addClass().focus());
element("teach-form").addEventListener("submit", (event) => { event.preventDefault(); teaching.teach(); });
teaching.addClass();
teaching.addClass();
begin();
