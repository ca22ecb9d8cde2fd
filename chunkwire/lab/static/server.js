// What this page asks of its server: the configuration, acts with the page's token, and the feed.

export const config = { token: "", addresses: null, faults: [], path: "" };

export async function loadConfig() {
  Object.assign(config, await (await fetch("lab/config", { cache: "no-store" })).json());
}

/** Send something that acts; return the response, or throw the server's one line. */
async function post(target, more) {
  const response = await fetch(target, { method: "POST", headers: { "Chunkwire-Token": config.token }, cache: "no-store", ...more });
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

/** Listen to the feed: `onRecords` takes each batch as [record, line] pairs, `onState` what became of the connection. */
export function listen(onRecords, onState) {
  const feed = new EventSource("lab/feed");
  feed.addEventListener("hello", () => onState("live"));
  feed.addEventListener("dropped", (event) => onState(`live; ${event.data} records dropped`));
  feed.addEventListener("error", () => onState("silent"));
  feed.addEventListener("message", (event) => onRecords(event.data.split("\n").map((line) => [JSON.parse(line), line])));
}
