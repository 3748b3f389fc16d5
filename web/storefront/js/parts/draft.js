// What somebody is about to order, kept over a reload and over logging in.

const STORED = "stampede.draft.";

export function readDraft(session_id) {
  try {
    return JSON.parse(sessionStorage.getItem(STORED + session_id)) ?? {};
  } catch {
    return {};
  }
}

export function keepDraft(session_id, draft) {
  sessionStorage.setItem(STORED + session_id, JSON.stringify(draft));
}

export function dropDraft(session_id) {
  sessionStorage.removeItem(STORED + session_id);
}
