"use strict";

// Requests to the server, the token that it may want, and the line in which the page says how things are.

const element = (id) => document.getElementById(id);

function say(text, bad = false, where = "status") {
  element(where).textContent = text;
  element(where).classList.toggle("bad", bad);
}

async function send(path, options = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Error("The server does not answer.");
    }
    if (answer.ok) return answer;
    if (answer.status === 401) {
      await askToken();
      continue;
    }
    const { error } = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
    throw new Error(error);
  }
}

async function request(path, options, where = "status") {
  try {
    return await (await send(path, options)).json();
  } catch (error) {
    say(error.message, true, where);
    return null;
  }
}

async function fetchFile(path, name) {
  try {
    const answer = await send(path), blob = await answer.blob();
    return new File([blob], name + (blob.type === "image/png" ? ".png" : ".xyz"), { type: blob.type });
  } catch {
    return null;
  }
}

function askToken() {
  const dialog = element("token-dialog");
  if (!dialog.open) dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => { document.cookie = `visus_token=${encodeURIComponent(element("token").value)}; SameSite=Strict; Path=/`; done(); }, { once: true }));
}
