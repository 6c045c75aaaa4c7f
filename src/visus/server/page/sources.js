"use strict";

// Where images come from: a file, a drop, the clipboard, a camera, or an example of the server's.

element("file").addEventListener("change", (event) => { if (event.target.files[0]) take(event.target.files[0]); event.target.value = ""; });

for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", over);
    if (name === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}

document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])][0];
  if (file) take(file);
});

let stream = null;
element("camera").addEventListener("click", async () => {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    say(`The camera cannot be used: ${error.message ?? error}`, true);
    return;
  }
  element("webcam").hidden = false;
  element("webcam").querySelector("video").srcObject = stream;
  element("shoot").focus();
});
const closeCamera = () => {
  stream?.getTracks().forEach((track) => track.stop());
  element("webcam").hidden = true;
  element("camera").focus();
};
element("stop").addEventListener("click", closeCamera);
element("shoot").addEventListener("click", () => {
  const video = element("webcam").querySelector("video");
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => take(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
  closeCamera();
});

// A small drawing of the points of a shape, one a line.
function smallCloud(text) {
  const canvas = make("canvas", { width: 168, height: 168 }), pen = canvas.getContext("2d");
  const points = text.trim().split("\n").map((line) => line.split(/\s+/).map(Number)), turned = [-2.1, 0.42].map((angle) => [Math.cos(angle), Math.sin(angle)]);
  const far = Math.max(1e-6, ...points.map(([x, y, z]) => Math.hypot(x, y, z))), [[c, s], [ct, st]] = turned;
  pen.fillStyle = "rgb(101 133 182)";
  for (const [x, y, z] of points) pen.fillRect(84 + (78 / far) * (c * x - s * y), 84 - (78 / far) * (ct * z - st * (s * x + c * y)), 4, 4);
  return canvas;
}

// The examples of a model, as buttons; those that cannot be fetched are left out.
let offers = 0;
async function offerExamples(model, count) {
  const place = element("examples"), mine = ++offers;
  place.replaceChildren();
  for (let number = 0; number < count && mine === offers; number++) {
    const file = await fetchFile(`/api/models/${encodeURIComponent(model.name)}/examples/${number}`, `example_${number}`);
    if (!file || mine !== offers) continue;
    const shape = !file.type.startsWith("image/");
    const button = make("button", { type: "button", title: `Example ${number + 1}`, ariaLabel: `Example ${number + 1}`, ariaPressed: "false", file });
    if (shape) button.append(smallCloud(await file.text()));
    else button.append(make("img", { alt: "", src: URL.createObjectURL(file) }));
    button.addEventListener("click", () => take(file));
    place.append(button);
  }
}
