import { useCallback, useEffect, useRef, useState } from "react";
import type { Query } from "./hooks";
import { useTail } from "./hooks";
import type { Line } from "./tail";
import type { LogEvent } from "./types";

/** Events of one commit arrive together: one read answers all of them. */
const gatherMillis = 60;

/** Reads once for events that come together, and never cancels a read that is on its way. */
export function useReloadSoon(
  query: Pick<Query<unknown>, "isLoading" | "reload">,
  delayMillis = gatherMillis,
): (position: number) => void {
  const position = useRef(0);
  const [isWanted, setWanted] = useState(false);
  const { isLoading, reload } = query;
  // Begins with the first event: events that never cease must not put it off for ever.
  useEffect(() => {
    if (!isWanted || isLoading) return;
    const timer = setTimeout(() => {
      setWanted(false);
      reload(position.current);
    }, delayMillis);
    return () => clearTimeout(timer);
  }, [isWanted, isLoading, reload, delayMillis]);
  return useCallback((at: number) => {
    position.current = Math.max(position.current, at);
    setWanted(true);
  }, []);
}

/** Keeps a query up to date with the log: every event of `types` has it read again. Says how the line is. */
export function useLive(
  query: Query<unknown>,
  types: readonly string[],
  delayMillis?: number,
): Line {
  const reloadSoon = useReloadSoon(query, delayMillis);
  return useTail(query.position, types, (event: LogEvent) => reloadSoon(event.position));
}
