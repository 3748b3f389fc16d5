// A poster for shows that bring none: a composition in two or three colours, always the same for
// the same title, drawn as SVG behind the title itself.

import { h, svg } from "../dom.js";
import { t } from "../i18n.js";

const INKS = [
  ["#1b1230", "#ff5a36", "#ffd9a8"], ["#0d2b3a", "#f2b632", "#e8f1ec"], ["#7a1022", "#ff8f6b", "#ffe9d6"],
  ["#10331f", "#b6e05a", "#f3f6d8"], ["#231a52", "#8f7bff", "#ffd3ec"], ["#3a1c0a", "#ff9d2e", "#ffe7c2"],
  ["#0a2a5e", "#5cc0ff", "#ffe066"], ["#4a0d45", "#ff5fa2", "#ffe1c9"],
];

const DRAWINGS = [rings, rays, stripes, arches, waves, tiles];

/** `size`: small, wide, large (a show's own page) or tiny (a line of a list). */
export function poster(show, { size = "small" } = {}) {
  const label = t("show.poster", { title: show.title });
  const seed = hash(show.title);
  const inks = INKS[seed % INKS.length];
  const drawing = DRAWINGS[(seed >>> 4) % DRAWINGS.length];
  const art = svg("svg", { viewBox: "0 0 300 400", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    svg("rect", { width: 300, height: 400, fill: inks[0] }), drawing(inks, random(seed)));
  const words = h("span", { class: "poster-words", "aria-hidden": "true" },
    h("span", { class: "poster-kicker" }, [show.city, show.category].filter(Boolean).join(" / ")),
    h("span", { class: "poster-title" }, show.title));
  const box = h("span", { class: `poster ${size}`, role: "img", "aria-label": label }, art, words);
  const url = allowed(show.poster_url);
  if (url) box.append(h("img", { src: url, alt: "", loading: "lazy", referrerpolicy: "no-referrer", onerror: (event) => event.target.remove() }));
  return box;
}

/** Pictures may come from here or by https: the content security policy says the same. */
function allowed(url) {
  if (!url || !URL.canParse(url, location.href)) return null;
  const { origin, protocol, href } = new URL(url, location.href);
  return origin === location.origin || protocol === "https:" ? href : null;
}

function hash(text) {
  let sum = 2166136261;
  for (const letter of text) sum = Math.imul(sum ^ letter.codePointAt(0), 16777619) >>> 0;
  return sum;
}

function random(seed) {
  let state = seed || 1;
  return (low, high) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + (high - low) * (state / 2 ** 32);
  };
}

function rings([, bright, pale], pick) {
  const [x, y] = [pick(60, 240), pick(90, 170)];
  const radii = Array.from({ length: 9 }, (_, index) => 26 + index * 26);
  return [
    radii.map((r, index) => svg("circle", { cx: x, cy: y, r, fill: "none", stroke: index % 3 ? bright : pale, "stroke-width": 9 - index * 0.7, opacity: 1 - index * 0.09 })),
    svg("circle", { cx: x, cy: y, r: 14, fill: pale }),
  ];
}

function rays([, bright, pale], pick) {
  const [x, y] = [pick(90, 210), pick(250, 300)];
  const angles = Array.from({ length: 18 }, (_, index) => (index / 18) * Math.PI * 2);
  const at = (angle) => `${x + 460 * Math.cos(angle)},${y + 460 * Math.sin(angle)}`;
  return [
    angles.map((angle, index) => svg("polygon", { points: `${x},${y} ${at(angle)} ${at(angle + 0.17)}`, fill: index % 4 ? bright : pale, opacity: 0.85 })),
    svg("circle", { cx: x, cy: y, r: 62, fill: pale }),
  ];
}

function stripes([, bright, pale], pick) {
  const lit = Math.round(pick(2, 6));
  return [
    Array.from({ length: 9 }, (_, index) => svg("path", {
      d: `M${index * 36} 0h20c6 90-8 180 0 270h-20c-8-90 6-180 0-270z`, fill: index === lit ? pale : bright, opacity: index === lit ? 1 : 0.35 + (index % 3) * 0.25,
    })),
    svg("ellipse", { cx: lit * 36 + 10, cy: 272, rx: 120, ry: 20, fill: pale, opacity: 0.9 }),
  ];
}

function arches([, bright, pale], pick) {
  const shift = pick(-30, 30);
  return Array.from({ length: 7 }, (_, index) => svg("path", {
    d: `M${20 + index * 20 + shift} 520V${190 + index * 18}a${130 - index * 20} ${130 - index * 20} 0 0 1 ${260 - index * 40} 0V520`,
    fill: index % 2 ? pale : bright, opacity: index % 2 ? 0.92 : 0.9 - index * 0.05, transform: "translate(0 -90)",
  }));
}

function waves([, bright, pale], pick) {
  const bend = pick(40, 90);
  return Array.from({ length: 11 }, (_, index) => svg("path", {
    d: `M-20 ${40 + index * 24}c80-${bend} 160 ${bend} 340-${bend / 2}`, fill: "none", stroke: index % 4 === 1 ? pale : bright, "stroke-width": 2 + index * 1.1, opacity: 0.55 + index * 0.04,
  }));
}

function tiles([, bright, pale], pick) {
  return Array.from({ length: 20 }, (_, index) => {
    const [x, y, turn] = [(index % 4) * 75, Math.floor(index / 4) * 75, Math.floor(pick(0, 4))];
    const fill = pick(0, 1) > 0.7 ? pale : bright;
    return svg("path", { d: `M${x} ${y}h75a75 75 0 0 1-75 75z`, fill, opacity: pick(0.5, 1), transform: `rotate(${turn * 90} ${x + 37.5} ${y + 37.5})` });
  });
}
