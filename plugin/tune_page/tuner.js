// The page: what is looked at, the state of the edits, and everything a person can do.

import { Row, fill } from "./panel.js";
import { Strip } from "./strip.js";
import { Pictures, Stage } from "./view.js";
import { Link, Refusal } from "./link.js";

const by = (id) => document.getElementById(id);
const BEAT_MS = 20000;
const REST_MS = 120;

const link = new Link();
const pictures = new Pictures();
const stage = new Stage(by("stage"), by("picture"), by("edge"), by("tag"));
const strip = new Strip(by("strip"), (frame) => goTo(frame));
const rows = new Map(); // attribute or field -> Row
const look = { frame: 0, zoom: "", size: 960, display: "", view: "", stops: 0 };
const page = { shot: null, state: null, face: "", active: "", mode: "edited", other: "plate", held: false };
const fresh = {}; // side -> what it shows: a look and a revision
let saves = 0; // how often the saved values have changed
let queue = []; // changes that are not sent; of one gesture only the newest
let isBusy = false;
let isWanted = false;
let later = 0; // the timer of a state that is to be asked for
let moved = 0; // when the newest move was made

// ---- what is shown ------------------------------------------------------------------------------------------------

const plateKey = () => JSON.stringify([look.frame, look.zoom, look.size, look.display, look.view, look.stops]);

function draw() {
  stage.draw(pictures.sides, page.mode, page.other, page.held);
}

// Ask until what is shown is what is wanted: one request at a time, and stale ones are never sent.
async function refresh() {
  isWanted = true;
  if (isBusy) return;
  isBusy = true;
  try {
    while (isWanted) {
      isWanted = false;
      await step();
    }
  } catch (problem) {
    tell(problem);
  } finally {
    isBusy = false;
    if (isWanted) refresh();
  }
}

async function step() {
  const key = plateKey();
  const since = moved;
  moved = 0;
  if (!pictures.plate(key)) pictures.keepPlate(key, await link.picture({ ...look, side: "plate" }));
  while (queue.length > 1) await change(queue.shift());
  const edit = queue.shift();
  const drawn = await link.picture({ ...look, side: "edited", ...(edit ? { edit } : {}) });
  pictures.lay("edited", key, drawn);
  if (page.mode === "mask") await side("mask", `${key} ${drawn.revision}`, key, { side: "edited", kind: "mask" });
  if (page.other === "saved") await side("saved", `${key} ${saves}`, key, { side: "saved" });
  draw();
  if (since) measure(since, drawn);
  if (edit) learnSoon();
}

// A side that is only needed in some modes; the mark tells whether the one that is there will do.
async function side(name, mark, key, asked) {
  if (fresh[name] === mark && pictures.sides[name]) return;
  pictures.lay(name, key, await link.picture({ ...look, ...asked }));
  fresh[name] = mark;
}

// The time from the hand to the screen: behind the next frame that the browser has painted.
function measure(since, drawn) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const whole = performance.now() - since;
      const readout = by("latency");
      readout.textContent = `${whole.toFixed(0)} ms a move (engine ${drawn.ms.toFixed(0)} ms)`;
      readout.dataset.whole = whole.toFixed(1);
      readout.dataset.engine = drawn.ms.toFixed(1);
      readout.dataset.count = String(Number(readout.dataset.count || 0) + 1);
    };
    channel.port2.postMessage(0);
  });
}

// ---- the state of the edits ---------------------------------------------------------------------------------------

async function learn() {
  accept(await link.ask("/api/state"));
}

// During a drag the picture comes first: the state is asked for when the hand rests.
function learnSoon() {
  clearTimeout(later);
  later = setTimeout(() => (queue.length || isBusy ? learnSoon() : learn().catch(tell)), REST_MS);
}

function accept(state) {
  page.state = state;
  show();
}

async function change(edit) {
  accept(await link.ask("/api/edit", edit));
}

// A change that needs its answer at once: keys, undo and the like.
async function act(edit) {
  try {
    while (queue.length) await change(queue.shift());
    await change(edit);
    refresh();
  } catch (problem) {
    tell(problem);
  }
}

function move(edit, event) {
  const last = queue[queue.length - 1];
  if (last && last.gesture && last.gesture === edit.gesture) queue[queue.length - 1] = edit;
  else queue.push(edit);
  moved = event ? event.timeStamp : performance.now();
  refresh();
}

const strengthOf = (of, attribute) => of[page.face].strengths[attribute];

