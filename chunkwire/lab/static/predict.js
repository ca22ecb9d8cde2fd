// Predict, then run: the learner says when each frame will arrive, and afterwards both are shown.

import { byId } from "./dom.js";
import { view } from "./ladder.js";

const MAX_GUESSED = 12;

export function addPredictions({ lanes, pace, isRunning, redraw }) {
  const button = byId("predict"), help = byId("predict-help");
  let cursor = 0;

  const isOn = () => button.getAttribute("aria-pressed") === "true";
  const wanted = () => Math.min(MAX_GUESSED, Math.max(1, Number(byId("count").value) || 1));

  function showLine(text) {
    help.hidden = !text;
    help.textContent = text;
  }

  function begin() {
    if (isRunning()) return;
    button.setAttribute("aria-pressed", "true");
    byId("count").value = wanted();
    const planned = Array.from({ length: wanted() }, (_, n) => n * pace());
    for (const lane of Object.values(lanes)) {
      lane.stream = lane.ladder.stream = null;
      Object.assign(lane.ladder, { planned, guesses: [], selected: -1 });
      lane.verdict.textContent = lane.counts.textContent = "";
    }
    Object.assign(view, { from: 0, to: Math.max(200, planned[planned.length - 1] * 1.06 + 60), isFitted: true });
    cursor = 0;
    showLine(`The open dots are when the origin will write. Click on a ladder where frame 1 will reach you, then frame 2, up to ${wanted()}; by keyboard: arrows move, Enter places, Backspace takes back. Then Start.`);
    redraw();
  }

  function end() {
    button.setAttribute("aria-pressed", "false");
    for (const lane of Object.values(lanes)) Object.assign(lane.ladder, { planned: null, guesses: [] });
    showLine("");
    redraw();
  }

  /** Take a guess for the next frame of a ladder; a frame cannot arrive before it is written. */
  function place(name, ms) {
    const { guesses, planned } = lanes[name].ladder;
    if (!planned || guesses.length >= planned.length) return;
    guesses.push(Math.max(planned[guesses.length], ms));
    const left = planned.length - guesses.length;
    showLine(left ? `Frame ${guesses.length}: you say ${guesses[guesses.length - 1].toFixed(0)} ms. Next: frame ${guesses.length + 1}.` : "All are placed; the other ladder, or Start.");
    redraw();
  }

  /** Handle a key on a ladder while predicting; say whether it was one of ours. */
  function key(event, name) {
    const { ladder } = lanes[name];
    if (!ladder.planned) return false;
    const step = (view.to - view.from) / 50;
    if (event.key === "ArrowDown") cursor += step;
    else if (event.key === "ArrowUp") cursor = Math.max(0, cursor - step);
    else if (event.key === "Backspace") ladder.guesses.pop();
    else if (event.key === "Enter") place(name, cursor);
    else return false;
    ladder.now = cursor;
    ladder.scope.setAttribute("aria-valuetext", `prediction at ${cursor.toFixed(0)} ms, ${ladder.guesses.length} of ${ladder.planned.length} placed`);
    redraw();
    return true;
  }

  /** Say how far off the guesses were. */
  function judge() {
    const off = Object.values(lanes).flatMap(({ ladder, stream }) => ladder.guesses.map((ms, n) => Math.abs(stream.start + ms - stream.hadAt[n])))
      .filter((ms) => !isNaN(ms)).sort((a, b) => a - b);
    if (off.length) showLine(`Diamonds are what you said, lines what happened: ${off.length === 1 ? "1 guess" : `${off.length} guesses`}, off by ${off[off.length >> 1].toFixed(0)} ms at the median, ${off[off.length - 1].toFixed(0)} ms at most.`);
  }

  button.addEventListener("click", () => isOn() ? end() : begin());
  byId("start").addEventListener("click", () => {
    if (isOn()) showLine("Diamonds are what you said; the lines are what happened.");
  });
  return { isOn, place, key, judge };
}
