// The resources of an origin, some with a preview, which this page fetches once it comes into view, two at a time.

import { byId, make } from "./dom.js";

const MAX_MS = 6000, MAX_READS = 12, MAX_LETTERS = 90, AT_ONCE = 2;
const waiting = [];
let running = 0;

function next() {
  while (running < AT_ONCE && waiting.length) {
    running++;
    preview(waiting.shift()).finally(() => { running--; next(); });
  }
}

async function preview({ target, box, button }) {
  button.disabled = true;
  box.textContent = "";
  const controller = new AbortController(), began = performance.now();
  const timer = setTimeout(() => controller.abort(), MAX_MS), text = new TextDecoder();
  const say = (words) => { box.textContent += `${(performance.now() - began).toFixed(0).padStart(5)} ms  ${words}\n`; };
  try {
    const response = await fetch(target, { signal: controller.signal, cache: "no-store" });
    if (!response.ok) say(`status ${response.status}`);
    const reader = response.body.getReader();
    let reads = 0;
    for (let read = await reader.read(); ; read = await reader.read()) {
      if (read.done) { say("the end"); break; }
      if (++reads > MAX_READS) { controller.abort(); break; }
      const words = JSON.stringify(text.decode(read.value, { stream: true })).slice(1, -1);
      say(words.length > MAX_LETTERS ? `${words.slice(0, MAX_LETTERS)}… ${read.value.length} octets` : words);
    }
  } catch (error) {
    say(controller.signal.aborted ? "stopped here" : `fetch: ${error.message}`);
  }
  clearTimeout(timer);
  button.disabled = false;
}

function cardOf(resource) {
  const head = make("div", { className: "row" },
    make("h2", { className: "mono", textContent: `${resource.methods.join(" ")} ${resource.path}` }), make("p", { className: "note", textContent: resource.summary }));
  const command = `curl -sN ${resource.example.replaceAll("{origin}", location.origin)}`;
  const card = make("li", {}, head, make("p", { className: "mono command", textContent: command }));
  if (!resource.preview) return card;
  const button = make("button", { type: "button", textContent: "Again" }), box = make("pre", { className: "preview-box", tabIndex: 0 });
  button.setAttribute("aria-label", `preview ${resource.path} again`);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `preview of ${resource.path}`);
  head.append(button);
  card.append(box);
  const job = { target: resource.preview.slice(1), box, button };
  button.addEventListener("click", () => { waiting.unshift(job); next(); });
  new IntersectionObserver(([seen], observer) => {
    if (!seen.isIntersecting) return;
    observer.disconnect();
    waiting.push(job);
    next();
  }).observe(card);
  return card;
}

const { lab, resources } = await (await fetch("./", { headers: { Accept: "application/json" } })).json();
if (lab) Object.assign(byId("lab"), { href: lab, hidden: false });
byId("list").append(...resources.map(cardOf));
document.documentElement.dataset.ready = "";
