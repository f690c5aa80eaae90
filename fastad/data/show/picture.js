// A picture from a model: laid out by dagre, drawn as SVG text. No document is touched, so that
// the page and Picture.svg run the same lines.
//
// model.nodes   {id, name, symbol, kind, value, edges: [{source, partial, formula, zero}]}
// state         what is known so far:
//     values    Set of ids; undefined: all
//     partials  Set of "id:position", and "id:" for all of a node; undefined: all
//     marks     Map from ids to the text of the adjoint or tangent
//     sweep     "backward" or "mode" (forward mode): what the marks are
//     current   {node, edge}: what the step is about

"use strict";

const CHARACTER = 7.9; // width of one, at 13 px
const LINE = 18;

const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

const width = (text) => CHARACTER * [...text].length;

const shortened = (text, most) => {
  const characters = [...text];
  return characters.length <= most ? text : characters.slice(0, most - 1).join("") + "…";
};

/** What is written on a box, line by line. */
function linesOf(node) {
  if (node.kind === "constant") return [node.value];
  if (node.kind === "group") return node.lines.map((line) => shortened(line, 40));
  return [shortened(node.name, 24), node.value];
}

function sizeOf(node) {
  if (node.kind === "constant") return { width: width(node.value) + 16, height: 24 };
  const lines = linesOf(node);
  const head = width(lines[0]) + (node.symbol ? width(node.symbol) + 22 : 0);
  const mark = node.widestMark ? 1.04 * CHARACTER * (Math.min(38, node.widestMark) + 2) : 0;
  const widest = Math.max(head, ...lines.slice(1).map(width), mark, node.kind === "group" ? 0 : 72);
  return { width: widest + 24, height: LINE * (lines.length + (mark ? 1 : 0)) + 14 };
}

/** The lines of an edge's label: the formula, where there is room, and the partial. */
function labelOf(edge, roomy) {
  if (edge.count !== undefined) return [edge.count];
  if (edge.partial === null) return [];
  const teaches = roomy && edge.formula && edge.formula !== edge.partial;
  return teaches ? [shortened(edge.formula, 18), edge.partial] : [edge.partial];
}

/** Places for the nodes and edges, left to right. */
function laidOut(nodes, inputs) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  const roomy = nodes.length <= 60;
  graph.setGraph({ rankdir: "LR", nodesep: 22, edgesep: 12, ranksep: nodes.length > 60 ? 60 : 34, ranker: nodes.length > 150 ? "tight-tree" : "network-simplex" });
  for (const node of nodes) graph.setNode(String(node.id), sizeOf(node));
  for (const node of nodes)
    node.edges.forEach((edge, position) => {
      const lines = labelOf(edge, roomy);
      const size = lines.length
        ? { width: Math.max(...lines.map(width)) * 0.85 + 12, height: 16 * lines.length + 2, labelpos: "c" }
        : { width: 0, height: 0 };
      graph.setEdge(String(edge.source), String(node.id), { ...size, lines }, String(position));
    });
  if (roomy) {
    // The inputs stand in the first column, as in the textbook.
    graph.setNode("start", { width: 0, height: 0 });
    for (const id of inputs)
      if (graph.hasNode(String(id))) graph.setEdge("start", String(id), { width: 0, height: 0, weight: 50 }, "start");
  }
  dagre.layout(graph);
  const boxes = nodes.map((node) => ({ node, ...graph.node(String(node.id)) }));
  const arrows = nodes.flatMap((node) =>
    node.edges.map((edge, position) => ({
      edge, position, target: node,
      ...graph.edge(String(edge.source), String(node.id), String(position)),
    })));
  if (areUpsideDown(boxes, inputs)) {
    for (const place of [...boxes, ...arrows, ...arrows.flatMap((arrow) => arrow.points)])
      if (place.y !== undefined) place.y = -place.y;
  }
  attach(boxes, arrows);
  const labels = arrows.filter((arrow) => arrow.lines.length);
  const points = arrows.flatMap((arrow) => arrow.points);
  const span = (axis, size) => [
    Math.min(...[...boxes, ...labels].map((one) => one[axis] - one[size] / 2), ...points.map((p) => p[axis])) - 14,
    Math.max(...[...boxes, ...labels].map((one) => one[axis] + one[size] / 2), ...points.map((p) => p[axis])) + 14,
  ];
  const [left, right] = span("x", "width"), [top, bottom] = span("y", "height");
  const round = (x) => Math.round(x * 10) / 10;
  for (const box of boxes) { box.x = round(box.x - left); box.y = round(box.y - top); }
  for (const arrow of arrows) {
    arrow.points = arrow.points.map((p) => ({ x: round(p.x - left), y: round(p.y - top) }));
    if (arrow.x !== undefined) { arrow.x = round(arrow.x - left); arrow.y = round(arrow.y - top); }
  }
  return { boxes, arrows, width: Math.ceil(right - left), height: Math.ceil(bottom - top) };
}

