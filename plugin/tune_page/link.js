// Talking to the tuner: every request shows the session's token, which came behind the # of the address.

const HEADER = "X-Lineament-Token";

export class Refusal extends Error {
  constructor({ kind = "", what = "", where = "", remedy = "" }) {
    super(what);
    Object.assign(this, { kind, what, where, remedy });
  }
}

// The token leaves the address bar at once and lives as long as the tab.
function takeToken() {
  const given = window.location.hash.slice(1);
  if (given) {
    window.sessionStorage.setItem(HEADER, given);
    window.history.replaceState(null, "", window.location.pathname);
  }
  return window.sessionStorage.getItem(HEADER) || "";
}

export class Link {
  constructor() {
    this.token = takeToken();
    this.isEnded = false;
  }

  async send(path, body) {
    const headers = { [HEADER]: this.token };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const method = body === undefined ? "GET" : "POST";
    const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw new Refusal(await answer.json());
    return answer;
  }

  async ask(path, body) {
    return (await this.send(path, body)).json();
  }

  // {width, height, left, top, w, h, ms, pixels}: a rectangle of a picture, RGBA
  async picture(asked) {
    const answer = await this.send("/api/picture", asked);
    const told = JSON.parse(answer.headers.get("X-Lineament-Picture"));
    return { ...told, pixels: new Uint8ClampedArray(await answer.arrayBuffer()) };
  }
}
