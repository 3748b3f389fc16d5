// Reads QR codes with the camera where the browser can: BarcodeDetector, and a page on a safe origin.

import { h, wait } from "../dom.js";

const LOOK_EVERY_MS = 150;
const SAME_AGAIN_MS = 4_000; // a code held before the camera is one scan, not twenty

export function canSee() {
  return "BarcodeDetector" in window && Boolean(navigator.mediaDevices?.getUserMedia);
}

/** A picture that calls `found(code)` until the signal aborts. Rejects when the camera is refused. */
export async function watchWithCamera(found, signal) {
  const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const video = h("video", { class: "door-camera", autoplay: true, playsinline: true });
  video.muted = true;
  video.srcObject = stream;
  const end = () => stream.getTracks().forEach((track) => track.stop());
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  look(detector, video, found, signal);
  return video;
}

async function look(detector, video, found, signal) {
  let last = { code: "", at: 0 };
  while (!signal.aborted) {
    const codes = video.readyState >= 2 ? await detector.detect(video).catch(() => []) : [];
    const code = codes[0]?.rawValue ?? "";
    const now = performance.now();
    if (code && (code !== last.code || now - last.at > SAME_AGAIN_MS)) await found(code);
    if (code) last = { code, at: performance.now() };
    await wait(LOOK_EVERY_MS, signal).catch(() => null);
  }
}
