// The page around a picture: which step it shows, its sentence, its source line, its table.

"use strict";

const model = JSON.parse(document.getElementById("model").textContent);
const find = (id) => document.getElementById(id);
const folded = Boolean(model.groups);
const modes = model.sweeps.filter((sweep) => sweep.kind === "mode");
const later = model.sweeps.filter((sweep) => sweep.kind !== "mode");
const open = new Set();
let layout, boxes, scale = null, position, player = null;

/** The sweeps that the slider goes through: forward mode from the chosen input, and the rest. */
const sweeps = () => (modes.length ? [modes[find("input").value]] : []).concat(later);
const lengthOf = (sweep) => (folded ? 1 : sweep.steps.length);
const length = () => sweeps().reduce((n, sweep) => n + lengthOf(sweep), 0);

/** The sweep and how many of its steps are done; after the last position, the result. */
function at(n) {
  for (const sweep of sweeps()) {
    if (n < lengthOf(sweep)) return { sweep, done: n + 1 };
    n -= lengthOf(sweep);
  }
  const last = later[later.length - 1];
  return { sweep: last, done: lengthOf(last), isResult: true };
}

function arrange() {
  boxes = folded ? unfolded(model, open) : model.nodes;
  layout = laidOut(boxes, model.inputs);
}

function stateNow() {
  const { sweep, done, isResult } = at(position);
  if (folded) return foldedState(model, boxes, sweep);
  return isResult ? stateOf(sweep) : stateAfter(sweep.steps, done, sweep.kind);
}

function draw() {
  const focused = document.activeElement && document.activeElement.dataset.node;
  const stage = find("stage");
  stage.innerHTML = drawn(layout, stateNow(), model.title);
  zoom();
  if (focused !== undefined) {
    const again = stage.querySelector(`[data-node="${CSS.escape(focused)}"]`)
      || stage.querySelector(`[data-node="group ${CSS.escape(String(focused))}"]`);
    if (again) again.focus({ preventScroll: true });
  }
}

function zoom() {
  const svg = find("stage").querySelector("svg");
  const room = find("stage").clientWidth - 2;
  const fits = Math.max(0.7, Math.min(1.15, room / layout.width));
  const factor = scale === null ? fits : scale;
  svg.setAttribute("width", layout.width * factor);
  svg.setAttribute("height", layout.height * factor);
  return factor;
}

/** In forward mode a step says the value, too, and nothing more of a derivative that is 0. */
function sentenceOf(sweep, step) {
  if (sweep.kind !== "mode") return step.says;
  const node = model.byId.get(step.node);
  return `${node.says}\n${step.says ?? `∂${node.name}/∂${sweep.of} = ${step.mark}`}`;
}

function say() {
  const { sweep, done, isResult } = at(position);
  const step = !folded && !isResult ? sweep.steps[done - 1] : null;
  const name = isResult ? "Result" : sweep.name;
  const sentence = isResult ? model.result : step ? sentenceOf(sweep, step) : sweep.says;
  find("phase").textContent = step ? `${name}, step ${done} of ${sweep.steps.length}` : name;
  find("phase").className = isResult ? "backward" : sweep.kind;
  find("says").textContent = sentence;
  find("slider").max = length();
  find("slider").value = position;
  find("slider").setAttribute("aria-valuetext", `${name}: ${sentence}`);
  for (const button of document.querySelectorAll("[data-phase]")) {
    const now = isResult ? "result" : sweep.kind;
    if (button.dataset.phase === now) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  }
  for (const line of document.querySelectorAll(".source .now")) {
    line.classList.remove("now");
    line.removeAttribute("aria-current");
  }
  const place = step && model.byId.get(step.node).place;
  const line = place && find(`line-${place[0]}-${place[1]}`);
  if (line) {
    line.classList.add("now");
    line.setAttribute("aria-current", "true");
    line.scrollIntoView({ block: "nearest" });
  }
  reveal(find("stage").querySelector(".current"));
}

/** Scroll the stage, and not the page, to where an element is seen. */
function reveal(element) {
  if (!element) return;
  const stage = find("stage"), box = element.getBoundingClientRect(), around = stage.getBoundingClientRect();
  const isSeen = box.left >= around.left && box.right <= around.right && box.top >= around.top && box.bottom <= around.bottom;
  if (!isSeen)
    stage.scrollBy({ left: box.left - around.left - around.width / 2, top: box.top - around.top - around.height / 2 });
}

function go(n) {
  position = Math.max(0, Math.min(length(), n));
  draw();
  say();
}

function firstOf(kind) {
  let n = 0;
  for (const sweep of sweeps()) {
    if (sweep.kind === kind) return n;
    n += lengthOf(sweep);
  }
  return n;
}

function play(on) {
  clearInterval(player);
  player = null;
  find("play").textContent = on ? "Pause" : "Play";
  if (!on) return;
  if (position >= length()) go(0);
  player = setInterval(() => (position >= length() ? play(false) : go(position + 1)), 900);
}

