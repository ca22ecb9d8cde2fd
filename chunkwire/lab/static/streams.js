// The streams a learner may choose: a name, and the target that gives so many frames at such a pace.

import { byId } from "./dom.js";

const WORDS = "the quick brown fox jumps over the lazy dog ";

function plan(n, ms) {
  const count = Math.min(n, 400);
  const steps = Array.from({ length: count }, (_, k) => `${4 + (k * 5) % 13}${k % 3 === 2 ? `:seq=${k + 1}` : ""}@${k * ms}`);
  return `frames?plan=${steps.join(",")},0@${count * ms}&text=${encodeURIComponent(WORDS)}&trailer=X-Words:${count}`;
}

export const streams = [
  { id: "generate", name: "numbered chunks", isPaced: true, path: (n, ms) => `generate?n=${n}&interval=${ms}ms` },
  { id: "sse", name: "server-sent events", isPaced: true, path: (n, ms) => `sse?count=${n}&duration=${(n - 1) * ms}ms` },
  { id: "ndjson", name: "lines of JSON", isPaced: true, path: (n, ms) => `ndjson?n=${n}&interval=${ms}ms` },
  { id: "frames", name: "extensions and a trailer", isPaced: true, path: plan },
  { id: "drip", name: "an octet a frame", isPaced: true, path: (n, ms) => `drip?numbytes=${n}&duration=${(n - 1) * ms}ms&delay=0` },
  { id: "hand", name: "typed by hand (below)", path: () => "hand" },
  { id: "up", name: "this gateway’s upstream", needs: "upstream", hasPath: true, path: () => `up:${byId("path").value.replace(/^\//, "")}` },
  { id: "path", name: "another path of the origin", hasPath: true, path: () => byId("path").value.replace(/^\//, "") },
];
