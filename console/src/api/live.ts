import { useCallback, useEffect, useState } from "react";
import type { Query } from "./hooks";
import { useTail } from "./hooks";
import type { LogEvent } from "./types";

/** Events of one commit arrive together: one read answers all of them. */
const gatherMillis = 60;

/** Reads once for events that come together, and never cancels a read that is on its way. */
export function useReloadSoon(
  query: Pick<Query<unknown>, "isLoading" | "reload">,
  delayMillis = gatherMillis,
): (position: number) => void {
  const [wanted, setWanted] = useState<number | null>(null);
  const { isLoading, reload } = query;
  useEffect(() => {
    if (wanted === null || isLoading) return;
    const timer = setTimeout(() => {
      setWanted(null);
      reload(wanted);
    }, delayMillis);
    return () => clearTimeout(timer);
  }, [wanted, isLoading, reload, delayMillis]);
  return useCallback((position: number) => setWanted((w) => Math.max(w ?? 0, position)), []);
}

/** Keeps a query up to date with the log: every event of `types` has it read again. Says whether the line is up. */
export function useLive(
  query: Query<unknown>,
  types: readonly string[],
  delayMillis?: number,
): boolean {
  const reloadSoon = useReloadSoon(query, delayMillis);
  return useTail(query.position, types, (event: LogEvent) => reloadSoon(event.position));
}
