// The strip of frames: what is known of each, the curve of the chosen attribute, its keys, and where we are.

const SHADES = { found: "#4a4a4a", bridged: "#3f3f3f", occluded: "#363636", missing: "#2b2b2b" };
const PAD = 14;

export class Strip {
  constructor(element, onframe) {
    this.element = element;
    this.shown = null;
    const go = (event) => {
      if (!this.shown) return;
      const box = element.getBoundingClientRect();
      const { frames } = this.shown;
      const cell = (box.width - 2 * PAD) / frames.length;
      const index = Math.floor((event.clientX - box.left - PAD) / cell);
      onframe(frames[Math.min(frames.length - 1, Math.max(0, index))]);
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      go(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) go(event);
    });
    new ResizeObserver(() => this.draw()).observe(element);
  }

  // frames, statuses, frame; values of the chosen attribute by frame, its keys and limits
  show(shown) {
    this.shown = shown;
    this.draw();
  }

  draw() {
    if (!this.shown) return;
    const ratio = window.devicePixelRatio || 1;
    const width = this.element.clientWidth;
    const height = this.element.clientHeight;
    this.element.width = Math.round(width * ratio);
    this.element.height = Math.round(height * ratio);
    const pen = this.element.getContext("2d");
    pen.scale(ratio, ratio);
    const { frames, statuses, frame, values, keys, limits } = this.shown;
    const cell = (width - 2 * PAD) / frames.length;
    const middle = (index) => PAD + (index + 0.5) * cell;
    const top = 20;
    const low = height - 8;
    const gap = cell > 4 ? 1 : 0;
    frames.forEach((number, index) => {
      pen.fillStyle = SHADES[statuses[index]] || SHADES.found;
      pen.fillRect(PAD + index * cell, top, cell - gap, low - top);
    });
    this.numbers(pen, frames, middle, cell);
    const y = (value) => low - 5 - ((low - top - 10) * (value - limits[0])) / (limits[1] - limits[0]);
    pen.strokeStyle = "#5e5e5e";
    line(pen, [[PAD, y(0)], [width - PAD, y(0)]]);
    if (values.length) {
      const at = (index) => y(values.length === 1 ? values[0] : values[index]);
      pen.strokeStyle = "#d2d2d2";
      pen.lineWidth = 1.5;
      const points = frames.map((number, index) => [middle(index), at(index)]);
      line(pen, [[PAD, at(0)], ...points, [width - PAD, at(frames.length - 1)]]);
    }
    const here = frames.indexOf(frame);
    pen.strokeStyle = "#f4f4f4";
    pen.lineWidth = 1;
    pen.strokeRect(PAD + here * cell + 0.5, top - 2.5, Math.max(2, cell - gap - 1), low - top + 5);
    for (const [number, value] of keys) {
      const index = frames.indexOf(number);
      if (index >= 0) diamond(pen, middle(index), y(value), number === frame);
    }
  }

  numbers(pen, frames, middle, cell) {
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.fillStyle = "#a0a0a0";
    const every = Math.max(1, Math.ceil(48 / cell));
    frames.forEach((number, index) => {
      if (index % every === 0) pen.fillText(String(number), middle(index), 13);
    });
  }
}

function line(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}

function diamond(pen, x, y, isHere) {
  const size = isHere ? 6 : 5;
  pen.beginPath();
  pen.moveTo(x, y - size);
  pen.lineTo(x + size, y);
  pen.lineTo(x, y + size);
  pen.lineTo(x - size, y);
  pen.closePath();
  pen.fillStyle = "#d9b45b";
  pen.fill();
  pen.strokeStyle = "#262626";
  pen.lineWidth = 1;
  pen.stroke();
}
