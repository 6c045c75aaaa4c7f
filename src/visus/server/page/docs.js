"use strict";

// The requests of /openapi.json, for people to read: no script of another host is needed for it.

const part = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

function bodyOf({ requestBody }) {
  if (!requestBody) return "";
  return Object.entries(requestBody.content).map(([kind, { schema }]) => `${kind}${schema.properties ? `: ${Object.keys(schema.properties).join(", ")}` : ""}`).join("; ");
}

function curlFor(method, path, { parameters = [], requestBody }) {
  const fields = Object.keys(requestBody?.content["multipart/form-data"]?.schema.properties ?? {});
  const files = fields.map((name) => (name === "annotations" ? ` -F 'annotations=[{"category_id": 1, "bbox": [10, 10, 50, 50]}]'` : ` -F '${name}=@photo.jpg'`)).join("");
  const needed = parameters.filter((one) => one.required && one.in === "query").map((one) => `${one.name}=a%20phrase`).join("&");
  return `curl${method === "post" && !files ? " -X POST" : ""}${files} '${location.origin}${path}${needed ? `?${needed}` : ""}'`;
}

fetch("/openapi.json").then((answer) => answer.json()).then(({ paths }) => {
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, said] of Object.entries(methods)) {
      const rows = (said.parameters ?? []).map((one) => part("tr", {}, part("th", {}, one.name), part("td", {}, one.schema.type ?? ""), part("td", {}, one.schema.description ?? one.description ?? ""), part("td", {}, one.required ? "needed" : JSON.stringify(one.schema.default ?? ""))));
      const body = bodyOf(said);
      document.getElementById("requests").append(part("section", { className: "request" },
        part("h2", {}, part("code", {}, `${method.toUpperCase()} ${path}`)), part("p", {}, said.description ?? said.summary ?? ""),
        ...(rows.length ? [part("table", {}, ...rows)] : []), ...(body ? [part("p", { className: "body" }, `Body: ${body}`)] : []),
        part("pre", {}, curlFor(method, path, said)),
        part("p", { className: "body" }, `Answers: ${Object.keys(said.responses).join(", ")}`)));
    }
  }
});
