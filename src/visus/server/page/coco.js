"use strict";

// COCO's formats: masks as compressed runs, results of objects, and texts that repeat a request elsewhere.

// The lengths of runs, column by column, the first of zeros.
function runsOf(counts) {
  const runs = [];
  for (let at = 0; at < counts.length; ) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const part = counts.charCodeAt(at++) - 48;
      value |= (part & 31) << shift;
      shift += 5;
      more = (part & 32) !== 0;
      if (!more && part & 16) value |= -1 << shift;
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

// A canvas of the size of the mask, filled with a colour where the mask is, and more strongly along its border.
function maskCanvas({ size: [height, width], counts }, [red, green, blue]) {
  const inside = new Uint8Array(height * width);
  let place = 0, value = 0;
  for (const length of runsOf(counts)) {
    if (value) for (let i = place; i < place + length; i++) inside[(i % height) * width + Math.floor(i / height)] = 1;
    place += length;
    value = 1 - value;
  }
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  for (let i = 0; i < inside.length; i++) {
    if (!inside[i]) continue;
    const column = i % width;
    const border = !column || column === width - 1 || !inside[i - 1] || !inside[i + 1] || !inside[i - width] || !inside[i + width];
    image.data.set([red, green, blue, border ? 255 : 105], 4 * i);
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

// The shown objects as COCO's results; what is no object as the answer of the server.
function cocoOf(answer, shown) {
  if (!answer.objects) return answer;
  return shown.map(({ category_id, score, box_xyxy: [x1, y1, x2, y2], segmentation, keypoints }) => ({
    image_id: 1, category_id, bbox: [x1, y1, x2 - x1, y2 - y1], score,
    ...(segmentation && { segmentation }), ...(keypoints && { keypoints }),
  }));
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const bearer = (withToken) => (withToken ? ' -H "Authorization: Bearer $VISUS_TOKEN"' : "");

function curlOf(model, file, withToken) {
  return `curl${bearer(withToken)} -F ${quoted(`image=@${file}`)} ${quoted(`${location.origin}/api/predict?model=${encodeURIComponent(model.name)}`)}`;
}

function pythonOf(model, file, threshold) {
  return `import visus\n\npredictor = visus.load(${JSON.stringify(model.source)})\n` +
    `[result] = predictor.predict(${JSON.stringify(file)}, min_score=${threshold})\nprint(result.to_dict())\nresult.save("drawn.png")\n`;
}

function curlOfPhrase(model, asked, withToken) {
  return `curl${bearer(withToken)} -X POST ${quoted(`${location.origin}/api/generate?${new URLSearchParams({ model: model.name, ...asked })}`)}`;
}

function pythonOfPhrase(model, { phrase, samples, seed }) {
  return `import visus\n\npainter = visus.load(${JSON.stringify(model.source)})\n` +
    `for number, result in enumerate(painter.generate(${JSON.stringify(phrase)}, samples=${samples}, seed=${seed})):\n    result.save(f"made_{number}.png")\n`;
}
