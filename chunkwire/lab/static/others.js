// Exchanges of other clients: what was seen of them at each point, and a list to choose from.

import { byId, make } from "./dom.js";
import { Stream } from "./model.js";

const MAX_LISTED = 30; // exchanges
const MAX_FRAMES = 5000; // kept at each point of an exchange
const fieldOf = (record, name) => record.fields?.find(([each]) => each.toLowerCase() === name)?.[1];

export function addOthers({ showStream, clearLane, onPage, countChunks }) {
  const entries = new Map(); // exchange number → entry; one request at a gateway and at the origin has one entry

  function partner(record) {
    if (!fieldOf(record, "via")) return null;
    return [...entries.values()].reverse().find((entry) => entry.passes === record.target && !entry.hasOrigin) ?? null;
  }

  function begin(record) {
    const known = record.point === "origin.sent" ? partner(record) : null;
    if (known) {
      known.hasOrigin = true;
      return known;
    }
    const stream = new Stream("", MAX_FRAMES);
    stream.start = onPage(record.at);
    const entry = { stream, places: [], button: make("button", { type: "button" }), passes: null, hasOrigin: record.point === "origin.sent", end: null };
    entry.request = `${record.method} ${record.target}`;
    entry.agent = fieldOf(record, "user-agent") ?? "";
    entry.button.addEventListener("click", () => { clearLane("b"); showStream("a", entry.stream); });
    const list = byId("exchanges");
    list.querySelector(".hint")?.remove();
    list.prepend(make("li", {}, entry.button));
    while (list.children.length > MAX_LISTED) list.lastChild.remove();
    return entry;
  }

  function label(entry) {
    const agent = entry.agent.slice(0, 40), { error, chunks } = entry.stream;
    entry.button.textContent = [entry.request.slice(0, 120), agent, entry.places.join(", "), error, countChunks(chunks), entry.end ?? "running"].filter(Boolean).join(" · ");
    entry.button.classList.toggle("bad", !!error);
    entry.stream.label = entry.request.slice(0, 60);
  }

  function take(record, line) {
    let entry = entries.get(record.x);
    if (!entry) {
      if (record.kind !== "request") return;
      entry = begin(record);
      entries.set(record.x, entry);
      if (entries.size > 2 * MAX_LISTED) entries.delete(entries.keys().next().value);
    }
    if (record.kind === "request") {
      if (!entry.places.includes(record.place)) entry.places.push(record.place);
      if (record.point === "gateway.sent") entry.passes = record.target;
    }
    if (record.kind === "end" && record.way === "response") entry.end = record.framing;
    entry.stream.record(record, onPage(record.at), line);
    if (record.kind !== "frame" || entry.stream.base.length % 64 === 1) label(entry);
  }

  function addresses(config) {
    const words = { origin: "origin", exact: "gateway, exact", buffer: "gateway, buffer" };
    const own = `${location.host}${config.path}`;
    const known = config.addresses ?? { origin: `${own}/direct`, exact: `${own}/via/exact`, buffer: `${own}/via/buffer` };
    byId("addresses").replaceChildren(...Object.entries(known).map(([name, address]) =>
      make("p", {}, `${words[name] ?? name} `, make("code", { textContent: `curl -sN --raw '${address}/generate?n=5'` }))));
  }

  return { take, addresses };
}
