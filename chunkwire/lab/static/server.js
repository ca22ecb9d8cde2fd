// What this page asks of its server: the configuration, acts with the page's token, and the feed.

export const config = { token: "", addresses: null, faults: [], path: "" };

export async function loadConfig() {
  Object.assign(config, await (await fetch("lab/config", { cache: "no-store" })).json());
}

/** Send something that acts; return the answer as JSON, or throw the server's one line. */
export async function act(target, body = "") {
  const response = await fetch(target, { method: "POST", body, headers: { "Chunkwire-Token": config.token }, cache: "no-store" });
  const text = await response.text();
  if (!response.ok) throw new Error(text.trim() || `status ${response.status}`);
  return text ? JSON.parse(text) : null;
}

/** Listen to the feed: `onRecords` takes each batch as [record, line] pairs, `onState` what became of the connection. */
export function listen(onRecords, onState) {
  const feed = new EventSource("lab/feed");
  feed.addEventListener("hello", () => onState("live"));
  feed.addEventListener("dropped", (event) => onState(`live; ${event.data} records dropped`));
  feed.addEventListener("error", () => onState("silent"));
  feed.addEventListener("message", (event) => onRecords(event.data.split("\n").map((line) => [JSON.parse(line), line])));
}