/** Whether most inputs stand below those that come after them. */
function areUpsideDown(boxes, inputs) {
  const heights = new Map(boxes.map((box) => [box.node.id, box.y]));
  const ys = inputs.filter((id) => heights.has(id)).map((id) => heights.get(id));
  let balance = 0;
  for (let k = 1; k < ys.length; k++) balance += Math.sign(ys[k] - ys[k - 1]);
  return balance < 0;
}

/** A curve through the points, which go from left to right: a monotone cubic. */
function curve(points) {
  const n = points.length;
  const run = (k) => points[k + 1].x - points[k].x || 1;
  const slope = (k) => (points[k + 1].y - points[k].y) / run(k);
  const steepness = points.map((_, k) => {
    if (k === 0 || k === n - 1) return 0;
    const before = slope(k - 1), after = slope(k);
    return before * after <= 0 ? 0 : 2 / (1 / before + 1 / after);
  });
  const text = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  let path = "M" + text(points[0].x, points[0].y);
  for (let k = 0; k < n - 1; k++) {
    const p = points[k], q = points[k + 1], third = run(k) / 3;
    path += `C${text(p.x + third, p.y + third * steepness[k])} `
      + `${text(q.x - third, q.y - third * steepness[k + 1])} ${text(q.x, q.y)}`;
  }
  return path;
}

/** Arrows leave a box in the middle of its right side and enter side by side on its left; those
    that go back, between the parts of a folded graph, the other way round. */
function attach(boxes, arrows) {
  const of = new Map(boxes.map((box) => [box.node.id, box]));
  const entering = new Map();
  for (const arrow of arrows) {
    const source = of.get(arrow.edge.source);
    arrow.turn = source.x < of.get(arrow.target.id).x ? 1 : -1;
    arrow.points[0] = { x: source.x + (arrow.turn * source.width) / 2, y: source.y };
    if (!entering.has(arrow.target.id)) entering.set(arrow.target.id, []);
    entering.get(arrow.target.id).push(arrow);
  }
  for (const [id, there] of entering) {
    const box = of.get(id);
    const height = (arrow) => arrow.points[arrow.points.length - 2].y;
    there.sort((a, b) => height(a) - height(b));
    const gap = Math.min(16, (box.height - 16) / there.length);
    there.forEach((arrow, k) => {
      const y = box.y + gap * (k - (there.length - 1) / 2);
      arrow.points[arrow.points.length - 1] = { x: box.x - (arrow.turn * box.width) / 2, y };
    });
  }
}

const isZero = (text) => text === "0" || text === "-0";
const isOdd = (text) => /^-?(inf|nan)$/.test(text);

/** An arrow's line and its label, which goes above all lines. */
function drawnArrow(arrow, state) {
  const { edge, target, position } = arrow;
  const key = `${target.id}:${position}`;
  const isKnown = state.partials === undefined || state.partials.has(key) || state.partials.has(`${target.id}:`);
  const isCurrent = state.current && state.current.node === target.id && state.current.edge === position;
  const classes = ["arrow"];
  if (edge.partial === null && edge.count === undefined) classes.push("constant");
  if (isCurrent) classes.push("current", state.sweep);
  if (state.sweep === "mode" && state.marks.has(edge.source) && isZero(state.marks.get(edge.source))) classes.push("zero");
  if (isOdd(edge.partial)) classes.push("odd");
  const shown = isKnown ? arrow.lines : [];
  const group = (drawing) => `<g class="${classes.join(" ")}" data-edge="${key}">${drawing}</g>`;
  const line = group(`<path d="${curve(arrow.points)}"/>` + head(arrow));
  let svg = "";
  if (shown.length) {
    const w = Math.max(...shown.map(width)) * 0.85 + 8, h = 15 * shown.length + 2;
    svg += `<rect class="label" x="${arrow.x - w / 2}" y="${arrow.y - h / 2}" width="${w}" height="${h}" rx="4"/>`;
    shown.forEach((line, k) => {
      const y = arrow.y + 4 + 15 * (k - (shown.length - 1) / 2);
      const kind = k === shown.length - 1 ? "partial" : "formula";
      svg += `<text class="${kind}" x="${arrow.x}" y="${y}">${escaped(line)}</text>`;
    });
  }
  return { line, label: svg && group(svg), isCurrent };
}

/** The arrow's head, at the last point, where every curve is level. */
function head({ points, turn }) {
  const { x, y } = points[points.length - 1];
  return `<path class="head" d="M${x} ${y}l${-7 * turn} -3.2v6.4Z"/>`;
}