function valueOf(strength, frame) {
  if (!strength) return 0;
  const { values } = strength;
  return values.length === 1 ? values[0] : values[page.shot.frames.indexOf(frame)];
}

function show() {
  const { shot, state } = page;
  const now = state.faces[page.face];
  const saved = state.saved[page.face];
  for (const { name } of shot.attributes) {
    const strength = now.strengths[name];
    rows.get(name).show({
      value: valueOf(strength, look.frame),
      keyed: Boolean(strength && strength.keyed),
      here: hasKey(strength, look.frame),
      changed: isChanged(strength, saved.strengths[name]),
    });
  }
  for (const { name } of shot.fields) {
    rows.get(name).show({ value: now[name], keyed: false, here: false, changed: now[name] !== saved[name] });
  }
  showKeys();
  by("undo").disabled = !state.undo;
  by("redo").disabled = !state.redo;
  by("save").disabled = !state.dirty;
  const count = state.changed.length;
  by("unsaved").textContent = count ? `${count} unsaved change${count > 1 ? "s" : ""}` : "";
  by("unsaved").title = state.changed.join("\n");
  document.title = `${state.dirty ? "• " : ""}${shot.shot} · Lineament`;
}

const hasKey = (strength, frame) => Boolean(strength && strength.keys.some(([number]) => number === frame));

function isChanged(now, saved) {
  const plain = (s) => JSON.stringify(!s || (s.values.every((v) => v === 0) && !s.keyed) ? 0 : curve(s));
  return plain(now) !== plain(saved);
}

// What a strength is on every frame: a single key is as good as a constant.
const curve = (s) => (s.keys.length > 1 ? [s.keys, s.interpolation] : s.values[0]);

function showKeys() {
  const { shot, state, active } = page;
  const strength = strengthOf(state.faces, active);
  const spec = shot.attributes.find(({ name }) => name === active);
  const here = hasKey(strength, look.frame);
  const keyed = Boolean(strength && strength.keyed);
  for (const [name, row] of rows) row.element.classList.toggle("active", name === active);
  by("active").textContent = spec ? spec.label : "";
  by("key").textContent = here ? "Remove key" : "Set key";
  by("interpolation").disabled = !keyed || strength.keys.length < 2;
  by("interpolation").value = strength ? strength.interpolation : "linear";
  by("key-back").disabled = !keyed || !strength.keys.some(([number]) => number < look.frame);
  by("key-on").disabled = !keyed || !strength.keys.some(([number]) => number > look.frame);
  const face = shot.faces.find(({ name }) => name === page.face);
  const status = face.statuses[shot.frames.indexOf(look.frame)];
  by("status").textContent = status === "found" ? "" : `face ${status}`;
  strip.show({
    frames: shot.frames,
    statuses: face.statuses,
    frame: look.frame,
    values: strength ? strength.values : [0],
    keys: strength ? strength.keys : [],
    limits: spec ? spec.soft : [-1, 1],
  });
}

// ---- what a person does -------------------------------------------------------------------------------------------

function goTo(frame) {
  if (frame === look.frame || !page.shot.frames.includes(frame)) return;
  look.frame = frame;
  by("frame").value = frame;
  show();
  refresh();
}

function step1(by1) {
  const { frames } = page.shot;
  const index = frames.indexOf(look.frame) + by1;
  goTo(frames[Math.min(frames.length - 1, Math.max(0, index))]);
}

function toKey(direction) {
  const strength = strengthOf(page.state.faces, page.active);
  const numbers = (strength ? strength.keys : []).map(([number]) => number);
  const found = direction < 0 ? numbers.filter((n) => n < look.frame).pop() : numbers.find((n) => n > look.frame);
  if (found !== undefined) goTo(found);
}

function toggleKey(attribute = page.active) {
  const here = hasKey(strengthOf(page.state.faces, attribute), look.frame);
  return act({ op: here ? "unkey" : "key", face: page.face, attribute, frame: look.frame });
}

function activate(attribute) {
  if (attribute === page.active || !page.shot.attributes.some(({ name }) => name === attribute)) return;
  page.active = attribute;
  if (page.state) showKeys();
}

function nudge(amount) {
  const row = rows.get(page.active);
  const [low, high] = row.spec.limits;
  const value = Math.round(Math.min(high, Math.max(low, row.value + amount)) * 1e4) / 1e4;
  row.put(value);
  move({ op: "strength", face: page.face, attribute: page.active, value, frame: look.frame });
}

function setMode(mode) {
  page.mode = mode;
  press("modes", "mode", mode);
  draw();
  refresh();
}

