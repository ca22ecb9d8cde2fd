// The page: controls, runs, the shared selection, and what is drawn when.

import { byId, make } from "./dom.js";
import { clock, measureClock, onPage } from "./clock.js";
import { addFiles } from "./files.js";
import { addHands } from "./hands.js";
import { Ladder, readInk, view } from "./ladder.js";
import { addLessons } from "./lessons.js";
import { HELD_MS, Stream } from "./model.js";
import { addOthers } from "./others.js";
import { addPredictions } from "./predict.js";
import { act, ask, config, listen, loadConfig } from "./server.js";
import { addPuzzles } from "./puzzles.js";
import { streams } from "./streams.js";
import { addTable } from "./table.js";
import { Wire } from "./wire.js";

const PACES = [0, 1, 2, 3, 5, 8, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000];
const MODES = ["exact", "buffer", "reframe", "coalesce=50ms", "coalesce=200ms", "coalesce=64", "slice=1", "slice=8"];
const FIT_MS = 20_000; // a run that is expected to last longer is followed, not fitted
const FOLLOWED_MS = 10_000;

const state = { run: null, lane: "a", index: -1, octet: 0, wanted: null, isDirty: true };
export const lanes = {};

// ---- selection: one frame and one octet, in both ladders, the wire, the clause, the address --------------------

function select(index, octet = 0, lane = state.lane) {
  const { stream } = lanes[lane];
  const count = stream ? countOf(stream) : 0;
  if (!count) return;
  Object.assign(state, { index: Math.min(count - 1, Math.max(0, index)), octet, lane });
  showSelection();
  const frame = stream.base[state.index] ?? stream.gateway.frames[state.index];
  history.replaceState(null, "", `#f${frame.n}.b${state.octet}`);
}

/** How many frames there are to choose from: of a fault that the gateway plays, also those that only it wrote. */
function countOf({ base, gateway }) {
  return byId("wire-point").value === "gateway" ? Math.max(base.length, gateway.frames.length) : base.length;
}

function frameAsChosen(stream) {
  const frame = stream.base[state.index];
  if (!frame) return stream.gateway.frames[state.index] ?? null;
  if (byId("wire-point").value === "origin" || !stream.gateway.frames.length) return frame;
  return stream.gateway.frames.find((each) => frame.isLast ? each.isLast : each.to >= frame.to) ?? null;
}

function showSelection() {
  const { stream } = lanes[state.lane];
  for (const lane of Object.values(lanes)) {
    lane.ladder.selected = Math.min(state.index, (lane.stream?.base.length ?? 0) - 1);
    describe(lane);
  }
  const frame = stream && state.index >= 0 ? frameAsChosen(stream) : null;
  wire.show(frame, state.octet);
  state.octet = Math.max(0, wire.octet);
  const where = `${state.lane === "a" ? "left" : "right"} ladder`;
  byId("wire-which").textContent = frame ? (frame.broken ? `After the last frame, ${where}` : `Frame ${frame.n} of the ${where}${frame.partial ? ", cut" : ""}`)
    : stream?.base.length ? "The gateway has passed nothing of this frame yet." : "Choose a frame in a ladder to see its octets here.";
  state.isDirty = true;
}

/** Say the selected frame of a ladder to a screen reader. */
function describe({ ladder, stream }) {
  const { scope, selected } = ladder, frame = stream?.base[selected];
  scope.setAttribute("aria-valuemax", stream?.base.length ?? 0);
  scope.setAttribute("aria-valuenow", Math.max(0, selected + 1));
  scope.setAttribute("aria-valuetext", frame ? frameText(stream, selected) : "no frame yet");
}

function frameText(stream, n) {
  const frame = stream.base[n], gap = (moment) => moment === undefined ? "not yet" : `plus ${(moment - frame.at).toFixed(2)} ms`;
  const what = frame.isLast ? "last-chunk" : frame.broken ? "not a frame" : `frame ${frame.n}, ${frame.size} octets`;
  const read = stream.hadRead[n] ? `, in read ${stream.hadRead[n]}` : "";
  return `${what}: origin wrote at ${(frame.at - stream.start).toFixed(1)} ms, gateway ${gap(stream.passAt[n])}, you ${gap(stream.hadAt[n])}${read}`;
}

function takeHash() {
  const found = /^#f(\d+)\.b(\d+)$/.exec(location.hash);
  if (found) state.wanted = { n: Number(found[1]), octet: Number(found[2]) };
}

