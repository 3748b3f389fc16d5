// Money under way, what waits to be delivered, the stores and processes, and the audit.

import { h, put } from "/js/dom.js";
import { lettersDrawer } from "../drawers/letters.js";
import { largest, panel, rows, total } from "../panel.js";
import { age, clock, named, number, t } from "../say.js";

const UNANSWERED_S = 60; // a provider that answers later than this worries somebody
const BEHIND_S = 5; // an event that is applied later than this is late
const LAG_MAX = 1000;
const AUDIT_OLD_S = 7200;
const UNCHECKED_SHOWN = 3;

export function platformPanels(state, signal) {
  return [money(state), queues(state, signal), stores(state), audit(state)];
}

/** A panel of what one worker measures for everybody. */
function measured(state, name, draw, tools = []) {
  const box = panel(name, t(`${name}.title`), tools);
  const ages = (age_s) => {
    const leader_s = state.frame?.leader.age_s ?? null;
    box.old(age_s === null || leader_s === null ? null : age_s + leader_s);
  };
  return { ...box, ages, draw: (frame) => put(box.body, draw(frame, frame.leader.gauges)) };
}

function money(state) {
  return measured(state, "money", ({ sale }, gauges) => {
    const oldest = largest(gauges.unanswered_oldest_s);
    return rows([
      { name: t("money.unanswered"), value: number(total(gauges.unanswered)), note: oldest ? t("oldest", { age: age(oldest) }) : "", tone: oldest > UNANSWERED_S ? "warn" : null },
      { name: t("money.paid"), value: number(sale["orders_now.paid"] ?? 0) },
      { name: t("money.declined"), value: number(sale["payments.failed"] ?? 0) },
      { name: t("money.callbacks"), value: number(sum(sale, "callbacks.")), note: rejected(sale) },
      { name: t("money.expired"), value: number(sale["orders_now.cancelled"] ?? 0) },
      { name: t("money.refunded"), value: number(sale["refunds.succeeded"] ?? 0) },
    ]);
  });
}

function rejected(sale) {
  return sale["callbacks.rejected"] ? t("money.rejected", { n: number(sale["callbacks.rejected"]) }) : "";
}

function sum(sale, prefix) {
  return Object.entries(sale).reduce((all, [name, value]) => (name.startsWith(prefix) ? all + value : all), 0);
}

function queues(state, signal) {
  const letters = h("button", { class: "button small quiet", type: "button", onclick: () => lettersDrawer(signal) }, t("letters.title"));
  return measured(state, "queues", (frame, gauges) => {
    const dead = deadLetters(gauges);
    const outbox_s = largest(gauges.outbox_age_s);
    return rows([
      waiting("queues.mails", gauges.messages_waiting, gauges.messages_oldest_s),
      waiting("queues.webhooks", gauges.webhooks_waiting, gauges.webhooks_oldest_s),
      { name: t("queues.outbox"), value: number(total(gauges.outbox)), note: outbox_s ? t("oldest", { age: age(outbox_s) }) : "", tone: outbox_s > BEHIND_S ? "warn" : null },
      ...consumers(gauges.lag).map(([consumer, lag]) => ({ name: t("queues.lag", { consumer: named("consumer", consumer) }), value: number(lag), tone: lag > LAG_MAX ? "bad" : null })),
      { name: t("queues.dead"), value: number(dead), note: dead ? t("oldest", { age: age(largest(gauges.dead_letters_oldest_s)) }) : "", tone: dead ? "bad" : null },
    ]);
  }, [letters]);
}

function waiting(name, gauge, oldest) {
  const seconds = largest(oldest);
  return { name: t(name), value: number(total(gauge)), note: seconds ? t("oldest", { age: age(seconds) }) : "", tone: seconds > UNANSWERED_S ? "warn" : null };
}

/** Each consumer's lag over all outboxes. */
function consumers(gauge) {
  const sums = new Map();
  for (const [labels, lag] of Object.entries(gauge ?? {})) {
    const consumer = labels.split(",")[0];
    sums.set(consumer, (sums.get(consumer) ?? 0) + lag);
  }
  return [...sums];
}

