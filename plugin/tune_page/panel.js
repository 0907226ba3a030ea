// The sliders: one row for each attribute of the model and each field of the composite.

let gestures = 0;

function element(tag, fields, ...children) {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...children);
  return made;
}

// Fill a slider's track from its zero to its thumb.
export function fill(slider, zero) {
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const share = (value) => (100 * (Math.min(high, Math.max(low, value)) - low)) / (high - low);
  const ends = [share(zero), share(Number(slider.value))].sort((a, b) => a - b);
  slider.style.setProperty("--low", `${ends[0]}%`);
  slider.style.setProperty("--high", `${ends[1]}%`);
}

export class Row {
  // onchange(value, gesture, event), onreset(), onkey() and onfocus() are the page's.
  constructor(spec, handlers) {
    Object.assign(this, { spec, handlers, zero: spec.default || 0, value: 0, gesture: "" });
    const [low, high] = spec.soft;
    const step = high - low > 2 ? 0.05 : (high - low) / 100;
    this.name = element("span", { className: "name", textContent: spec.label });
    this.slider = element("input", { type: "range", min: low, max: high, step });
    this.slider.setAttribute("aria-label", spec.label);
    this.number = element("input", { type: "number", min: spec.limits[0], max: spec.limits[1], step: "any" });
    this.number.setAttribute("aria-label", `${spec.label}, value`);
    this.key = element("button", { className: "key", textContent: "◇" });
    this.reset = element("button", { className: "reset", textContent: "↺", title: `Back to ${this.zero}` });
    this.reset.setAttribute("aria-label", `Reset ${spec.label}`);
    this.element = element("div", { className: "row", title: spec.tooltip });
    this.element.dataset.name = spec.name;
    this.element.append(this.name, this.slider, this.number, this.key, this.reset);
    if (!handlers.onkey) this.key.classList.add("spare");
    this.listen();
  }

  listen() {
    const { handlers } = this;
    this.slider.addEventListener("input", (event) => {
      this.gesture = this.gesture || `${this.spec.name} ${(gestures += 1)} ${performance.now()}`;
      this.put(Number(this.slider.value));
      handlers.onchange(this.value, this.gesture, event);
    });
    this.slider.addEventListener("change", () => {
      this.gesture = "";
      handlers.onend();
    });
    this.slider.addEventListener("dblclick", () => handlers.onreset());
    this.number.addEventListener("change", (event) => {
      const value = Number(this.number.value);
      const [low, high] = this.spec.limits;
      if (this.number.value === "" || !Number.isFinite(value)) return this.put(this.value);
      this.put(Math.min(high, Math.max(low, value)));
      handlers.onchange(this.value, "", event);
      return handlers.onend();
    });
    this.key.addEventListener("click", () => handlers.onkey && handlers.onkey());
    this.reset.addEventListener("click", () => handlers.onreset());
    this.element.addEventListener("pointerdown", () => handlers.onfocus());
    this.element.addEventListener("focusin", () => handlers.onfocus());
  }

  get isMoving() {
    return this.gesture !== "";
  }

  put(value) {
    this.value = value;
    this.slider.value = value;
    this.number.value = String(Math.round(value * 1e4) / 1e4);
    fill(this.slider, this.zero);
    this.element.classList.toggle("on", value !== this.zero);
  }

  // keyed: has keys; here: has one at this frame; changed: differs from the file
  show({ value, keyed, here, changed }) {
    if (!this.isMoving) this.put(value);
    this.key.textContent = here ? "◆" : "◇";
    this.key.classList.toggle("keyed", keyed);
    this.key.title = here ? "Remove the key at this frame (K)" : "Set a key at this frame (K)";
    this.key.setAttribute("aria-label", `${this.key.title}: ${this.spec.label}`);
    this.element.classList.toggle("changed", changed);
  }
}
