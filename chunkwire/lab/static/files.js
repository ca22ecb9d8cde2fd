// Recordings and captures: dropped or chosen, read by the server into records, shown in the ladders; and saving.

import { byId, make } from "./dom.js";
import { Stream } from "./model.js";
import { act } from "./server.js";

const MAX_FILE = 8 << 20;

export function addFiles({ lanes, showStream, clearLane, say }) {
  /** The streams of a recording: one for each number, its points on one clock where their requests have wall times. */
  function streamsOf(records) {
    const found = new Map(), walls = new Map();
    for (const record of records) {
      if (record.kind === "request" && record.wall) walls.set(`${record.point}/${record.stream}`, (record.wall - record.t) * 1000);
    }
    for (const record of records) {
      const wall = walls.get(`${record.point}/${record.stream}`);
      if (!found.has(record.stream)) found.set(record.stream, Object.assign(new Stream(`stream ${record.stream}`), { wall }));
      const stream = found.get(record.stream);
      const shift = wall !== undefined && stream.wall !== undefined ? wall - stream.wall : 0;
      stream.record(record, record.t * 1000 + shift, JSON.stringify(record));
      if (record.kind === "request") stream.label = `${record.method} ${record.target}`.slice(0, 60);
    }
    return [...found.values()].filter((stream) => stream.base.length);
  }

  async function open(file) {
    try {
      if (file.size > MAX_FILE) throw new Error(`expected a file of at most 8 MiB, got ${(file.size / 2 ** 20).toFixed(1)}`);
      const { records, notes } = await act("lab/load", await file.arrayBuffer());
      const streams = streamsOf(records);
      if (!streams.length) throw new Error(notes[0] ?? "no frames in this file");
      clearLane("b");
      if (streams[1]) showStream("b", streams[1]);
      showStream("a", streams[0]);
      const more = streams.length > 2 ? `; the first 2 of ${streams.length} streams are shown` : "";
      const wrong = streams.slice(0, 2).map(({ client, origin, gateway }) => (client.end ?? gateway.end ?? origin.end)?.error).filter(Boolean);
      showLine(`${file.name}: ${streams.length} stream${streams.length > 1 ? "s" : ""}${more}${[...wrong, ...notes].map((text) => `; ${text}`).join("")}`);
    } catch (error) {
      showLine(`${file.name}: ${error.message}`);
    }
  }

  function showLine(text) {
    byId("predict-help").hidden = false;
    byId("predict-help").textContent = text;
    say(text);
  }

  function save() {
    const lines = Object.values(lanes).flatMap(({ stream }, k) => stream ? [...stream.lines, ...readsOf(stream, k + 1)] : []);
    if (!lines.length) return showLine("nothing to save yet");
    const href = URL.createObjectURL(new Blob([lines.join("\n"), "\n"], { type: "application/x-ndjson" }));
    make("a", { href, download: "lab.jsonl" }).click();
    URL.revokeObjectURL(href);
  }

  /** This page's reads as records; a browser has content without frames. */
  function readsOf(stream, number) {
    let before = 0, gap = null;
    return stream.reads.map((read, n) => {
      const t = (read.t - stream.start) / 1000;
      const record = { v: 1, kind: "data", stream: 1000 + number, point: "client.received", way: "response", n: n + 1, t, gap: gap === null ? null : t - gap, read: n + 1, offset: before, size: read.to - before };
      [before, gap] = [read.to, t];
      return JSON.stringify(record);
    });
  }

  byId("save").addEventListener("click", save);
  byId("file").addEventListener("change", () => {
    if (byId("file").files[0]) open(byId("file").files[0]);
    byId("file").value = "";
  });
  const drop = byId("drop");
  addEventListener("dragover", (event) => { event.preventDefault(); drop.hidden = false; });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.hidden = true; });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.hidden = true;
    if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
