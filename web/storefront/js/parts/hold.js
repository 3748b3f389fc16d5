// How long the seats are still held.

import { until } from "../clock.js";
import { announce, every, h, icon } from "../dom.js";
import { remaining, two } from "../format.js";
import { t } from "../i18n.js";

const LAST_MINUTE_MS = 60_000;

export function holdClock(order, signal, ranOut) {
  const whole_ms = Math.max(1, Date.parse(order.expires_at) - Date.parse(order.created_at));
  const digits = h("b", {});
  const fill = h("span", { class: "hold-fill" });
  const box = h("div", { class: "hold", role: "timer", "aria-label": t("order.left") },
    h("span", { class: "hold-words" }, icon("clock"), t("order.left")), digits, h("span", { class: "hold-track" }, fill));
  let warned = false;
  let over = false;
  every(signal, 250, () => {
    const left_ms = until(order.expires_at);
    const { hours, minutes, seconds } = remaining(left_ms);
    digits.textContent = `${two(hours * 60 + minutes)}:${two(seconds)}`;
    fill.style.setProperty("--share", String(Math.min(1, Math.max(0, left_ms / whole_ms))));
    box.classList.toggle("late", left_ms <= LAST_MINUTE_MS);
    if (left_ms <= LAST_MINUTE_MS && left_ms > 0 && !warned) {
      warned = true;
      announce(t("order.minute-left"));
    }
    if (left_ms <= 0 && !over) {
      over = true;
      ranOut();
    }
  });
  return box;
}
