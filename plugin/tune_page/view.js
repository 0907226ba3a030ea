// The picture: plate, edited and saved side as small canvases, and what of them is shown.

const KEPT = 16; // plates that are kept, so that going back and forth over frames asks for nothing

function canvas(width, height) {
  const made = document.createElement("canvas");
  made.width = width;
  made.height = height;
  return made;
}

function context(of) {
  return of.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
}

export class Pictures {
  constructor() {
    this.plates = new Map(); // key of a look -> canvas
    this.sides = {}; // "plate", "edited", "saved", "mask" -> canvas
  }

  plate(key) {
    return this.plates.get(key);
  }

  keepPlate(key, drawn) {
    const made = canvas(drawn.width, drawn.height);
    if (drawn.w) context(made).putImageData(new ImageData(drawn.pixels, drawn.w, drawn.h), 0, 0);
    this.plates.set(key, made);
    if (this.plates.size > KEPT) this.plates.delete(this.plates.keys().next().value);
  }

  // Lay what an edit changes over a plate; the plate itself is a side too.
  lay(side, key, drawn) {
    const plate = this.plates.get(key);
    let made = this.sides[side];
    if (!made || made.width !== plate.width || made.height !== plate.height) {
      made = this.sides[side] = canvas(plate.width, plate.height);
    }
    const pen = context(made);
    pen.drawImage(plate, 0, 0);
    if (drawn.w && drawn.h) pen.putImageData(new ImageData(drawn.pixels, drawn.w, drawn.h), drawn.left, drawn.top);
    this.sides.plate = plate;
  }
}

export class Stage {
  constructor(element, picture, edge, tag) {
    Object.assign(this, { element, picture, edge, tag, wipe: 0.5, box: null });
    new ResizeObserver(() => this.fit()).observe(element);
    edge.addEventListener("pointerdown", (event) => edge.setPointerCapture(event.pointerId));
    edge.addEventListener("pointermove", (event) => {
      if (!edge.hasPointerCapture(event.pointerId) || !this.box) return;
      this.wipe = Math.min(1, Math.max(0, (event.clientX - this.box.clientLeft) / this.box.width));
      this.onwipe();
    });
  }

  onwipe() {}

  // Draw one of the modes; "other" is the side to compare with.
  draw(sides, mode, other, held) {
    const edited = sides.edited;
    if (!edited) return;
    const { width, height } = edited;
    const isOther = this.picture.width !== width || this.picture.height !== height;
    if (isOther) Object.assign(this.picture, { width, height });
    const pen = context(this.picture);
    const against = sides[other] || sides.plate;
    const name = other === "saved" ? "saved" : "original";
    const says = { edited: "", wipe: "", difference: `change ×4 against ${name}`, mask: "mask" };
    const said = held ? name : says[mode];
    if (this.tag.textContent !== said) this.tag.textContent = said;
    if (held) pen.drawImage(against, 0, 0);
    else if (mode === "mask" && sides.mask) pen.drawImage(sides.mask, 0, 0);
    else if (mode === "difference") pen.putImageData(difference(against, edited), 0, 0);
    else pen.drawImage(edited, 0, 0);
    const wiped = mode === "wipe" && !held;
    if (wiped) {
      const x = Math.round(this.wipe * width);
      if (x) pen.drawImage(against, 0, 0, x, height, 0, 0, x, height);
    }
    this.edge.hidden = !wiped;
    if (isOther || wiped) this.fit(); // measuring the page costs a layout
  }

  // Fit the picture into the stage; whole screen pixels where it is not reduced.
  fit() {
    const { width, height } = this.picture;
    const room = this.element.getBoundingClientRect();
    if (!width || !room.width) return;
    const ratio = window.devicePixelRatio || 1;
    let scale = Math.min((room.width - 24) / width, (room.height - 24) / height) * ratio;
    if (scale > 1) scale = Math.min(scale, 2);
    const w = (width * scale) / ratio;
    const h = (height * scale) / ratio;
    Object.assign(this.picture.style, { width: `${w}px`, height: `${h}px` });
    const left = (room.width - w) / 2;
    const top = (room.height - h) / 2;
    this.box = { clientLeft: room.left + left, width: w };
    Object.assign(this.edge.style, { left: `${left + this.wipe * w}px`, top: `${top}px`, height: `${h}px` });
  }
}

// Four times the signed change around grey, as the contact sheets show it.
function difference(before, after) {
  const { width, height } = after;
  const a = context(before).getImageData(0, 0, width, height).data;
  const b = context(after).getImageData(0, 0, width, height);
  const pixels = b.data;
  for (let i = 0; i < pixels.length; i += 4) {
    for (let c = i; c < i + 3; c += 1) pixels[c] = 128 + 4 * (pixels[c] - a[c]); // the array clamps
  }
  return b;
}