/** Select what the address names, once that frame has come; the first one where it names none, or one that never came. */
function selectWanted() {
  const lane = lanes.a.stream?.base.length ? "a" : "b", base = lanes[lane].stream?.base ?? [];
  if (!base.length) return;
  if (state.wanted) {
    const index = base.findIndex((frame) => frame.n === state.wanted.n);
    if (index < 0 && !state.run?.isSettled) return;
    const octet = index < 0 ? 0 : state.wanted.octet;
    state.wanted = null;
    return select(index, octet, lane);
  }
  if (state.index < 0) select(0, 0, lane);
}

// ---- runs ------------------------------------------------------------------------------------------------------

const pace = () => PACES[byId("pace").value];
const chosenStream = () => streams.find((each) => each.id === byId("stream").value);

function modeOf(lane) {
  const fault = byId("fault").value;
  return lanes[lane].mode.value + (fault ? `,fault=${fault}` : "");
}

/** How long the run is expected to take, in ms; 0 where nobody knows. */
const expected = (run) => run.isPaced ? Math.max(200, (run.count - 1) * run.ms * 1.06 + 60) : 0;

export async function start({ isPaused = false, keepGuesses = false } = {}) {
  stop();
  const chosen = chosenStream();
  const run = {
    id: `r${Math.random().toString(36).slice(2, 10)}`, ms: pace(), count: Math.max(1, Number(byId("count").value) || 1),
    isPaused, isPaced: !!chosen.isPaced, open: 2, began: 0, controller: new AbortController(),
  };
  state.run = run;
  Object.assign(state, { index: -1, octet: 0, lane: "a" });
  takeHash();
  for (const lane of Object.values(lanes)) {
    lane.stream = new Stream(modeOf(lane.name));
    lane.isOpen = true;
    lane.ladder.stream = lane.stream;
    if (!keepGuesses) lane.ladder.guesses = [];
    lane.ladder.planned = null;
  }
  showSelection();
  Object.assign(view, { from: 0, to: expected(run) && expected(run) < FIT_MS ? expected(run) : 2000, isFitted: true });
  showButtons();
  try {
    await measureClock();
    if (isPaused) await act(`lab/run/${run.id}?paused=1`);
  } catch { /* the feed's state says that the server does not answer; the reader finds out itself */ }
  showClock();
  run.began = performance.now();
  const target = chosen.path(run.count, run.ms);
  await Promise.all(Object.values(lanes).map((lane) => readStream(lane, run, target)));
  if (state.run === run) finish(run);
}

/** Read a stream through the gateway: the one source of the column "you received". */
async function readStream(lane, run, target) {
  const { stream } = lane;
  stream.start = performance.now();
  try {
    const root = target.startsWith("up:") ? ["up", target.slice(3)] : ["via", target];
    const response = await ask(`${root[0]}/${modeOf(lane.name)}/${root[1]}`, {
      headers: { "Chunkwire-Run": `${run.id}.${lane.name}` }, signal: run.controller.signal,
    });
    stream.isAnswered = true;
    if (!response.ok) stream.refusal = `status ${response.status} ${response.statusText}`;
    const reader = response.body.getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      stream.read(performance.now(), read.value.length);
      state.isDirty = true;
    }
    stream.done = { t: performance.now(), error: null };
  } catch (error) {
    stream.done = { t: performance.now(), error: run.controller.signal.aborted ? "stopped here" : String(error.message || error) };
  }
  stream.isAnswered = true;
  lane.isOpen = false;
  state.isDirty = true;
}

function stop() {
  state.run?.controller.abort();
  state.run = null;
}

function finish(run) {
  run.isOver = true;
  showButtons();
  setTimeout(() => { // the feed is a batch behind the stream
    if (state.run !== run) return;
    run.isSettled = true;
    fit();
    predictions.judge();
    say(Object.values(lanes).map((lane) => `${lane.stream.label}: ${lane.verdict.textContent}, ${lane.counts.textContent}`).join(". "));
  }, 150);
}

const isRunning = () => !!state.run && !state.run.isOver;
const say = (text) => { byId("live").textContent = text; };

function showButtons() {
  const { run } = state;
  byId("start").textContent = isRunning() ? "Stop" : run ? "Start again" : "Start";
  byId("pause").disabled = !isRunning();
  byId("pause").textContent = run?.isPaused && isRunning() ? "Go on" : "Pause";
}

async function control(query) {
  try {
    await act(`lab/run/${state.run.id}?${query}`);
  } catch (error) {
    say(error.message);
  }
}

async function step() {
  if (!isRunning()) {
    start({ isPaused: true });
    while (!state.run.began) await new Promise(requestAnimationFrame);
  } else if (!state.run.isPaused) {
    state.run.isPaused = true;
    await control("paused=1");
  }
  await control("step=1");
  showButtons();
}

