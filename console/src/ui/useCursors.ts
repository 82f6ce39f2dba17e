import type { List } from "../api/types";
import { useNavigator } from "../app/router";
import { field } from "../api/failure";

export interface Cursors {
  after: string | null;
  previous: (() => void) | null;
  next: (list: List<unknown>) => (() => void) | null;
  /** `51–100 of 312` */
  label: (list: List<unknown>, pageSize: number) => string;
}

/**
 * Pages by cursor. The API's cursors go forward only, so the history entry remembers the cursors
 * that led here; after a link from elsewhere, the way back is the first page.
 */
export function useCursors(query: URLSearchParams, path: (after: string | null) => string): Cursors {
  const { go } = useNavigator();
  const after = query.get("after");
  const trail = readTrail(after);
  const previous = () => {
    const before = trail.slice(0, -1);
    go(path(before[before.length - 1] ?? null), { state: { trail: before } });
  };
  return {
    after,
    previous: after === null ? null : previous,
    next: (list) => {
      const next = list.next;
      if (!list.has_more || next === null || next === undefined) return null;
      return () => {
        go(path(next), { state: { trail: [...trail, next] } });
        window.scrollTo(0, 0);
      };
    },
    label: (list, pageSize) => {
      const total = list.total?.toLocaleString("en-US");
      if (list.data.length === 0) return "";
      if (after !== null && trail.length === 0) return total === undefined ? "" : `of ${total}`;
      const first = trail.length * pageSize + 1;
      const range = `${first}–${first + list.data.length - 1}`;
      return total === undefined ? range : `${range} of ${total}`;
    },
  };
}

function readTrail(after: string | null): string[] {
  if (after === null) return [];
  const trail = field(history.state, "trail");
  if (!Array.isArray(trail)) return [];
  const cursors = trail.filter((cursor): cursor is string => typeof cursor === "string");
  return cursors[cursors.length - 1] === after ? cursors : [];
}
