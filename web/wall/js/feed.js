// The stream of the wall. EventSource sends no token, so the events are read from a fetch.
//
// It comes back after a second, with the id of the last event, whatever has ended it; what the page shows
// meanwhile is as old as it says (age.js). Only a refusal of who asks ends it.

import { wait } from "/js/dom.js";
import * as operations from "./operations.js";

const PAUSE_MS = 1000;
const PAUSE_MAX_MS = 10_000;
const SILENT_MS = 15_000; // nothing at all, not even a silence: the connection is dead

/** Calls `heard(name, data)` for each event and `lost(error)` when the stream breaks, until the signal aborts. */
export async function follow({ heard, lost, refused, signal }) {
  let last_id = "";
  let failures = 0;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener("abort", stop, { once: true });
    try {
      const answer = await operations.open(last_id, attempt.signal);
      await read(answer.body, stop, (event) => {
        failures = 0;
        if (event.id) last_id = event.id;
        if (event.data) heard(event.name, JSON.parse(event.data));
      });
    } catch (error) {
      if (signal.aborted) return;
      if ([401, 403].includes(error.status)) return refused(error);
      failures += 1;
      last_id = error.status ? "" : last_id;
      lost(error);
    } finally {
      signal.removeEventListener("abort", stop);
      attempt.abort();
    }
    await wait(Math.min(PAUSE_MS * 2 ** Math.max(0, failures - 1), PAUSE_MAX_MS), signal).catch(() => null);
  }
}

async function read(body, stop, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const silent = setTimeout(stop, SILENT_MS);
    const { value, done } = await reader.read().finally(() => clearTimeout(silent));
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    blocks.map(parsed).forEach(heard);
  }
}

function parsed(block) {
  const event = { name: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    const [field, ...words] = line.split(": ");
    const value = words.join(": ");
    if (field === "event") event.name = value;
    if (field === "id") event.id = value;
    if (field === "data") event.data += value;
  }
  return event;
}