function setZoom(zoom) {
  look.zoom = zoom === "face" ? page.face : "";
  press("zooms", "zoom", zoom);
  refresh();
}

function setFace(name) {
  page.face = name;
  if (look.zoom) look.zoom = name;
  for (const button of by("faces").children) button.setAttribute("aria-selected", button.textContent === name);
  show();
  refresh();
}

function hold(held) {
  if (page.held === held) return;
  page.held = held;
  by("hold").setAttribute("aria-pressed", held);
  draw();
}

function press(group, field, value) {
  for (const button of by(group).children) button.setAttribute("aria-checked", button.dataset[field] === value);
}

async function save() {
  try {
    while (queue.length) await change(queue.shift());
    accept(await link.ask("/api/save", {}));
    saves += 1;
    by("problem").hidden = true;
    by("latency").textContent = `saved to ${page.shot.file}`;
    refresh();
    return true;
  } catch (problem) {
    tell(problem);
    return false;
  }
}

async function quit() {
  if (page.state && page.state.dirty) {
    const dialog = by("leave");
    by("lost").replaceChildren(...page.state.changed.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((done) => { dialog.addEventListener("close", done, { once: true }); });
    if (!dialog.returnValue || (dialog.returnValue === "save" && !(await save()))) return;
  }
  try {
    await link.ask("/api/quit", {});
    finish("The tuner has ended. You can close this page.");
  } catch (problem) {
    tell(problem);
  }
}

function finish(text) {
  link.isEnded = true;
  by("end-text").textContent = text;
  by("end").hidden = false;
}

function tell(problem) {
  if (!(problem instanceof Refusal)) {
    if (!link.isEnded && problem instanceof TypeError && /fetch/i.test(problem.message)) {
      finish("The tuner does not answer any more. Start it again with lineament tune.");
      return;
    }
    if (link.isEnded) return;
    throw problem;
  }
  by("what").textContent = problem.what;
  by("remedy").textContent = problem.remedy;
  by("where").textContent = problem.where;
  by("reload").hidden = problem.kind !== "ShowFileChanged";
  by("problem").hidden = false;
  if (page.state) learn().catch(() => finish("The tuner does not answer any more. Start it again with lineament tune."));
}

// ---- wiring -------------------------------------------------------------------------------------------------------

function makeRows() {
  for (const spec of page.shot.attributes) {
    const attribute = spec.name;
    addRow("attributes", spec, {
      onchange: (value, gesture, event) =>
        move({ op: "strength", face: page.face, attribute, value, frame: look.frame, gesture }, event),
      onend: () => {},
      onreset: () => act({ op: "reset", face: page.face, attribute }),
      onkey: () => toggleKey(attribute),
      onfocus: () => activate(attribute),
    });
  }
  for (const spec of page.shot.fields) {
    const field = spec.name;
    const set = (value, gesture, event) => move({ op: "field", face: page.face, field, value, gesture }, event);
    addRow("fields", spec, {
      onchange: set, onend: () => {}, onreset: () => set(spec.default, "", null), onfocus: () => {},
    });
  }
}

function addRow(place, spec, handlers) {
  const row = new Row(spec, handlers);
  rows.set(spec.name, row);
  by(place).append(row.element);
}

function makeChoices() {
  const { shot } = page;
  const options = (id, entries) =>
    by(id).replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
  options("interpolation", shot.interpolations.map((name) => [name, name]));
  options("size", shot.sizes.map((size) => [size, `${size} px`]));
  options("view", shot.views.map(({ display, view }, index) => [index, `${view} · ${display}`]));
  by("size").value = shot.size;
  for (const { name } of shot.faces) {
    const button = Object.assign(document.createElement("button"), { textContent: name });
    button.setAttribute("role", "tab");
    button.addEventListener("click", () => setFace(name));
    by("faces").append(button);
  }
  by("faces").hidden = shot.faces.length < 2;
}

function wire() {
  const click = (id, call) => by(id).addEventListener("click", () => call());
  click("undo", () => act({ op: "undo" }));
  click("redo", () => act({ op: "redo" }));
  click("save", save);
  click("quit", quit);
  click("help", () => by("keys").showModal());
  click("first", () => goTo(page.shot.frames[0]));
  click("last", () => goTo(page.shot.frames[page.shot.frames.length - 1]));
  click("previous", () => step1(-1));
  click("next", () => step1(1));
  click("key", () => toggleKey());
  click("key-back", () => toKey(-1));
  click("key-on", () => toKey(1));
  click("dismiss", () => { by("problem").hidden = true; });
  click("reload", async () => { by("problem").hidden = true; saves += 1; await act({ op: "reload" }); });
  for (const button of by("modes").children) button.addEventListener("click", () => setMode(button.dataset.mode));
  for (const button of by("zooms").children) button.addEventListener("click", () => setZoom(button.dataset.zoom));
  by("hold").addEventListener("pointerdown", () => hold(true));
  for (const end of ["pointerup", "pointerleave", "pointercancel"]) by("hold").addEventListener(end, () => hold(false));
  by("against").addEventListener("change", (event) => { page.other = event.target.value; refresh(); });
  by("frame").addEventListener("change", (event) => goTo(Number(event.target.value)));
  by("interpolation").addEventListener("change", (event) =>
    act({ op: "interpolation", face: page.face, attribute: page.active, kind: event.target.value }));
  by("size").addEventListener("change", (event) => { look.size = Number(event.target.value); refresh(); });
  by("view").addEventListener("change", (event) => setView(Number(event.target.value)));
  by("stops").addEventListener("input", () => setStops(Number(by("stops").value)));
  by("stops").addEventListener("dblclick", () => setStops(0));
  stage.onwipe = draw;
  document.addEventListener("keydown", onKey);
  document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "a") hold(false); });
  window.addEventListener("blur", () => hold(false));
}

