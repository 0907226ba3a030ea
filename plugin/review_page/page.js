"use strict";
// Everything that is text stands in the page already; this moves between frames and wipes, and writes text as text.
(() => {
  const data = JSON.parse(document.getElementById("frames").textContent);
  const frames = data.frames;
  const id = (name) => document.getElementById(name);
  const pictures = id("pictures");
  const layers = { before: id("before"), after: id("after"), difference: id("difference"), mask: id("mask") };
  const rows = new Map([...document.querySelectorAll("#metrics tbody tr")].map((row) => [Number(row.dataset.index), row]));
  const thumbs = [...document.querySelectorAll("#strip button")];
  const buttons = [...document.querySelectorAll("[data-mode]")];
  const state = { index: -1, wanted: 0, mode: "wipe", overlay: false, wipe: 50, zoom: 1, timer: 0 };
  const ready = new Map();

  function load(url) {
    if (!ready.has(url)) {
      const image = new Image();
      image.src = url;
      ready.set(url, image.decode().catch(() => undefined).then(() => image));
      if (ready.size > 240) ready.delete(ready.keys().next().value);
    }
    return ready.get(url);
  }

  const kinds = () => (state.mode === "difference" ? ["difference"] : ["before", "after"]).concat(state.overlay ? ["mask"] : []);
  const urls = (frame) => kinds().map((kind) => frame[kind]).filter(Boolean);

  async function show(index) {
    const wanted = Math.max(0, Math.min(frames.length - 1, index));
    state.wanted = wanted;
    await Promise.all(urls(frames[wanted]).map(load));
    if (state.wanted === wanted) paint(wanted);
    for (const ahead of [1, 2, 3]) urls(frames[(wanted + ahead) % frames.length]).forEach(load);
  }

  function paint(index) {
    const frame = frames[index];
    state.index = index;
    for (const kind of Object.keys(layers)) {
      const image = layers[kind];
      const isSeen = Boolean(frame[kind]) && visible(kind, frame);
      if (isSeen && image.getAttribute("src") !== frame[kind]) image.src = frame[kind];
      image.hidden = !isSeen;
    }
    const known = frame.width && frame.height;
    if (known) document.body.style.setProperty("--aspect", String(frame.width / frame.height));
    const lost = id("lost");
    lost.hidden = Boolean(frame.after) || state.mode === "before";
    lost.textContent = frame.after ? "" : frame.lost;
    pictures.classList.toggle("plain", state.mode !== "wipe" || !frame.after);
    id("left").textContent = state.mode === "wipe" || state.mode === "before" ? "Plate" : state.mode === "difference" ? data.difference : "";
    id("right").textContent = state.mode === "wipe" || state.mode === "after" ? "Edited" : "";
    id("number").textContent = String(frame.number);
    id("scrub").value = String(index);
    mark(index);
    tell(frame);
  }

  function visible(kind, frame) {
    if (kind === "mask") return state.overlay;
    if (kind === "difference") return state.mode === "difference";
    if (kind === "before") return state.mode === "wipe" || state.mode === "before" || (!frame.after && state.mode === "after");
    return state.mode === "wipe" || state.mode === "after";
  }

  function mark(index) {
    document.querySelectorAll("[aria-current]").forEach((one) => one.removeAttribute("aria-current"));
    rows.get(index)?.setAttribute("aria-current", "true");
    const thumb = thumbs[index];
    thumb.setAttribute("aria-current", "true");
    const strip = id("strip");
    strip.scrollLeft = thumb.offsetLeft - strip.offsetLeft - (strip.clientWidth - thumb.clientWidth) / 2;
    for (const line of document.querySelectorAll(".curve .now")) {
      const box = line.ownerSVGElement.viewBox.baseVal;
      const share = frames.length > 1 ? index / (frames.length - 1) : 0.5;
      const x = String(data.pad + (box.width - 2 * data.pad) * share);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
    document.querySelectorAll("[data-curve]").forEach((output) => {
      const value = data.curves[Number(output.dataset.curve)][index];
      output.textContent = value === null ? "–" : value.toFixed(2);
    });
  }

  function tell(frame) {
    const list = id("readout");
    list.textContent = "";
    for (const [name, value] of frame.readout) {
      list.append(Object.assign(document.createElement("dt"), { textContent: name }));
      list.append(Object.assign(document.createElement("dd"), { textContent: value }));
    }
    id("why").textContent = frame.why;
  }

  function setWipe(percent) {
    state.wipe = Math.max(0, Math.min(100, percent));
    pictures.style.setProperty("--wipe", `${state.wipe}%`);
    id("divider").setAttribute("aria-valuenow", String(Math.round(state.wipe)));
  }

  function setZoom(zoom) {
    state.zoom = zoom;
    pictures.style.setProperty("--zoom", String(zoom));
    id("zoom").textContent = zoom === 1 ? "Zoom" : `Zoom ${zoom}×`;
    id("zoom").setAttribute("aria-pressed", String(zoom !== 1));
  }
  const nextZoom = () => setZoom(state.zoom === 4 ? 1 : 2 * state.zoom);

  function setMode(mode) {
    state.mode = mode;
    refresh();
  }

  function refresh() {
    for (const button of buttons) {
      const isOn = button.dataset.mode === "mask" ? state.overlay : button.dataset.mode === state.mode;
      button.setAttribute("aria-pressed", String(isOn));
    }
    show(state.wanted);
  }

  function toggleMask() {
    state.overlay = !state.overlay;
    refresh();
  }

  function play() {
    const isPlaying = state.timer !== 0;
    if (isPlaying) {
      clearTimeout(state.timer);
      state.timer = 0;
    } else {
      const next = async () => {
        const begin = performance.now();
        await show((state.index + 1) % frames.length);
        if (state.timer) state.timer = setTimeout(next, Math.max(0, 1000 / data.fps - (performance.now() - begin)));
      };
      state.timer = setTimeout(next, 0);
    }
    id("play").textContent = isPlaying ? "Play" : "Pause";
    id("play").setAttribute("aria-pressed", String(!isPlaying));
  }

  const step = (by) => show(state.wanted + by);
  function toWorst(by) {
    if (!data.worst.length) return;
    const at = data.worst.indexOf(state.wanted);
    show(data.worst[at < 0 ? 0 : (at + by + data.worst.length) % data.worst.length]);
  }

  const keys = {
    ArrowLeft: (event) => step(event.shiftKey ? -10 : -1),
    ArrowRight: (event) => step(event.shiftKey ? 10 : 1),
    ArrowUp: () => setWipe(state.wipe + 2),
    ArrowDown: () => setWipe(state.wipe - 2),
    Home: () => show(0),
    End: () => show(frames.length - 1),
    " ": play,
    w: () => setMode("wipe"),
    b: () => setMode("before"),
    a: () => setMode("after"),
    d: () => setMode("difference"),
    m: toggleMask,
    z: nextZoom,
    n: () => toWorst(1),
    p: () => toWorst(-1),
  };
  document.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.altKey || event.metaKey || !(key in keys)) return;
    event.preventDefault();
    keys[key](event);
  });

  const drag = (event) => {
    const box = pictures.getBoundingClientRect();
    if (state.mode === "wipe") setWipe((100 * (event.clientX - box.left)) / box.width);
  };
  pictures.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    pictures.setPointerCapture(event.pointerId);
    drag(event);
  });
  pictures.addEventListener("pointermove", (event) => {
    if (pictures.hasPointerCapture(event.pointerId)) drag(event);
  });
  for (const button of buttons) {
    const mode = button.dataset.mode;
    button.addEventListener("click", () => (mode === "mask" ? toggleMask() : setMode(mode)));
  }
  id("play").addEventListener("click", play);
  id("zoom").addEventListener("click", nextZoom);
  id("scrub").addEventListener("input", (event) => show(Number(event.target.value)));
  thumbs.forEach((thumb, index) => thumb.addEventListener("click", () => show(index)));
  rows.forEach((row, index) => row.addEventListener("click", () => show(index)));
  for (const curve of document.querySelectorAll(".curve")) {
    curve.addEventListener("click", (event) => {
      const box = curve.getBoundingClientRect();
      const wide = curve.viewBox.baseVal.width;
      const x = ((event.clientX - box.left) / box.width) * wide;
      show(Math.round(((x - data.pad) / (wide - 2 * data.pad)) * (frames.length - 1)));
    });
  }

  const worth = (cell, wantsLow) => {
    const number = cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
    return Number.isFinite(number) ? number : wantsLow ? Infinity : -Infinity;
  };
  for (const head of document.querySelectorAll("#metrics th")) {
    head.querySelector("button").addEventListener("click", () => {
      const isAscending = head.getAttribute("aria-sort") === "descending";
      const body = document.querySelector("#metrics tbody");
      const at = head.cellIndex;
      const order = [...rows.values()].sort((one, other) => {
        const [x, y] = [worth(one.cells[at], isAscending), worth(other.cells[at], isAscending)];
        return x === y ? Number(one.dataset.index) - Number(other.dataset.index) : (x < y ? -1 : 1) * (isAscending ? 1 : -1);
      });
      document.querySelectorAll("#metrics th").forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
      body.append(...order);
    });
  }

  const fragment = Number(location.hash.slice(1));
  const asked = frames.findIndex((frame) => location.hash.length > 1 && frame.number === fragment);
  ["--x", "--y"].forEach((name, axis) => pictures.style.setProperty(name, `${100 * data.focus[axis]}%`));
  setWipe(50);
  setZoom(1);
  state.wanted = asked < 0 ? data.start : asked;
  refresh();
})();