function drawnBox(box, state) {
  const { node } = box;
  const isKnown = state.values === undefined || state.values.has(node.id);
  const isCurrent = state.current && state.current.node === node.id && state.current.edge === undefined;
  const mark = state.marks.get(node.id);
  const classes = ["node", node.kind];
  if (node.isOutput) classes.push("output");
  if (isCurrent) classes.push("current", state.sweep);
  if (!isKnown) classes.push("unknown");
  const x = box.x - box.width / 2, y = box.y - box.height / 2;
  const button = node.control
    ? ` role="button" tabindex="0" aria-expanded="${node.control === "fold"}" aria-label="${escaped(node.says)}"` : "";
  let svg = `<g class="${classes.join(" ")}" data-node="${node.id}"${button}>`;
  svg += `<title>${escaped(node.says)}</title>`;
  if (node.kind === "group")
    svg += `<rect class="behind" x="${x + 4}" y="${y + 4}" width="${box.width}" height="${box.height}" rx="9"/>`;
  svg += `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="${node.kind === "constant" ? 12 : 9}"/>`;
  if (node.kind === "constant")
    return svg + `<text class="value" x="${box.x}" y="${box.y + 4.5}">${escaped(node.value)}</text></g>`;
  const lines = linesOf(node);
  let line = y + LINE + 2;
  svg += `<text class="name" x="${x + 12}" y="${line}">${escaped(lines[0])}</text>`;
  if (node.symbol)
    svg += `<text class="symbol" x="${x + box.width - 12}" y="${line}">${escaped(node.symbol)}</text>`;
  for (const text of lines.slice(1)) {
    line += LINE;
    const kind = node.kind === "group" ? "detail" : "value";
    if (isKnown) svg += `<text class="${kind}${isOdd(text) ? " odd" : ""}" x="${x + 12}" y="${line}">${escaped(text)}</text>`;
  }
  if (mark !== undefined) {
    const sign = { mode: "→", partials: "∂" }[state.sweep] || "←";
    const kinds = `mark ${state.sweep}${isZero(mark) ? " zero" : ""}${isOdd(mark) ? " odd" : ""}`;
    svg += `<text class="${kinds}" x="${x + 12}" y="${line + LINE}">${sign} ${escaped(shortened(mark, 38))}</text>`;
  }
  return svg + "</g>";
}

/** The arrows, with the current one above the others and all labels above the lines. */
function drawnArrows(arrows, state) {
  const parts = arrows.map((arrow) => drawnArrow(arrow, state));
  parts.sort((a, b) => Boolean(a.isCurrent) - Boolean(b.isCurrent));
  return parts.map((part) => part.line).join("") + parts.map((part) => part.label).join("");
}

/** The graph as SVG text. */
function drawn(layout, state, title, style = "") {
  const size = `width="${layout.width}" height="${layout.height}" viewBox="0 0 ${layout.width} ${layout.height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" class="fastad" ${size} role="${style ? "img" : "group"}" aria-label="${escaped(title)}">`
    + (style ? `<title>${escaped(title)}</title><style>${style}</style>` : "")
    + drawnArrows(layout.arrows, state)
    + layout.boxes.map((box) => drawnBox(box, state)).join("")
    + "</svg>";
}

/** What is known after the first n steps of a sweep; undefined where everything is. */
function stateAfter(steps, n, sweep) {
  const state = { marks: new Map(), sweep };
  if (sweep !== "backward") { state.values = new Set(); state.partials = new Set(); }
  for (const step of steps.slice(0, n)) {
    if (sweep !== "backward") {
      if (step.edge === undefined) state.values.add(step.node);
      else state.partials.add(`${step.node}:${step.edge}`);
      if (sweep === "mode") state.partials.add(`${step.node}:`);
    }
    if (step.mark !== undefined) state.marks.set(step.on ?? step.node, step.mark);
  }
  const last = steps[n - 1];
  state.current = last && { node: last.node, edge: last.edge };
  return state;
}

/** Everything that a sweep finds. */
function stateOf(sweep) {
  return { ...stateAfter(sweep.steps, sweep.steps.length, sweep.kind), current: undefined };
}

// ---- Folded graphs --------------------------------------------------------------------------
//
// model.groups  {id, lines, mark, n, nodes: [...]}: nodes are those that can be unfolded, with
//               {group, targets: {group: edges}} beside the rest; a source that is none of them is
//               in edge.group
// model.edges   [from, to, count], between groups