// ---- Side by side ---------------------------------------------------------------------------

function drawSides() {
  if (folded || !modes.length) return;
  const mode = modes[find("input").value], backward = later[later.length - 1];
  const zeros = mode.steps.filter((step) => step.mark === "0" || step.mark === "-0").length;
  const sides = document.querySelector(".sides");
  sides.classList.toggle("stacked", layout.width > 0.75 * sides.clientWidth);
  for (const [place, sweep] of [["forward", mode], ["reverse", backward]]) {
    const figure = find(`side-${place}`);
    figure.querySelector(".picture").innerHTML = drawn(layout, stateOf(sweep), `${sweep.name}, complete`);
    const svg = figure.querySelector("svg");
    const factor = Math.max(0.45, Math.min(1, (figure.clientWidth - 26) / layout.width));
    svg.setAttribute("width", layout.width * factor);
    svg.setAttribute("height", layout.height * factor);
  }
  find("side-forward").querySelector(".what").textContent =
    `One sweep from ${mode.of}: beside each value, its derivative to ${mode.of}. ` +
    (zeros ? `${zeros} of the ${mode.steps.length} derivatives that it carries are 0.` : "None of them is 0.");
}

// ---- The table, for whom the drawing is no help -----------------------------------------------

function fillTable() {
  const rows = folded ? model.groups : model.nodes.filter((node) => node.kind !== "constant");
  const row = (cells) => "<tr>" + cells.map((text, k) =>
    k ? `<td>${escaped(text)}</td>` : `<th scope="row">${escaped(text)}</th>`).join("") + "</tr>";
  find("rows").innerHTML = rows.map((node) => row(folded
    ? [node.title, node.lines.slice(1).join("; "), node.partials, node.mark || ""]
    : [node.name, node.formula ? `${node.formula} = ${node.value}` : node.value,
      node.edges.filter((edge) => edge.partial !== null).map((edge) =>
        `∂${node.name}/∂${model.byId.get(edge.source).name} = ${edge.partial}`).join(", "), node.adjoint])).join("");
}

// ---- Listening ------------------------------------------------------------------------------

function toggle(element) {
  const box = element && element.closest('[role="button"][data-node]');
  if (!box) return false;
  const group = Number(box.dataset.node.slice("group ".length));
  if (open.has(group)) open.delete(group);
  else open.add(group);
  arrange();
  draw();
  say();
  const first = open.has(group) ? model.groups[group].nodes[0].id : `group ${group}`;
  reveal(find("stage").querySelector(`[data-node="${first}"]`));
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if ((event.key === "Enter" || event.key === " ") && toggle(event.target)) return event.preventDefault();
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const to = { ArrowRight: position + 1, ArrowLeft: position - 1, Home: 0, End: length() }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  play(false);
  go(to);
});
find("stage").addEventListener("click", (event) => toggle(event.target));
find("slider").addEventListener("input", (event) => { play(false); go(Number(event.target.value)); });
find("first").addEventListener("click", () => { play(false); go(0); });
find("back").addEventListener("click", () => { play(false); go(position - 1); });
find("next").addEventListener("click", () => { play(false); go(position + 1); });
find("last").addEventListener("click", () => { play(false); go(length()); });
find("play").addEventListener("click", () => play(player === null));
find("larger").addEventListener("click", () => { scale = Math.min(3, zoom() * 1.25); zoom(); });
find("smaller").addEventListener("click", () => { scale = Math.max(0.1, zoom() / 1.25); zoom(); });
find("fit").addEventListener("click", () => {
  const stage = find("stage");
  scale = Math.min((stage.clientWidth - 2) / layout.width, (stage.clientHeight - 2) / layout.height, 1.5);
  zoom();
});
find("input").addEventListener("change", () => { play(false); drawSides(); go(firstOf("mode") + lengthOf(sweeps()[0]) - 1); });
for (const button of document.querySelectorAll("[data-phase]"))
  button.addEventListener("click", () => {
    play(false);
    go(button.dataset.phase === "result" ? length() : firstOf(button.dataset.phase));
  });
window.addEventListener("resize", () => { zoom(); drawSides(); });

model.byId = new Map(folded ? [] : model.nodes.map((node) => [node.id, node]));
find("input").innerHTML = modes.map((mode, k) => `<option value="${k}">${escaped(mode.of)}</option>`).join("");
find("chooser").hidden = modes.length < 2 && !model.modesLeftOut;
find("left-out").textContent = model.modesLeftOut;
measureMarks(model);
arrange();
position = length();
draw();
say();
reveal(find("stage").querySelector(".input"));
// The rest follows once the picture is there.
requestAnimationFrame(() => setTimeout(() => {
  fillTable();
  drawSides();
  document.documentElement.dataset.ready = "";
}));
