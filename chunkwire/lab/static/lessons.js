// The lessons: their text, the commands with real ports, and what the server says of what came on its sockets.
// Everything is judged by the server; this file only shows it, as text.

import { byId, keep, kept, make } from "./dom.js";
import { act, actEvents, ask } from "./server.js";

const section = byId("lessons");
const state = { leave: null };

export async function addLessons() {
  const response = await ask("lab/lessons");
  if (response.ok) build(await response.json());
}

function build(list) {
  const which = make("select", { id: "lesson-which" }, ...list.lessons.map((each) => make("option", { value: each.number, textContent: `${each.number}. ${each.title}` })));
  const nc = make("select", { id: "lesson-nc" }, ...list.kinds.map((each) => make("option", { value: each.kind, textContent: each.title, selected: each.kind === list.here })));
  const start = make("button", { type: "button", className: "primary", id: "lesson-start", textContent: "Begin" });
  const text = make("div", { id: "lesson-text" });
  const log = make("div", { id: "lesson-log", className: "mono learning-log", tabIndex: 0 });
  log.setAttribute("role", "log");
  log.setAttribute("aria-label", "what came on the wire, and what is said of it");
  const parts = { text, log, start, which };
  start.addEventListener("click", () => run(which.value, nc.value, 1, parts));
  section.setAttribute("aria-labelledby", "lessons-title");
  section.replaceChildren(
    make("div", { className: "row" }, make("h2", { id: "lessons-title", textContent: "Lessons" }),
      make("p", { className: "note", textContent: `${list.lessons.length} lessons with nc and curl in your terminal. The server watches the connections, and says what went wrong.` })),
    make("div", { className: "fields" }, make("label", {}, "Lesson ", which), make("label", {}, "Commands for ", nc), make("div", { className: "keys lesson-keys" }, start)),
    text, log);
  section.hidden = false;
  const before = kept("lesson");
  if (!before) return;
  [which.value, nc.value] = [before.number, before.kind];
  run(before.number, before.kind, before.step, parts);
  addLine(log, "hint", "This page was loaded again, and the lesson goes on. Use the commands shown now: their ports may have changed.");
}

/** Begin a lesson at a step: one request, whose answer is the events of the session; aborting it ends the session. */
async function run(number, kind, step, parts) {
  state.leave?.abort();
  const leave = (state.leave = new AbortController());
  parts.text.replaceChildren();
  parts.log.replaceChildren();
  try {
    for await (const [name, data] of actEvents(`lab/lesson/${number}?nc=${encodeURIComponent(kind)}&step=${step}`, leave.signal)) {
      if (name === "step") keep("lesson", { number, kind, step: data.step });
      if (name === "done") keep("lesson", null);
      show(name, data, parts);
    }
  } catch (error) {
    if (leave.signal.aborted) return;
    const isBegun = parts.text.childElementCount;
    addLine(parts.log, "bad", isBegun ? "The lesson has ended here: it was begun again in another tab, or the server stopped." : error.message);
  }
}

function show(name, data, { text, log, start, which }) {
  if (name === "step") showStep(data, text);
  else if (name === "octets") for (const [t, line, note] of data.lines) addLine(log, "octets", `${t.toFixed(3).padStart(9)} s  ${line}${note && `   (${note})`}`);
  else if (name === "hint") showJudgement(log, "hint", "?", data);
  else if (name === "judged") {
    showJudgement(log, data.right ? "good" : "bad", data.right ? "✓" : "✗", data);
    for (const line of data.learned) addLine(log, "learned", line);
  } else if (name === "done") {
    addLine(log, "good", `Lesson ${data.lesson} is done.`);
    text.replaceChildren();
    if (which.selectedIndex + 1 < which.options.length) which.selectedIndex += 1;
    start.focus({ preventScroll: true });
  }
}

function showStep(data, text) {
  const parts = [make("h3", { textContent: `${data.lesson}. ${data.title}: step ${data.step} of ${data.of}` })];
  if (data.step === 1) parts.push(...data.intro.map((line) => make("p", { textContent: line })));
  parts.push(...data.task.map((line) => make("p", { className: "task", textContent: line })));
  for (const command of data.commands) {
    if (command.note) parts.push(make("p", { className: "hint", textContent: `${command.note}:` }));
    const typed = command.lines.map((line) => `\n${line || "(an empty line: Enter alone)"}`).join("");
    parts.push(make("pre", { className: "command", tabIndex: 0, textContent: `$ ${command.run}${typed}` }));
  }
  if (data.asks) parts.push(question());
  text.replaceChildren(...parts);
}

/** The form that answers a question; curl on the address that is shown does the same. */
function question() {
  const input = make("input", { type: "text", id: "lesson-answer", spellcheck: false, autocomplete: "off" });
  const form = make("form", { className: "fields" }, make("label", {}, "Your answer ", input), make("div", { className: "keys lesson-keys" }, make("button", { type: "submit", textContent: "Answer" })));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await act(`lab/answer?text=${encodeURIComponent(input.value)}`);
  });
  return form;
}

export function showJudgement(log, kind, mark, data) {
  addLine(log, kind, `${mark} ${data.sentence}`);
  if (data.octets.length) log.append(make("pre", { className: "caret", tabIndex: 0, textContent: data.octets.join("\n") }));
  for (const line of data.evidence) addLine(log, "evidence", line);
}

export function addLine(log, kind, line) {
  log.append(make("p", { className: kind, textContent: line }));
  log.scrollTop = log.scrollHeight;
}