// ---- what is drawn ---------------------------------------------------------------------------------------------

const wire = new Wire({ onOctet: (octet) => select(state.index, octet), onLeave: (way) => leaveFrame(way) });

function leaveFrame(way) {
  const { stream } = lanes[state.lane], to = state.index + way;
  if (!stream || to < 0 || to >= countOf(stream)) return;
  select(state.index + way, 0);
  if (way < 0) select(state.index, Math.max(0, wire.total - 1));
}

function fit() {
  const last = Math.max(...Object.values(lanes).map(({ stream }) => stream ? stream.last - stream.start : 0));
  if (last > 0) Object.assign(view, { from: 0, to: Math.max(last * 1.04, 5), isFitted: true });
  state.isDirty = true;
}

function zoom(factor) {
  const frame = lanes[state.lane].stream?.base[state.index];
  const middle = frame ? frame.at - lanes[state.lane].stream.start : (view.from + view.to) / 2;
  const half = Math.max(0.5, (view.to - view.from) * factor / 2);
  Object.assign(view, { from: Math.max(0, middle - half), to: Math.max(1, middle + half), isFitted: false });
  state.isDirty = true;
}

/** Keep the moving end of a run in view, unless the learner looks elsewhere. */
function follow(now) {
  if (!view.isFitted) return;
  if (now > view.to) {
    if (view.to < FIT_MS) view.to = Math.min(FIT_MS, Math.max(now * 1.25, view.to * 1.5));
    else [view.from, view.to] = [now - FOLLOWED_MS, now + FOLLOWED_MS * 0.05];
  }
}

function summarise(lane) {
  const { stream } = lane;
  if (!stream) return;
  const { base, chunks } = stream;
  const held = stream.longestHold, late = stream.isHeld, { longest } = stream;
  const had = stream.hadAt.length - (stream.done && !stream.done.error && base.length && base[base.length - 1].isLast ? 1 : 0);
  let verdict = "", kind = "";
  if (stream.isFile) [verdict, kind] = [stream.error ? `${stream.label}: ${stream.error}` : stream.label, stream.error ? "bad" : ""];
  else if (stream.done?.error) [verdict, kind] = [stream.done.error === "stopped here" ? "stopped" : `fetch: ${stream.done.error}`, stream.done.error === "stopped here" ? "" : "bad"];
  else if (stream.refusal) [verdict, kind] = [stream.refusal, "bad"];
  else if (late && stream.reads.length === 1 && chunks > 1 && stream.done) [verdict, kind] = ["holds to the end", "held"];
  else if (late) [verdict, kind] = [`holds, up to ${held.toFixed(0)} ms`, "held"];
  else if (had > 0) [verdict, kind] = ["streams", "good"];
  else if (stream.done) verdict = "ended without content";
  else if (isRunning()) verdict = stream.reads.length ? "no whole frame yet" : "nothing yet";
  lane.verdict.textContent = verdict;
  lane.verdict.className = `verdict ${kind}`;
  const reads = stream.isFile ? "" : ` · ${plural(stream.reads.length, "read")}`;
  const octets = stream.isFile ? stream.base === stream.client.frames ? stream.client.content : stream.origin.content || stream.gateway.content : stream.had;
  lane.counts.textContent = base.length || stream.isFile
    ? `${countChunks(chunks)} · ${plural(octets, "octet")}${reads}${had > 0 && longest > 0 ? ` · at most ${short(held)} in the gateway, ${short(longest)} to you` : ""}`
    : `${plural(stream.reads.length, "read")} · ${plural(stream.had, "octet")}${stream.reads.length ? "; of frames the server has reported nothing" : ""}`;
}

