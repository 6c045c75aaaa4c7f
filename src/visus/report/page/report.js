"use strict";

// The values under the pointer, for every chart.
for (const figure of document.querySelectorAll("[data-chart]")) {
  const { x, xName, frame, box, size, lines } = JSON.parse(figure.dataset.chart);
  const plot = figure.querySelector(".plot"), rule = figure.querySelector(".rule"), tip = figure.querySelector(".tip");
  const across = (value) => box[0] + ((value - frame[0]) / (frame[1] - frame[0])) * (box[2] - box[0]);
  const show = (event) => {
    const area = plot.getBoundingClientRect(), scale = size[0] / area.width;
    const at = (event.clientX - area.left) * scale;
    let nearest = 0;
    x.forEach((value, i) => { if (Math.abs(across(value) - at) < Math.abs(across(x[nearest]) - at)) nearest = i; });
    const place = across(x[nearest]);
    rule.setAttribute("x1", place);
    rule.setAttribute("x2", place);
    tip.replaceChildren(Object.assign(document.createElement("div"), { textContent: `${xName} ${x[nearest]}` }));
    lines.forEach(([name, values], i) => {
      if (values[nearest] === null) return;
      const row = document.createElement("div"), label = document.createElement("span"), mark = document.createElement("i");
      mark.className = `s${i % 8}`;
      label.append(mark, name);
      row.append(label, Object.assign(document.createElement("b"), { textContent: Number(values[nearest].toPrecision(4)) }));
      tip.append(row);
    });
    const left = place / scale;
    tip.style.left = left > area.width / 2 ? "auto" : `${left + 12}px`;
    tip.style.right = left > area.width / 2 ? `${area.width - left + 12}px` : "auto";
    rule.style.visibility = tip.style.visibility = "visible";
  };
  plot.addEventListener("pointermove", show);
  plot.addEventListener("pointerdown", show);
  plot.addEventListener("pointerleave", () => { rule.style.visibility = tip.style.visibility = "hidden"; });
}

for (const canvas of document.querySelectorAll("canvas[data-cloud]")) turning(canvas, JSON.parse(canvas.dataset.cloud));

// A picture in full size.
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll("button.zoom")) {
  button.addEventListener("click", () => {
    const picture = button.querySelector("img");
    dialog.querySelector("img").src = picture.src;
    dialog.querySelector("p").textContent = picture.alt;
    dialog.showModal();
  });
}
dialog?.addEventListener("click", () => dialog.close());
