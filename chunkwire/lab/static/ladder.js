// The ladder of one stream on a canvas: time runs down, a line a frame from rail to rail.
// Only what is in view is drawn, and of lines that fall on the same pixels one.

import { HELD_MS, signed } from "./model.js";

const DOTS = 160; // lines in view up to which each has its dots

/** The part of time that both ladders show, in ms since the start of each stream. */
export const view = { from: 0, to: 2000, isFitted: true };

let ink = {};
export function readInk() {
  const style = getComputedStyle(document.documentElement);
  ink = Object.fromEntries(["ink", "quiet", "rule", "faint", "pass", "hold", "guess", "paper", "bad", "raised"]
    .map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  ink.font = style.getPropertyValue("--canvas-font").trim();
}

/** First index whose `at` is not before a moment. */
function firstAt(frames, moment) {
  let low = 0, high = frames.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle].at < moment) low = middle + 1; else high = middle;
  }
  return low;
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000];

function timeLabel(ms, step) {
  if (step >= 1000) return `${ms / 1000} s`;
  if (!ms) return "0 ms";
  return step < 1 ? `${ms.toFixed(1)}` : `${Math.round(ms)}`;
}

export class Ladder {
  constructor(figure, { onSelect, onPoint }) {
    this.figure = figure;
    this.scope = figure.querySelector(".scope");
    this.canvas = figure.querySelector("canvas");
    this.heads = [...figure.querySelectorAll(".heads span")];
    this.stream = null;
    this.selected = -1;
    this.now = null; // ms since the start, while it runs; while the learner predicts, the keyboard's cursor
    this.guesses = [];
    this.sketch = "passes"; // or "holds": what is drawn before the first run
    this.planned = null; // moments at which frames will be written, while the learner predicts
    this.onPoint = onPoint;
    new ResizeObserver(() => this.resize()).observe(this.scope);
    this.scope.addEventListener("pointerdown", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      if (this.planned) this.onPoint(this.time(y));
      else if (this.stream) onSelect(this.nearest(x, y));
    });
  }

  resize() {
    const { clientWidth, clientHeight } = this.scope;
    if (!clientWidth) return;
    const ratio = devicePixelRatio || 1;
    [this.width, this.height] = [clientWidth, clientHeight];
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.ratio = ratio;
    this.isSmall = clientWidth < 300;
    const axis = this.isSmall ? 30 : 44;
    const [left, right] = [axis + (this.isSmall ? 22 : 31), clientWidth - (this.isSmall ? 22 : 92)];
    this.axis = axis;
    this.rails = [left, Math.round((left + right) / 2), right];
    this.heads.forEach((head, n) => { head.style.left = `${this.rails[n]}px`; });
    this.draw();
  }

  y(ms) {
    return 8 + (ms - view.from) / (view.to - view.from) * (this.height - 16);
  }

  time(y) {
    return view.from + (y - 8) / (this.height - 16) * (view.to - view.from);
  }

  /** Where a frame is on each rail, NaN where that is not known. */
  heights(n) {
    const { stream } = this;
    return [stream.base[n].at, stream.passAt[n], stream.hadAt[n]].map((moment) => moment === undefined ? NaN : this.y(moment - stream.start));
  }

  /** The points of a frame's line that are known. */
  points(n, ys = this.heights(n)) {
    return ys.map((y, k) => [this.rails[k], y]).filter(([, y]) => !isNaN(y));
  }

  /** The index of the frame whose line passes nearest to a point; -1 without frames. */
  nearest(x, y) {
    const { stream, rails } = this, side = x < rails[1] ? 0 : 1;
    let best = -1, least = Infinity;
    for (let n = 0; n < stream.base.length; n++) {
      const at = this.heights(n), last = this.points(n).pop()[1];
      const a = isNaN(at[side]) ? last : at[side], b = isNaN(at[side + 1]) ? a : at[side + 1];
      const share = Math.min(1, Math.max(0, (x - rails[side]) / (rails[side + 1] - rails[side])));
      const away = Math.abs(a + (b - a) * share - y);
      if (away < least) [best, least] = [n, away];
    }
    return best;
  }

  draw() {
    if (!this.width) return;
    const pen = this.canvas.getContext("2d");
    this.pen = pen;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.font = ink.font;
    pen.textBaseline = "middle";
    this.drawGrid();
    this.heads[2].textContent = this.stream?.isFile ? "client had" : "you received";
    if (this.planned) this.drawPlan();
    else if (!this.stream) this.drawSketch();
    if (this.stream) this.drawStream();
    this.drawGuesses();
    if (this.now !== null) this.drawNow();
  }

  drawGrid() {
    const { pen, rails, height, width } = this;
    const step = STEPS.find((each) => each * (height - 16) / (view.to - view.from) >= 34) ?? STEPS[STEPS.length - 1];
    pen.textAlign = "right";
    for (let ms = Math.ceil(view.from / step) * step; ms <= view.to + step / 1e6; ms += step) {
      const y = Math.round(this.y(ms)) + 0.5;
      this.line([[this.axis + 2, y], [width - (this.isSmall ? 4 : 8), y]], ink.faint, 1);
      pen.fillStyle = ink.quiet;
      pen.fillText(timeLabel(+ms.toFixed(3), step), this.axis - 3, y);
    }
    for (const x of rails) this.line([[x + 0.5, 2], [x + 0.5, height - 2]], ink.rule, 1);
  }

  line(points, colour, thick, dash) {
    this.stroke([points], colour, thick, dash);
  }

  /** Draw lines in one path. */
  stroke(lines, colour, thick, dash = []) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.setLineDash(dash);
    pen.beginPath();
    for (const points of lines) points.forEach(([x, y], n) => n ? pen.lineTo(x, y) : pen.moveTo(x, y));
    pen.stroke();
    pen.setLineDash([]);
  }

  dot(x, y, radius, colour, isOpen = false) {
    const { pen } = this;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = isOpen ? ink.paper : colour;
    pen.fill();
    if (isOpen) {
      pen.strokeStyle = colour;
      pen.lineWidth = 1.5;
      pen.stroke();
    }
  }

  drawStream() {
    const { stream, pen } = this;
    const base = stream.base, { start } = stream;
    const first = Math.max(0, firstAt(base, start + view.from - Math.max(stream.longestHold, stream.longest) - 1) - 1);
    const beyond = firstAt(base, start + view.to + 1);
    const hasDots = beyond - first <= DOTS;
    const thick = beyond - first > 400 ? 1 : 1.5;
    const strokes = new Map(); // by how they look: many lines in one path cost a fraction of as many paths
    const put = (look, points) => strokes.has(look) ? strokes.get(look).push(points) : strokes.set(look, [points]);
    let drawn = [NaN, NaN, NaN], labelled = -Infinity;
    pen.globalAlpha = beyond - first > 1500 ? 0.75 : 1;
    for (let n = first; n < beyond; n++) {
      const ys = this.heights(n);
      if (!hasDots && ys.every((y, k) => Math.abs(y - drawn[k]) < 0.7 || (isNaN(y) && isNaN(drawn[k])))) continue;
      drawn = ys;
      this.putFrame(n, ys, put, hasDots);
      if (ys[0] - labelled >= 13 && beyond - first < 2000) {
        labelled = ys[0];
        pen.fillStyle = ink.quiet;
        pen.textAlign = "right";
        pen.fillText(base[n].isLast ? "end" : String(base[n].n), this.rails[0] - 7, ys[0]);
      }
    }
    for (const [look, lines] of strokes) {
      const dash = look.endsWith("last") ? [5, 3] : look.endsWith("waits") ? [2, 4] : [];
      this.stroke(lines, look.startsWith("hold") ? ink.hold : ink.pass, look.includes("wait") ? 1 : thick, dash);
    }
    if (hasDots) for (let n = first; n < beyond; n++) this.drawDots(n);
    pen.globalAlpha = 1;
    this.drawReads();
    if (this.selected >= 0 && this.selected < base.length) this.drawSelected();
  }

  isHeld(n) {
    const { stream } = this;
    return (stream.heldFor(n) ?? (this.now === null ? 0 : stream.start + this.now - stream.base[n].at)) > HELD_MS;
  }

  /** Put the line of a frame among those to be drawn; one that waits in the gateway grows as time passes. */
  putFrame(n, ys, put, isDashed) {
    const { stream, rails } = this, kind = this.isHeld(n) ? "hold" : "pass", known = this.points(n, ys);
    if (known.length > 1) put(stream.base[n].isLast ? `${kind} last` : kind, known);
    if (this.now !== null && isNaN(ys[1]) && !isNaN(ys[0]) && isNaN(ys[2])) {
      put(`${kind} ${isDashed ? "waits" : "wait in a crowd"}`, [[rails[0], ys[0]], [rails[1], Math.max(ys[0], this.y(this.now))]]);
    }
  }

  drawDots(n) {
    const colour = this.isHeld(n) ? ink.hold : ink.pass;
    for (const [x, y] of this.points(n)) this.dot(x, y, 2.6, colour);
  }

  /** What this page read: a ring a read, and how many frames came in it. */
  drawReads() {
    const { stream, pen, rails } = this;
    const inRead = new Map();
    let shown = 0, before = -Infinity, labelled = -Infinity;
    for (const read of stream.hadRead) inRead.set(read, (inRead.get(read) ?? 0) + 1);
    stream.reads.forEach((read, n) => {
      const y = this.y(read.t - stream.start);
      if (y < -4 || y > this.height + 4 || y - before < (stream.reads.length > DOTS ? 3 : 1.2)) return;
      before = y;
      const frames = inRead.get(n + 1) ?? 0;
      if (shown++ < 600) this.dot(rails[2], y, frames > 1 ? 5 : 3.4, ink.pass, true);
      if (frames > 1 && y - labelled >= 14) {
        labelled = y;
        pen.fillStyle = ink.ink;
        pen.textAlign = this.isSmall ? "right" : "left";
        const text = this.isSmall || frames > 999 ? `${frames.toLocaleString("en")} in 1` : `${frames} in 1 read`;
        pen.fillText(text, rails[2] + (this.isSmall ? -8 : 10), y + (this.isSmall ? -11 : 0));
      }
    });
    if (stream.done?.error) {
      const y = this.y(stream.done.t - stream.start);
      this.line([[rails[2] - 5, y - 5], [rails[2] + 5, y + 5]], ink.bad, 2);
      this.line([[rails[2] - 5, y + 5], [rails[2] + 5, y - 5]], ink.bad, 2);
    }
  }

  drawSelected() {
    const { stream, rails, pen } = this, n = this.selected, known = this.points(n);
    const moments = [stream.base[n].at, stream.passAt[n], stream.hadAt[n]];
    if (known.length > 1) this.line(known, ink.ink, 2.5);
    for (const [x, y] of known) this.dot(x, y, 4.5, ink.ink);
    if (this.isSmall) return;
    moments.forEach((moment, k) => {
      if (moment === undefined || (k && moments[0] === undefined)) return;
      const text = k ? `${signed(moment - moments[0])} ms` : `${(moment - stream.start).toFixed(1)} ms`;
      const wide = pen.measureText(text).width + 10;
      this.tag(text, k ? rails[k] - wide / 2 : rails[k] - 6, this.y(moment - stream.start), wide);
    });
  }

  tag(text, x, y, wide) {
    const { pen } = this;
    const left = Math.min(this.width - wide - 2, Math.max(2, x)), top = y < 30 ? y + 9 : y - 27;
    pen.textAlign = "center";
    pen.fillStyle = ink.ink;
    pen.beginPath();
    pen.roundRect(left, top, wide, 18, 4);
    pen.fill();
    pen.fillStyle = ink.paper;
    pen.fillText(text, left + wide / 2, top + 9.5);
  }

  /** Before the first run: what level and sloping will mean, drawn faintly. */
  drawSketch() {
    const { pen, rails, height } = this, holds = this.sketch === "holds", frames = 6;
    const y = (n) => 34 + n * (height - 120) / frames, end = y(frames);
    for (let n = 0; n < frames; n++) this.line([[rails[0], y(n)], [rails[1], holds ? end : y(n)], [rails[2], holds ? end : y(n)]], ink.rule, 1.5, [1, 4]);
    const words = this.isSmall ? (holds ? "held: sloping" : "at once: level")
      : holds ? "a gateway that holds: sloping lines" : "a gateway that passes on at once: level lines";
    const wide = pen.measureText(words).width + 16, middle = (rails[0] + rails[2]) / 2;
    pen.fillStyle = ink.raised;
    pen.fillRect(middle - wide / 2, height - 54, wide, 24);
    pen.fillStyle = ink.quiet;
    pen.textAlign = "center";
    pen.fillText(words, middle, height - 42);
  }

  drawPlan() {
    this.planned.forEach((ms) => this.dot(this.rails[0], this.y(ms), 3, ink.quiet, true));
  }

  drawGuesses() {
    const { rails, pen } = this;
    const from = this.planned ?? this.stream?.base.map((frame) => frame.at - this.stream.start) ?? [];
    this.guesses.forEach((ms, n) => {
      const y = this.y(ms), x = rails[2];
      if (from[n] !== undefined) this.line([[rails[0], this.y(from[n])], [x, y]], ink.guess, 1, [3, 3]);
      pen.fillStyle = ink.paper;
      pen.strokeStyle = ink.guess;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(x, y - 6); pen.lineTo(x + 6, y); pen.lineTo(x, y + 6); pen.lineTo(x - 6, y);
      pen.closePath();
      pen.fill();
      pen.stroke();
    });
  }

  drawNow() {
    const y = Math.round(this.y(this.now)) + 0.5;
    if (y > 0 && y < this.height) this.line([[this.axis, y], [this.width - 8, y]], ink.quiet, 1, [1, 3]);
  }
}
