// The feed: what the server reports of streams. All tabs of a seat share one, as a browser has few connections to a
// server (`ask` in server.js). This file runs as a shared worker; where a browser has none, in the page.

/** Open the feed; `take` gets ["records", lines], or ["state", what became of the connection]. */
export function openFeed(url, take) {
  const feed = new EventSource(url);
  feed.addEventListener("hello", () => take(["state", "live"]));
  feed.addEventListener("dropped", (event) => take(["state", `live; ${event.data} records dropped`]));
  feed.addEventListener("error", () => take(["state", "silent"]));
  feed.addEventListener("message", (event) => take(["records", event.data]));
}

if (globalThis.SharedWorkerGlobalScope) {
  const pages = new Set();
  let latest = ["state", "connecting"];
  addEventListener("connect", ({ ports: [page] }) => {
    pages.add(page);
    page.addEventListener("close", () => pages.delete(page)); // where a browser says so; else it takes no message
    page.postMessage(latest); // it also says that this worker runs
  });
  openFeed("../lab/feed", (message) => {
    if (message[0] === "state") latest = ["state", message[1].split(";")[0]]; // without a count: a new page lost nothing
    for (const page of pages) page.postMessage(message);
  });
}