const short = (ms) => `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
const countChunks = (chunks) => chunks === null ? "not chunked" : plural(chunks, "chunk");
const plural = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

function showClock() {
  const known = Number.isFinite(clock.error);
  byId("clock-state").textContent = known ? `clocks within ±${clock.error.toFixed(2)} ms` : "clocks: not measured";
  byId("clock-text").textContent = known
    ? `The page and the server have a clock each: by ${clock.samples} round trips the two agree within ±${clock.error.toFixed(2)} ms (this page’s clock has steps of ${crossOriginIsolated ? "0.005" : "0.1"} ms). Held means more than ${HELD_MS} ms in the gateway, both moments on the server’s own clock.` : "";
}

function comparison(stream, wrote, passed) {
  const whole = wrote.framing === "complete" && passed.framing === "complete";
  if (wrote.sha256 === passed.sha256) return whole ? "Equal: not an octet was changed. " : "Equal, as far as the octets are frames. ";
  if (stream.label.includes("fault=")) return "Different: the gateway was asked for a fault. ";
  return whole ? "Different: this mode writes frames of its own. " : "Different: the stream ended early. ";
}

function showHashes() {
  const { stream } = lanes[state.lane], box = byId("hashes");
  const said = [["origin wrote", stream?.origin.end], ["gateway passed", stream?.gateway.end]].filter(([, end]) => end?.sha256);
  const key = said.map(([, end]) => end.sha256).join();
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...said.map(([who, end]) =>
    make("p", {}, `${who} ${plural(end.wire_octets, "octet")}, ${end.framing}; SHA-256 `, make("code", { textContent: end.sha256 }))));
  if (!said.length) return;
  const equal = make("p");
  if (said.length > 1) equal.textContent = comparison(stream, said[0][1], said[1][1]);
  const base = config.addresses?.origin ? [config.addresses.origin, "/"] : [location.host, `${config.path}/direct/`], target = chosenStream().isPaced ? chosenStream().path(state.run?.count ?? 1, state.run?.ms ?? 1) : null;
  if (target && !stream.isFile) {
    const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(base[0]) ?? [null, base[0], "80"];
    const textContent = `printf 'GET ${base[1]}${target.replaceAll("%", "%%")} HTTP/1.1\\r\\nHost: ${base[0]}\\r\\nConnection: close\\r\\n\\r\\n' | nc ${host} ${port} | sed '1,/^\\r$/d' | sha256sum`;
    equal.append(config.clock === "fixed" ? "Yours with nc has the same hash: " : "Yours with nc, whose stamps differ (chunkwire lab --clock fixed makes them equal): ", make("code", { className: "command", textContent }));
  }
  box.append(equal);
}

const CROWD = 400, CROWD_MS = 120; // so many frames are drawn some 8 times a second: the machine is the streams', too
let slow = 0, drawnAt = 0;

function tick() {
  const { run } = state;
  if (isRunning() && run.began) {
    state.isDirty = true;
    follow(performance.now() - run.began);
  }
  const crowd = Math.max(...Object.values(lanes).map(({ stream }) => stream?.base.length ?? 0));
  if (state.isDirty && (crowd < CROWD || performance.now() - drawnAt >= CROWD_MS)) {
    state.isDirty = false;
    drawnAt = performance.now();
    for (const lane of Object.values(lanes)) {
      lane.ladder.now = lane.stream && lane.isOpen && run?.began ? performance.now() - lane.stream.start : null;
      lane.stream?.resolve();
      lane.ladder.draw();
    }
    if (++slow % (crowd < CROWD ? 8 : 2) === 0 || !isRunning()) {
      Object.values(lanes).forEach(summarise);
      table.show();
      showHashes();
      if (state.index < 0 || state.wanted) selectWanted();
    }
  }
  requestAnimationFrame(tick);
}

const redraw = () => { state.isDirty = true; };

// ---- the feed --------------------------------------------------------------------------------------------------

const ours = new Map(); // exchange number → the stream of a lane
const ownField = (record) => record.fields?.find(([name]) => name.toLowerCase() === "chunkwire-run")?.[1];

function takeRecords(batch) {
  for (const [record, line] of batch) {
    if (record.kind === "request") {
      const [id, lane] = (ownField(record) ?? "").split(".");
      if (id && id === state.run?.id && lanes[lane]) ours.set(record.x, lanes[lane].stream);
      else if (id) ours.set(record.x, null);
      if (ours.size > 256) ours.delete(ours.keys().next().value);
    }
    if (!ours.has(record.x)) others.take(record, line);
    else if (ours.get(record.x)) ours.get(record.x).record(record, onPage(record.at), line);
  }
  state.isDirty = true;
}

function showFeed(text) {
  byId("feed-state").textContent = `feed: ${text}`;
  byId("feed-state").dataset.state = text.split(";")[0];
}

/** Show a stream that did not come through this page's reader: of a file, or of another client. */
function showStream(name, stream) {
  const lane = lanes[name];
  if (isRunning()) stop();
  stream.isFile = true;
  lane.stream = lane.ladder.stream = stream;
  lane.ladder.guesses = [];
  lane.isOpen = false;
  stream.resolve();
  fit();
  Object.assign(state, { index: -1, lane: name });
  if (stream.base.length) select(0, 0, name);
  summarise(lane);
  showButtons();
}

function clearLane(name) {
  const lane = lanes[name];
  lane.stream = lane.ladder.stream = null;
  lane.ladder.selected = -1;
  lane.verdict.textContent = lane.counts.textContent = "";
}

// ---- setting up ------------------------------------------------------------------------------------------------

function addLane(figure) {
  const name = figure.dataset.lane, mode = figure.querySelector(".mode");
  mode.append(...MODES.map((each) => new Option(each, each)));
  mode.value = name === "a" ? "exact" : "buffer";
  const ladder = new Ladder(figure, {
    onSelect: (index) => { state.lane = name; select(index, 0, name); },
    onPoint: (ms) => predictions.place(name, ms),
  });
  lanes[name] = { name, ladder, mode, stream: null, isOpen: false, verdict: figure.querySelector(".verdict"), counts: figure.querySelector(".counts") };
  const sketch = () => { ladder.sketch = /^(buffer|coalesce)/.test(mode.value) ? "holds" : "passes"; redraw(); };
  sketch();
  mode.addEventListener("change", sketch);
  mode.addEventListener("change", () => { if (isRunning()) start({ isPaused: state.run.isPaused }); });
  ladder.scope.addEventListener("keydown", (event) => ladderKey(event, name));
}

function ladderKey(event, name) {
  if (predictions.key(event, name)) return event.preventDefault();
  const moves = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 };
  const count = lanes[name].stream?.base.length ?? 0;
  const to = event.key in moves ? state.index + moves[event.key] : { Home: 0, End: count - 1 }[event.key];
  if (to !== undefined && count) {
    event.preventDefault();
    select(to, 0, name);
    return keepInView();
  }
  if (event.key === "+" || event.key === "=") zoom(0.5);
  else if (event.key === "-") zoom(2);
  else if (event.key === "0") fit();
}

function keepInView() {
  const { stream } = lanes[state.lane], ms = stream.base[state.index].at - stream.start, span = view.to - view.from;
  if (ms < view.from || ms > view.to) Object.assign(view, { from: Math.max(0, ms - span / 2), to: Math.max(0, ms - span / 2) + span, isFitted: false });
}

function addControls() {
  byId("stream").append(...streams.filter((each) => !each.needs || config[each.needs]).map((each) => new Option(each.name, each.id)));
  byId("fault").append(...config.faults.map((name) => new Option(`${name}, after 3 frames`, name)));
  byId("pause").addEventListener("click", async () => {
    state.run.isPaused = !state.run.isPaused;
    await control(`paused=${Number(state.run.isPaused)}`);
    showButtons();
  });
  byId("step").addEventListener("click", step);
  byId("stream").addEventListener("change", () => {
    byId("path-label").hidden = !chosenStream().hasPath;
    byId("count-label").hidden = !chosenStream().isPaced;
  });
  byId("pace").addEventListener("input", () => {
    byId("pace-text").textContent = pace() ? `${pace()} ms` : "as fast as it goes";
    byId("pace").setAttribute("aria-valuetext", byId("pace-text").textContent);
    const { run } = state;
    if (isRunning() && run.ms) control(`rate=${Math.min(1000, run.ms / Math.max(pace(), run.ms / 1000)).toFixed(4)}`);
  });
  byId("fault").addEventListener("change", () => { if (isRunning()) start(); });
  byId("zoom-in").addEventListener("click", () => zoom(0.5));
  byId("zoom-out").addEventListener("click", () => zoom(2));
  byId("zoom-fit").addEventListener("click", fit);
  byId("wire-point").addEventListener("change", showSelection);
  byId("frame-back").addEventListener("click", () => select(state.index - 1, 0));
  byId("frame-on").addEventListener("click", () => select(state.index + 1, 0));
  byId("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    if (isRunning()) (stop(), showButtons());
    else start({ keepGuesses: predictions.isOn() });
  });
  addEventListener("hashchange", () => { takeHash(); selectWanted(); });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => { readInk(); state.isDirty = true; });
}

readInk();
document.querySelectorAll(".lane").forEach(addLane);
const table = addTable({ lanes, select, plural });
const others = addOthers({ showStream, clearLane, onPage, countChunks });
const predictions = addPredictions({ lanes, pace, isRunning, redraw });
takeHash();
await loadConfig();
addControls();
addLessons();
if (!config.isClass) addPuzzles();
addFiles({ lanes, showStream, clearLane, say });
addHands({
  start,
  hasHand: () => isRunning() && chosenStream().id === "hand",
  runId: () => state.run.id,
  areAnswered: () => Object.values(lanes).every(({ stream }) => stream?.isAnswered),
});
others.addresses(config);
listen(takeRecords, showFeed);
measureClock().then(showClock);
document.documentElement.dataset.ready = "";
requestAnimationFrame(tick);
