/** Listening to a caller's AbortSignal. */

/** What to call when a signal aborts; a signal is here only while somebody waits for it. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `callback` once when `signal` aborts, until the function that is returned is called. A signal that has aborted already
 * calls nothing: ask it first.
 *
 * However many wait, the signal gets one listener. One signal for thousands of files is the normal case, and Node warns about a
 * leak from the eleventh listener on. Raising that limit would change the caller's object, and hide the caller's own leaks.
 */
export function onAbort(
  signal: AbortSignal | undefined,
  callback: () => void,
): () => void {
  if (signal === undefined) return () => {};
  let callbacks = waiting.get(signal);
  if (callbacks === undefined) {
    callbacks = new Set();
    waiting.set(signal, callbacks);
    signal.addEventListener('abort', callAll, { once: true });
  }
  const entry = () => callback(); // the same callback may wait twice
  callbacks.add(entry);
  return () => {
    const left = waiting.get(signal);
    if (left?.delete(entry) !== true || left.size > 0) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', callAll);
  };
}

function callAll(event: Event): void {
  const signal = event.currentTarget as AbortSignal;
  const callbacks = waiting.get(signal);
  waiting.delete(signal);
  for (const callback of callbacks ?? []) callback();
}
