// The puzzles: three hops, one of them faulty. The server sets them up and judges answers; this file shows what it says.

import { byId, keep, kept, make } from "./dom.js";
import { addLine, showJudgement } from "./lessons.js";
import { act, actEvents, ask } from "./server.js";

const section = byId("puzzles");
let leave = null;

export async function addPuzzles() {
  const response = await ask("lab/puzzles");
  if (response.ok) build((await response.json()).kinds);
}

function build(kinds) {
  const which = make("select", { id: "puzzle-which" }, ...kinds.map((title, n) => make("option", { value: n, textContent: title })));
  const seed = make("input", { id: "puzzle-seed", type: "number", min: 0, max: 1e9, placeholder: "any" });
  const text = make("div", { id: "puzzle-text" });
  const log = make("div", { id: "puzzle-log", className: "mono learning-log", tabIndex: 0 });
  log.setAttribute("role", "log");
  log.setAttribute("aria-label", "what is said of your answers");
  const form = make("form", { className: "fields", autocomplete: "off" }, make("label", {}, "What is wrong ", which), make("label", {}, "Seed ", seed),
    make("div", { className: "keys lesson-keys" }, make("button", { type: "submit", className: "primary", textContent: "Set a puzzle" })));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(which.value, seed.value, { text, log });
  });
  section.setAttribute("aria-labelledby", "puzzles-title");
  section.replaceChildren(
    make("div", { className: "row" }, make("h2", { id: "puzzles-title", textContent: "Puzzles" }),
      make("p", { className: "note", textContent: "Three hops in front of an origin, one of them faulty: which one, and how? Look at each with the tools you have." })),
    form, text, log);
  section.hidden = false;
  const before = kept("puzzle");
  if (!before) return;
  which.value = before.number;
  run(before.number, before.seed, { text, log });
  addLine(log, "hint", "This page was loaded again, and the same puzzle is set again. Its ports are new.");
}

/** Set a puzzle: one request, whose hops run until it is aborted. */
async function run(number, seed, { text, log }) {
  leave?.abort();
  const { signal } = leave = new AbortController();
  text.replaceChildren();
  log.replaceChildren();
  const query = new URLSearchParams({ nc: byId("lesson-nc")?.value ?? "" });
  if (seed) query.set("seed", seed);
  try {
    for await (const [, puzzle] of actEvents(`lab/puzzle/${number}?${query}`, signal)) {
      keep("puzzle", { number, seed: puzzle.seed });
      showPuzzle(puzzle, { text, log });
    }
    throw new Error("the server has stopped");
  } catch (error) {
    if (signal.aborted) return;
    const isSet = text.childElementCount;
    addLine(log, "bad", isSet ? "The puzzle has ended here: one was set in another tab, or the server stopped." : `There is no puzzle: ${error.message}`);
  }
}

function showPuzzle(puzzle, { text, log }) {
  const hop = make("select", { id: "puzzle-hop" }, ...puzzle.places.slice(1).map(([name], n) => make("option", { value: n + 1, textContent: name })));
  const setting = make("select", { id: "puzzle-setting" }, ...puzzle.settings.map((name) => make("option", { value: name, textContent: name })));
  const giveUp = make("button", { type: "button", textContent: "Give up" });
  const answer = make("button", { type: "submit", className: "primary", textContent: "Answer" });
  const form = make("form", { className: "fields" }, make("label", {}, "Hop ", hop), make("label", {}, "Setting ", setting), make("div", { className: "keys lesson-keys" }, answer, giveUp));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    guess(`${hop.value} ${setting.value}`, { log, buttons: [answer, giveUp] });
  });
  giveUp.addEventListener("click", () => guess("", { log, buttons: [answer, giveUp] }));
  text.replaceChildren(
    make("h3", { textContent: puzzle.title }),
    make("p", { className: "mono", textContent: puzzle.path }),
    make("ul", { className: "places mono" }, ...puzzle.places.map(([name, url]) => make("li", { textContent: `${name}  ${url}` }))),
    ...puzzle.commands.map((command) => make("pre", { className: "command", tabIndex: 0, textContent: `$ ${command}` })),
    make("p", { className: "hint", textContent: `The same again in a terminal: ${puzzle.again}` }),
    form);
}

async function guess(text, { log, buttons }) {
  addLine(log, "octets", text ? `hop ${text}: both sides of it are looked at …` : "given up");
  for (const button of buttons) button.disabled = true;
  try {
    const said = await act(`lab/guess?answer=${encodeURIComponent(text)}`);
    if (said.right || !text) keep("puzzle", null);
    showJudgement(log, said.right ? "good" : text ? "bad" : "hint", said.right ? "✓" : text ? "✗" : "·", said);
  } catch (error) {
    addLine(log, "bad", error.message);
  }
  for (const button of buttons) button.disabled = false;
}