function deadLetters(gauges) {
  return total(gauges.dead_letters);
}

function stores(state) {
  const box = panel("stores", t("stores.title"));
  const draw = (frame) => {
    const { gauges } = frame.leader;
    const nodes = Object.entries(gauges.redis ?? {});
    const away = nodes.filter(([, up]) => !up);
    const standbys = Object.entries(gauges.standbys ?? {}).filter(([labels]) => labels.startsWith("streaming"));
    const streaming = standbys.reduce((all, [, count]) => all + count, 0);
    const lag_s = largest(gauges.standby_lag_s);
    return put(box.body, rows([
      ...frame.sources.map((one) => ({
        name: t("stores.machine", { machine: one.machine, roles: one.roles.map((role) => named("role", role)).join(", ") }),
        value: t("stores.processes", { count: one.processes, n: number(one.processes) }),
        note: one.late ? t("late.by", { age: age(one.age_s) }) : "", tone: one.late ? "bad" : "good" })),
      { name: t("stores.redis"), value: t("stores.up", { up: number(nodes.length - away.length), all: number(nodes.length) }), note: away.map(([node]) => short(node)).join(", "), tone: away.length || !nodes.length ? "bad" : "good" },
      { name: t("stores.standbys"), value: number(streaming), note: lag_s ? t("stores.lag", { age: age(lag_s) }) : "" },
      { name: t("stores.under-way"), value: number(frame.sums.under_way ?? 0), note: t("stores.waiting", { n: number(frame.sums.waiting ?? 0) }) },
      { name: t("stores.streams"), value: number(frame.sums.streams ?? 0) },
    ]));
  };
  return { ...box, ages: box.old, draw };
}

function short(node) {
  return node.split("/").at(-1);
}

function audit(state) {
  return measured(state, "audit", (frame, gauges) => {
    const broken = Object.entries(gauges.audit_violations ?? {});
    const unchecked = Object.keys(gauges.audit_unchecked ?? {});
    const { tone, words } = auditLight(frame);
    return [h("p", { class: `audit-light is-${tone}` }, words), rows([
      ...broken.map(([name, count]) => ({ name: named("invariant", name), value: number(count), tone: "bad" })),
      { name: t("audit.finished"), value: finished(frame) ? clock(finished(frame)) : "–", note: finished(frame) ? t("ago", { age: age(frame.at - finished(frame)) }) : "" },
      { name: t("audit.checked"), value: number(largest(gauges.audit_checked) - unchecked.length), note: unchecked.length ? t("audit.unchecked", { n: number(unchecked.length), names: unchecked.slice(0, UNCHECKED_SHOWN).map((one) => named("invariant", one)).join(", ") }) : "" },
    ])];
  });
}

const finished = (frame) => largest(frame.leader.gauges.audit_finished);

function auditLight(frame) {
  const { gauges } = frame.leader;
  if (total(gauges.audit_violations)) return { tone: "bad", words: t("audit.violated", { n: number(total(gauges.audit_violations)) }) };
  if (!finished(frame) || frame.at - finished(frame) > AUDIT_OLD_S) return { tone: "warn", words: t("audit.old") };
  if (total(gauges.audit_unchecked)) return { tone: "warn", words: t("audit.partly") };
  return { tone: "good", words: t("audit.holds") };
}

/** The lights of the head, worst of each kind. */
export function lightsOf(frame) {
  const { gauges } = frame.leader;
  const nodes = Object.values(gauges.redis ?? {});
  const late = frame.sources.filter((one) => one.late).length;
  const dead = deadLetters(gauges);
  const audited = auditLight(frame);
  const behind = largest(gauges.outbox_age_s) > BEHIND_S;
  return [
    { tone: audited.tone, words: t("light.audit") },
    { tone: nodes.length && nodes.every(Boolean) ? "good" : "bad", words: t("light.stores") },
    { tone: late ? "bad" : "good", words: t("light.machines") },
    { tone: behind ? "warn" : "good", words: t("light.events") },
    { tone: dead ? "bad" : "good", words: t("light.letters", { n: number(dead) }) },
  ];
}
