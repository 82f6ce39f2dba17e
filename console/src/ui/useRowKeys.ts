import type { RefObject } from "react";
import { useKeys } from "./keys";

/** Moves the focus over a list's `.row-link`s by `j` and `k`; Enter is the link's own. */
export function useRowKeys(container: RefObject<HTMLElement>): void {
  const move = (step: number) => {
    const links = [...(container.current?.querySelectorAll<HTMLElement>(".row-link") ?? [])];
    const current = links.findIndex((link) => link === document.activeElement);
    const wanted = current < 0 ? 0 : Math.min(Math.max(current + step, 0), links.length - 1);
    links[wanted]?.focus();
    links[wanted]?.scrollIntoView({ block: "nearest" });
  };
  useKeys({ j: () => move(1), k: () => move(-1) });
}
