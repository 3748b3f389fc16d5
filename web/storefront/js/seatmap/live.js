// Keeps a model up to date: by the event stream, and by asking with the ETag while there is none.
// A page that nobody looks at listens to nothing. `sale.paused` is kept up to date as well.

import * as api from "../api.js";

const POLL_MS = 2500;
const REOPEN_MS = 15_000;
const TOLD_WITHIN_MS = 2000;
const JITTER = 0.5;

const jittered = (duration_ms) => duration_ms * (1 + Math.random() * JITTER);

/** `changed(seats | null)`: these changed, null for all. `status(live | polling | offline)`. */
export function follow(sale, model, { changed, status }, signal) {
  const { session_id } = sale;
  let stream = null;
  let timer = null;
  let reopening = null;
  let etag = null;

  const poll = async () => {
    clearTimeout(timer);
    if (signal.aborted || document.hidden || stream?.readyState === EventSource.OPEN) return;
    try {
      const state = await api.seats(session_id, etag, signal);
      if (state && model.takeSnapshot(state)) changed(null);
      etag = state?.etag ?? etag;
      if (sale.paused) sale.paused = (await api.session(session_id, signal)).paused;
      status("polling");
    } catch {
      if (!signal.aborted) status("offline");
    }
    timer = setTimeout(poll, jittered(POLL_MS));
  };

  const close = () => {
    clearTimeout(timer);
    clearTimeout(reopening);
    stream?.close();
    stream = null;
  };

  const open = () => {
    close();
    if (signal.aborted || document.hidden) return;
    stream = new EventSource(api.streamUrl(session_id));
    stream.addEventListener("open", () => { clearTimeout(timer); status("live"); });
    let told = false; // of a pause: before anything else, if there is one
    const running = () => { if (!told) sale.paused = false; };
    stream.addEventListener("open", () => { told = false; setTimeout(running, TOLD_WITHIN_MS); });
    stream.addEventListener("sale", ({ data }) => { told = true; sale.paused = JSON.parse(data).paused; });
    stream.addEventListener("snapshot", ({ data }) => { running(); if (model.takeSnapshot(JSON.parse(data))) changed(null); });
    stream.addEventListener("delta", ({ data }) => {
      const seats = model.takeDelta(JSON.parse(data));
      if (seats.length) changed(seats);
    });
    stream.addEventListener("error", () => {
      if (stream?.readyState === EventSource.CLOSED) reopening = setTimeout(open, jittered(REOPEN_MS));
      clearTimeout(timer);
      timer = setTimeout(poll, jittered(POLL_MS / 5));
    });
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()), { signal });
  signal.addEventListener("abort", close);
  open();
}
