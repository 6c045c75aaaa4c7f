"use strict";

// A cloud of points that turns with the mouse, a finger or the arrow keys: a z-buffer in plain JavaScript.
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
function turning(canvas, { points, colours, owners }) {
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
