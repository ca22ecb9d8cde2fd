// What this page asks of its server: the configuration, acts with the page's token, and the feed.

import { byId } from "./dom.js";
import { openFeed } from "./feed.js";

const PATIENCE_MS = 2000; // the server answers within milliseconds
const waiting = new Set(); // requests for which the browser has no connection

export const config = { token: "", addresses: null, faults: [], path: "" };

/** Fetch. While the browser has no free connection for it, which it does not report, the page shows a warning. */
export async function ask(target, options = {}) {
  const id = {};
  const timer = setTimeout(async () => {
    try { // the same for a request that is answered at once: one that takes long has its connection
      await fetch("lab/clock", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    } catch (error) {
      if (error.name !== "TimeoutError" || id.isOver) return;
      waiting.add(id);
      showWaiting();
    }
  }, PATIENCE_MS);
  try {
    return await fetch(target, { cache: "no-store", ...options });
  } finally {
    id.isOver = true;
    clearTimeout(timer);
    if (waiting.delete(id)) showWaiting();
  }
}

function showWaiting() {
  byId("no-connection").hidden = !waiting.size;
}

export async function loadConfig() {
  Object.assign(config, await (await ask("lab/config")).json());
}

/** Send something that acts; return the response, or throw the server's one line. */
async function post(target, more) {
  const response = await ask(target, { method: "POST", headers: { "Chunkwire-Token": config.token }, ...more });
  if (!response.ok) throw new Error((await response.text()).trim() || `status ${response.status}`);
  return response;
}

/** Send something that acts; return the answer as JSON. */
export async function act(target, body = "") {
  const text = await (await post(target, { body })).text();
  return text ? JSON.parse(text) : null;
}

/** Send something that acts; yield the events of the answer as [name, data]. A character that two reads share is kept whole. */
export async function* actEvents(target, signal) {
  const reader = (await post(target, { signal })).body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const blocks = (held + decoder.decode(read.value, { stream: true })).split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (name && data) yield [name, JSON.parse(data)];
    }
  }
}

const WORKER_MS = 3000; // a shared worker that runs says so much sooner

/** Listen to the feed: `onRecords` takes each batch as [record, line] pairs, `onState` what became of the connection. */
export function listen(onRecords, onState) {
  const take = ([kind, said]) => kind === "state" ? onState(said) : onRecords(said.split("\n").map((line) => [JSON.parse(line), line]));
  let isOwn = false;
  const openOwn = () => {
    if (!isOwn) openFeed("lab/feed", take);
    isOwn = true;
  };
  try { // a browser without shared workers throws; one that blocks cookies throws, reports an error, or is silent
    const shared = new SharedWorker("static/feed.js", { type: "module" });
    const silence = setTimeout(openOwn, WORKER_MS);
    shared.addEventListener("error", openOwn);
    shared.port.onmessage = ({ data }) => {
      clearTimeout(silence);
      if (!isOwn) take(data);
    };
  } catch {
    openOwn();
  }
}
