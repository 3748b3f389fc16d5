// Whether this is the demo: only then is there a mailbox to look into. Asked once a tab.

const STORED = "runtime.demo";
let asked = null;

export function isDemo() {
  asked ??= ask();
  return asked;
}

async function ask() {
  const known = sessionStorage.getItem(STORED);
  if (known) return known === "yes";
  try {
    const { ok } = await fetch("/dev/mailbox", { credentials: "omit" });
    sessionStorage.setItem(STORED, ok ? "yes" : "no");
    return ok;
  } catch {
    return false;
  }
}

/** Shows `node` in the demo and hides it elsewhere. */
export function onlyInDemo(node) {
  node.hidden = true;
  isDemo().then((is) => { node.hidden = !is; });
  return node;
}
