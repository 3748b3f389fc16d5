// What the shapes on the map mean: only those that this map can show, so that it fits without scrolling.

import { h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { ACCESSIBLE, COMPANION, RESTRICTED } from "./hall.js";

export function legend(model) {
  const has = (flag) => model.hall.flags.some((flags) => flags & flag);
  const [lost, alone] = [mark("lost"), mark("alone", "alone")];
  const refresh = () => {
    lost.hidden = model.lost.size === 0;
    alone.hidden = model.alone.size === 0;
  };
  refresh();
  const node = h("ul", { class: "legend" }, ["free", "selected", "held", "sold"].map((look) => mark(look)),
    has(ACCESSIBLE) && mark("accessible"), has(COMPANION) && mark("companion", "more"), has(RESTRICTED) && mark("restricted", "more"), lost, alone);
  return { node, refresh };
}

function mark(look, rank) {
  return h("li", { class: rank },
    h("span", { class: `legend-mark ${look}`, "aria-hidden": "true" }, look === "selected" && icon("check"), look === "accessible" && icon("access"), look === "lost" && icon("close")),
    t(`map.${look}`));
}
