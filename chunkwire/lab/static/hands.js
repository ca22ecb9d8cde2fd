// A frame typed by hand: composed, shown as octets, sent unchanged; and what clients report of it.

import { byId, make, makeRow } from "./dom.js";
import { act, ask } from "./server.js";
import { hex } from "./wire.js";

const utf8 = new TextEncoder();
const MAX_SHOWN = 240;
const PRESETS = {
  right: { size: "5", ext: "", eol1: "\\r\\n", data: "hello", eol2: "\\r\\n" },
  long: { size: "9", ext: "", eol1: "\\r\\n", data: "hello", eol2: "\\r\\n" },
  lf: { size: "5", ext: "", eol1: "\\n", data: "hello", eol2: "\\n" },
  hex: { size: "5x", ext: "", eol1: "\\r\\n", data: "hello", eol2: "\\r\\n" },
  blank: { size: "5 ", ext: "", eol1: "\\r\\n", data: "hello", eol2: "\\r\\n" },
  last: { size: "0", ext: "", eol1: "\\r\\n", data: "", eol2: "\\r\\n" },
};

/** The octets of a text in which \r \n \t \0 \\ and \xHH stand for octets. */
function unescaped(text) {
  const octets = [];
  for (const [whole, short, code] of text.matchAll(/\\(?:([rnt0\\])|x([0-9a-fA-F]{2}))|[^\\]+|\\/g)) {
    if (short) octets.push({ r: 13, n: 10, t: 9, 0: 0, "\\": 92 }[short]);
    else if (code) octets.push(parseInt(code, 16));
    else octets.push(...utf8.encode(whole));
  }
  return octets;
}

export function addHands({ start, hasHand, runId, areAnswered }) {
  const value = (name) => byId(`h-${name}`).value;
  let typed = [];
  let isAnew = false; // a preset was chosen: what it makes begins a stream, but for the last-chunk, which ends one
  let isSent = false; // the composed frame is on the wire

  const composed = () => [value("size") + value("ext"), value("eol1"), value("data"), value("eol2")].map(unescaped);

  function preview() {
    const names = ["size and extension", "line end", "data", "line end"], classes = ["chunk-size", "crlf-size", "chunk-data", "crlf-data"];
    byId("h-preview").replaceChildren(...composed().flatMap((octets, k) => octets.length ? [mark(octets, classes[k], names[k])] : []));
  }

  function mark(octets, kind, title) {
    const textContent = octets.slice(0, MAX_SHOWN).map(hex).join(" ") + (octets.length > MAX_SHOWN ? " …" : "");
    return make("span", { className: `p-${kind}`, title, textContent });
  }

  async function put(octets, end = "") {
    try {
      const said = await act(`lab/type?run=${runId()}&end=${end}`, Uint8Array.from(octets));
      showVerdict(said, octets, end);
    } catch (error) {
      byId("h-said").textContent = error.message;
    }
  }

  function showVerdict({ streams, verdict }, octets, end) {
    const caret = byId("h-caret");
    caret.hidden = true;
    if (!streams) return void (byId("h-said").textContent = "no stream was open to type on");
    const all = `${streams} ${typed.length === octets.length ? "new " : ""}stream${streams === 1 ? "" : "s"}`;
    const cut = verdict.state === "valid" ? `; the body is cut: expected ${verdict.text}` : "";
    if (end) return void (byId("h-said").textContent = `${all} ended${cut}`);
    const count = `${octets.length} octet${octets.length === 1 ? "" : "s"} on the wire of ${all}`;
    const words = { valid: `so far a valid chunked body; next comes ${verdict.text}`, complete: "the body is complete", malformed: `broken: ${verdict.text} (${verdict.section})` };
    byId("h-said").textContent = `${count}; ${words[verdict.state]}`;
    if (verdict.state === "malformed") showCaret(verdict.offset);
  }

  /** Put a caret under the first wrong octet of what has been typed so far. */
  function showCaret(offset) {
    const from = Math.max(0, offset - 24);
    const signs = typed.slice(from, from + 64).map((octet) => octet > 31 && octet < 127 ? String.fromCharCode(octet) : { 13: "\\r", 10: "\\n" }[octet] ?? "·");
    const caret = byId("h-caret");
    caret.textContent = `${signs.join("")}\n${" ".repeat(signs.slice(0, offset - from).join("").length)}^ octet ${offset}`;
    caret.hidden = false;
  }

  async function open() {
    if (hasHand() && !isAnew) return;
    if (hasHand()) await end("reset");
    isAnew = false;
    byId("stream").value = "hand";
    byId("stream").dispatchEvent(new Event("change"));
    typed = [];
    start();
    while (!areAnswered()) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async function send() {
    await open();
    if (!hasHand()) return; // stopped before it was answered
    const octets = composed().flat();
    typed.push(...octets);
    isSent = true;
    await put(octets);
  }

  async function end(how) {
    if (hasHand()) await put([], how);
    else byId("h-said").textContent = "no stream is open to type on";
  }

  async function askClients() {
    const before = hasHand() && !isAnew ? typed : [], octets = before.length && isSent ? before : [...before, ...composed().flat()];
    byId("h-said").textContent = `asking with ${octets.length} octets, and a FIN after them …`;
    byId("h-try").disabled = true;
    try {
      const { trial, clients, verdict } = await act("lab/try", Uint8Array.from(octets));
      clients.splice(1, 0, await ownFetch(trial));
      showClients(clients);
      byId("h-said").textContent = verdict.state === "malformed" ? `a strict reader: ${verdict.text} (${verdict.section})` : verdict.state === "complete" ? "a strict reader: complete" : `a strict reader: cut; expected ${verdict.text}`;
    } catch (error) {
      byId("h-said").textContent = error.message;
    }
    byId("h-try").disabled = false;
  }

  async function ownFetch(trial) {
    let had = 0;
    try {
      const reader = (await ask(`direct/trial/${trial}`)).body.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) had += read.value.length;
      return { client: "fetch, this browser", outcome: "ok", detail: `${had} octets of content` };
    } catch (error) {
      return { client: "fetch, this browser", outcome: "error", detail: `${error.name}: ${error.message}, after ${had} octets` };
    }
  }

  function showClients(clients) {
    byId("h-clients").hidden = false;
    byId("h-rows").replaceChildren(...clients.map(({ client, outcome, detail }) => {
      const row = makeRow([client, outcome, detail]);
      row.children[1].className = outcome === "ok" ? "good" : "bad";
      return row;
    }));
  }

  byId("composer").addEventListener("input", () => { isSent = false; preview(); });
  byId("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  byId("h-fin").addEventListener("click", () => end("fin"));
  byId("h-reset").addEventListener("click", () => end("reset"));
  byId("h-try").addEventListener("click", askClients);
  for (const button of document.querySelectorAll("[data-preset]")) {
    button.addEventListener("click", () => {
      const { preset } = button.dataset;
      for (const [name, text] of Object.entries(PRESETS[preset])) byId(`h-${name}`).value = text;
      [isAnew, isSent] = [preset !== "last", false];
      preview();
    });
  }
  preview();
}