/** The boxes to draw where the groups in the set are unfolded. */
function unfolded(model, open) {
  const drawnNodes = new Map();
  for (const group of model.groups)
    if (open.has(group.id)) for (const node of group.nodes) drawnNodes.set(node.id, node);
  const boxes = new Map();
  const name = (group) => `group ${group}`;
  const left = new Map(model.edges.map(([a, b, count]) => [`${a},${b}`, count]));
  const between = new Map();
  const add = (a, b, count) => between.set(`${a}|${b}`, (between.get(`${a}|${b}`) || 0) + count);
  const take = (a, b, count) => left.set(`${a},${b}`, (left.get(`${a},${b}`) || 0) - count);
  for (const node of drawnNodes.values()) {
    boxes.set(node.id, { ...node, edges: node.edges.map((edge) =>
      drawnNodes.has(edge.source) ? edge : { ...edge, source: edge.group === undefined ? `constant ${node.id}` : name(edge.group) }) });
    for (const edge of node.edges) if (edge.group !== undefined) take(edge.group, node.group, 1);
    const targets = new Map(Object.entries(node.targets).map(([to, count]) => [Number(to), count]));
    for (const other of drawnNodes.values())
      for (const edge of other.edges)
        if (edge.source === node.id) targets.set(other.group, targets.get(other.group) - 1);
    for (const [to, count] of targets)
      if (count > 0) { add(node.id, name(to), count); take(node.group, to, count); }
  }
  for (const group of model.groups) {
    const rest = group.n - (open.has(group.id) ? group.nodes.length : 0);
    if (rest === 0) continue;
    const lines = open.has(group.id) ? [group.lines[0], `${rest.toLocaleString("en")} more`] : group.lines;
    boxes.set(name(group.id), { ...group, id: name(group.id), lines, kind: "group", edges: [],
      hasMark: !open.has(group.id), widestMark: open.has(group.id) ? 0 : group.widestMark, control: open.has(group.id) ? "fold" : group.nodes.length ? "unfold" : "" });
  }
  for (const [key, count] of left) {
    const [a, b] = key.split(",").map(Number);
    if (a !== b && count > 0) add(name(a), name(b), count);
  }
  for (const [key, count] of between) {
    const [a, b] = key.split("|").map((id) => (id.startsWith("group") ? id : Number(id)));
    if (boxes.has(a) && boxes.has(b))
      boxes.get(b).edges.push({ source: a, partial: null, count: count.toLocaleString("en") });
  }
  for (const box of boxes.values()) box.edges = box.edges.filter((edge) => boxes.has(edge.source));
  return [...boxes.values()];
}

/** What a folded picture shows when `kind` is known: values, partials, backward, or mode. */
function foldedState(model, boxes, sweep) {
  const marks = new Map();
  for (const box of boxes) {
    const key = box.id;
    if (sweep.kind === "partials" && box.hasMark && box.partials) marks.set(key, box.partials);
    if (sweep.kind === "backward" && box.mark !== undefined && box.hasMark !== false) marks.set(key, box.mark);
    if (sweep.kind === "mode") {
      const mark = box.kind === "group" ? (box.hasMark ? sweep.marks[Number(key.slice(6))] : undefined) : sweep.ofNodes[key];
      if (mark !== undefined) marks.set(key, mark);
    }
  }
  return { marks, sweep: sweep.kind, partials: sweep.kind === "values" ? new Set(boxes.flatMap((box) =>
    box.edges.flatMap((edge, k) => (edge.count !== undefined ? [`${box.id}:${k}`] : [])))) : undefined };
}

/** Notes on each node how long the longest of its marks is, so that its box has room. */
function measureMarks(model) {
  const note = (node, mark) => {
    if (node && mark) node.widestMark = Math.max(node.widestMark || 0, [...mark].length);
  };
  if (!model.groups) {
    const of = new Map(model.nodes.map((node) => [node.id, node]));
    for (const sweep of model.sweeps) for (const step of sweep.steps) note(of.get(step.on ?? step.node), step.mark);
    return;
  }
  const of = new Map(model.groups.flatMap((group) => group.nodes.map((node) => [String(node.id), node])));
  for (const group of model.groups) for (const mark of [group.mark, group.partials]) note(group, mark);
  for (const node of of.values()) note(node, node.mark);
  for (const { marks, ofNodes } of model.sweeps.filter((sweep) => sweep.kind === "mode")) {
    marks.forEach((mark, k) => note(model.groups[k], mark));
    for (const [id, mark] of Object.entries(ofNodes)) note(of.get(id), mark);
  }
}

/** The drawing that stands alone: of the first sweep, or the sweeps up to `step`, or of all. */
function standalone(model, step, isMode, style) {
  measureMarks(model);
  const nodes = model.groups ? unfolded(model, new Set()) : model.nodes;
  const layout = laidOut(nodes, model.inputs);
  const last = model.sweeps[isMode ? 0 : model.sweeps.length - 1];
  let state;
  if (model.groups) state = foldedState(model, nodes, last);
  else if (step === null) state = stateOf(last);
  else {
    const forward = model.sweeps[model.sweeps.length - 2];
    const n = forward.steps.length;
    state = step < n ? stateAfter(forward.steps, step + 1, forward.kind) : stateAfter(last.steps, step + 1 - n, last.kind);
  }
  return drawn(layout, state, model.title, style);
}
