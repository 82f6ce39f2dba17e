import { useLayoutEffect, useRef } from "react";

/** Keys such as `/`, `j`, or two in a row: `g c`. */
export type KeyMap = Record<string, (event: KeyboardEvent) => void>;

const secondKeyMillis = 1_200;

/** Answers keys while nobody is typing and no dialog is open. */
export function useKeys(keys: KeyMap): void {
  const current = useRef(keys);
  current.current = keys;
  // With the first paint: what can be seen can be used.
  useLayoutEffect(() => {
    let first: { key: string; atMillis: number } | null = null;
    const handle = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isElsewhere(event)) return;
      const isSecond = first !== null && event.timeStamp - first.atMillis < secondKeyMillis;
      const name = isSecond && first !== null ? `${first.key} ${event.key}` : event.key;
      first = null;
      const action = current.current[name];
      if (action !== undefined) {
        event.preventDefault();
        action(event);
      } else if (Object.keys(current.current).some((key) => key.startsWith(`${event.key} `))) {
        first = { key: event.key, atMillis: event.timeStamp };
      }
    };
    document.addEventListener("keydown", handle);
    return () => document.removeEventListener("keydown", handle);
  }, []);
}

function isElsewhere(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  if (document.querySelector("dialog[open]") !== null) return true;
  const target = event.target;
  return target instanceof HTMLElement && target.closest("input, textarea, select") !== null;
}
