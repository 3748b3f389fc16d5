// Puts the page together: frame, routes, start.

import { chrome } from "./chrome.js";
import { put } from "./dom.js";
import { applyToDocument, onChange } from "./i18n.js";
import * as login from "./login.js";
import { redraw, route, start } from "./router.js";
import { chooseView } from "./views/choose.js";
import { doorView } from "./views/door.js";
import { followLogin, loginView, registerView } from "./views/login.js";
import { meView } from "./views/me.js";
import { orderView } from "./views/order.js";
import { ordersView } from "./views/orders.js";
import { forgotView, resetView } from "./views/password.js";
import { showView } from "./views/show.js";
import { showsView } from "./views/shows.js";
import { ticketsView } from "./views/tickets.js";

route("/", showsView);
route("/shows/:id", showView);
route("/sessions/:id", chooseView);
route("/orders", ordersView);
route("/orders/:id", orderView);
route("/tickets", ticketsView);
route("/login", loginView);
route("/register", registerView);
route("/forgot", forgotView);
route("/reset", resetView);
route("/me", meView);
route("/door", doorView);

applyToDocument();
await login.join();
const frame = chrome();
put(document.getElementById("app"), frame.node);
login.onChange(({ elsewhere }) => {
  frame.refresh();
  if (elsewhere) followLogin();
});
onChange(({ pageFollows }) => {
  frame.refresh();
  if (!pageFollows) redraw();
});
start(frame.outlet);
