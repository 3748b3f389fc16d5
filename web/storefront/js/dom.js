// Builds DOM nodes. Text reaches the page through text nodes only: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `on…` props are listeners, `dataset` and boolean props as one expects. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

export function icon(name, props = {}) {
  const use = svg("use", { href: `icons.svg#${name}` });
  return svg("svg", { class: "icon", "aria-hidden": "true", ...props }, use);
}

/** Replaces what an element holds; arrays are flattened, null and false are left out. */
export function put(parent, ...children) {
  parent.replaceChildren(...flat(children));
  return parent;
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) set(element, name, value);
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name === "value") element.value = value;
  else element.setAttribute(name, value === true ? "" : value);
}

/** Runs `tick` now and every `period_ms` until the signal aborts. */
export function every(signal, period_ms, tick) {
  if (signal.aborted) return;
  tick();
  const timer = setInterval(tick, period_ms);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** Resolves after `duration_ms`; rejects with the signal's reason when it aborts. */
export function wait(duration_ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, duration_ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  });
}

/** Says something to screen readers without moving the focus. */
export function announce(text) {
  const announcer = document.getElementById("announcer");
  announcer.textContent = "";
  requestAnimationFrame(() => { announcer.textContent = text; });
}
