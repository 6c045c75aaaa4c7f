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

// A cloud of points that turns with the mouse, a finger or the arrow keys: a z-buffer in plain JavaScript.
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
for (const canvas of document.querySelectorAll("canvas[data-cloud]")) {
  const { points, colours, owners } = JSON.parse(canvas.dataset.cloud);
  const numbers = new Int8Array(bytes(points).buffer), owner = bytes(owners);
  const pen = canvas.getContext("2d"), side = canvas.width, half = side / 2;
  const image = pen.createImageData(side, side), near = new Float32Array(side * side);
  const reach = Math.max(1, Math.round((0.45 * side) / Math.sqrt(owner.length)));
  let turn = -2.1, tilt = 0.42;
  const draw = () => {
    const [c, s, ct, st] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const seen = (x, y, z) => [c * x - s * y, ct * z - st * (s * x + c * y), st * z + ct * (s * x + c * y)];
    image.data.fill(0);
    near.fill(-9);
    for (let i = 0; i < owner.length; i++) {
      const [right, up, towards] = seen(...numbers.subarray(6 * i, 6 * i + 3));
      const [nx, ny, nz] = seen(...numbers.subarray(6 * i + 3, 6 * i + 6));
      const bright = 0.45 + 0.65 * Math.abs(-0.35 * nx + 0.55 * ny + 0.76 * nz) / 127;
      const column = Math.round(half + (right / 127) * half * 0.94), line = Math.round(half - (up / 127) * half * 0.94);
      for (let y = Math.max(0, line - reach); y <= Math.min(side - 1, line + reach); y++) {
        for (let x = Math.max(0, column - reach); x <= Math.min(side - 1, column + reach); x++) {
          const place = y * side + x;
          if ((x - column) ** 2 + (y - line) ** 2 > reach ** 2 || near[place] >= towards) continue;
          near[place] = towards;
          colours[owner[i]].forEach((value, k) => { image.data[4 * place + k] = value * bright; });
          image.data[4 * place + 3] = 255;
        }
      }
    }
    pen.putImageData(image, 0, 0);
  };
  const move = (x, y) => {
    turn += x;
    tilt = Math.min(1.57, Math.max(-1.57, tilt + y));
    requestAnimationFrame(draw);
  };
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) move(event.movementX / 90, event.movementY / 90);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(...step);
  });
  draw();
}

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