function setView(index) {
  Object.assign(look, page.shot.views[index]);
  refresh();
}

function setStops(stops) {
  by("stops").value = stops;
  by("stops-value").textContent = `${stops > 0 ? "+" : ""}${stops}`;
  fill(by("stops"), 0);
  look.stops = stops;
  refresh();
}

function onKey(event) {
  if (document.querySelector("dialog[open]") || !page.state) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isTyping = event.target.matches("input[type=number], select");
  if (event.target.matches("input[type=range]:focus-visible") && key.startsWith("Arrow")) return; // the slider's own
  const calls = event.ctrlKey || event.metaKey
    ? { z: () => act({ op: event.shiftKey ? "redo" : "undo" }), y: () => act({ op: "redo" }), s: save }
    : isTyping ? {} : plainKeys(event);
  if (event.altKey || !calls[key]) return;
  event.preventDefault();
  calls[key]();
}

function plainKeys(event) {
  const amount = event.shiftKey ? 0.5 : 0.1;
  const names = page.shot.attributes.map(({ name }) => name);
  const neighbour = (by1) => {
    activate(names[(names.indexOf(page.active) + by1 + names.length) % names.length]);
    rows.get(page.active).element.scrollIntoView({ block: "nearest" });
  };
  return {
    ArrowLeft: () => step1(-1), ArrowRight: () => step1(1), ArrowUp: () => neighbour(-1), ArrowDown: () => neighbour(1),
    Home: () => goTo(page.shot.frames[0]), End: () => goTo(page.shot.frames[page.shot.frames.length - 1]),
    a: () => hold(true), e: () => setMode("edited"), w: () => setMode("wipe"), d: () => setMode("difference"),
    m: () => setMode("mask"), f: () => setZoom(look.zoom ? "frame" : "face"), k: () => toggleKey(),
    "[": () => toKey(-1), "]": () => toKey(1), "?": () => by("keys").showModal(),
    "-": () => nudge(-amount), _: () => nudge(-amount), "+": () => nudge(amount), "=": () => nudge(amount),
    0: () => act({ op: "reset", face: page.face, attribute: page.active }),
  };
}

async function start() {
  const shot = await link.ask("/api/shot");
  page.shot = shot;
  page.face = shot.faces[0].name;
  page.active = shot.attributes.length ? shot.attributes[0].name : "";
  Object.assign(look, { frame: shot.frames[0], size: shot.size, ...shot.views[0] });
  by("shot").textContent = shot.shot;
  by("file").textContent = shot.file;
  by("file").title = shot.folder;
  by("frame").value = look.frame;
  makeRows();
  makeChoices();
  wire();
  setStops(0);
  press("modes", "mode", "edited");
  press("zooms", "zoom", "frame");
  await learn();
  setFace(page.face);
  setInterval(async () => {
    try {
      if (!isBusy && !link.isEnded) {
        const state = await link.ask("/api/state");
        const isOther = state.revision !== page.state.revision;
        accept(state);
        if (isOther) refresh();
      }
    } catch (problem) {
      tell(problem);
    }
  }, BEAT_MS);
}

start().catch(tell);
