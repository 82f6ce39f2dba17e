import { useState } from "react";
import type { List } from "../api/types";
import { useNavigator } from "../app/router";
import { field } from "../api/failure";

export interface Cursors {
  after: string | null;
  previous: (() => void) | null;
  next: (list: List<unknown>) => (() => void) | null;
  /** `51–100 of 312` */
  label: (list: List<unknown>) => string;
}

/**
 * Pages of `pageSize` by cursor, in the address. The history entry remembers the cursors that led here;
 * after a link from elsewhere, the way back is the first page.
 */
export function useCursors(
  query: URLSearchParams,
  pageSize: number,
  path: (after: string | null) => string,
): Cursors {
  const { go } = useNavigator();
  const after = query.get("after");
  const trail = readTrail(after);
  const show = (next: string[]) => go(path(next[next.length - 1] ?? null), { state: { trail: next } });
  return {
    after,
    previous: after === null ? null : () => show(trail.slice(0, -1)),
    next: (list) =>
      follow(list, (next) => {
        show([...trail, next]);
        window.scrollTo(0, 0);
      }),
    label: (list) =>
      rangeWords(list, after !== null && trail.length === 0 ? null : trail.length * pageSize),
  };
}

/** Pages of a list that is only a part of its screen: the address knows nothing of them. */
export function useInnerCursors(pageSize: number): Cursors & { restart: () => void } {
  const [trail, setTrail] = useState<string[]>([]);
  return {
    after: trail[trail.length - 1] ?? null,
    previous: trail.length === 0 ? null : () => setTrail(trail.slice(0, -1)),
    next: (list) => follow(list, (next) => setTrail([...trail, next])),
    label: (list) => rangeWords(list, trail.length * pageSize),
    restart: () => setTrail([]),
  };
}

function follow(list: List<unknown>, show: (next: string) => void): (() => void) | null {
  const { next, has_more } = list;
  return has_more && next !== null && next !== undefined ? () => show(next) : null;
}

/** `skipped` rows come before these; null where nobody knows how many. */
function rangeWords(list: List<unknown>, skipped: number | null): string {
  const total = list.total?.toLocaleString("en-US");
  if (list.data.length === 0) return "";
  if (skipped === null) return total === undefined ? "" : `of ${total}`;
  const range = `${skipped + 1}–${skipped + list.data.length}`;
  return total === undefined ? range : `${range} of ${total}`;
}

function readTrail(after: string | null): string[] {
  if (after === null) return [];
  const trail = field(history.state, "trail");
  if (!Array.isArray(trail)) return [];
  const cursors = trail.filter((cursor): cursor is string => typeof cursor === "string");
  return cursors[cursors.length - 1] === after ? cursors : [];
}
