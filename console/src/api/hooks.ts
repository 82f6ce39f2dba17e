import { createContext, useCallback, useContext, useEffect, useRef, useState } from "react";
import type { Client, Method } from "./client";
import { isAbort, newIdempotencyKey } from "./client";
import { Failure } from "./failure";
import { LogTail } from "./tail";
import type { Line } from "./tail";
import type { LogEvent } from "./types";

export const ClientContext = createContext<Client | null>(null);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === null) throw new Error("useClient outside of a ClientContext");
  return client;
}

/** The signed-in user's rights. */
export const RightsContext = createContext<readonly string[]>([]);

/** Whether the user has a right such as `wallet:read`: what they may not read is not asked for. */
export function useMay(right: string): boolean {
  const rights = useContext(RightsContext);
  const [resource, action] = right.split(":");
  const wider = action === "read" ? [] : [`${resource}:write`];
  return ["*", `${resource}:*`, ...wider, right].some((each) => rights.includes(each));
}

export interface Query<Body> {
  /** The newest answer, also while a newer one is on its way or after a failed reload. */
  data: Body | null;
  position: number | null;
  failure: Failure | null;
  isLoading: boolean;
  isBehind: boolean;
  /** Reads again, from a read model that has applied `minPosition`. */
  reload: (minPosition?: number) => void;
}

interface Loaded<Body> {
  /** What was last asked for. */
  path: string | null;
  data: Body | null;
  position: number | null;
  failure: Failure | null;
  isLoading: boolean;
  isBehind: boolean;
}

/** After an answer that was older than it should be, the next try. */
const catchUpMillis = 2_000;

const nothingYet = { path: null, data: null, position: null, failure: null, isLoading: true, isBehind: false };

/** Reads `path` now and whenever it changes; null reads nothing. A newer read cancels an older one. */
export function useQuery<Body>(path: string | null): Query<Body> {
  const client = useClient();
  const [loaded, setLoaded] = useState<Loaded<Body>>(nothingYet);
  const [request, setRequest] = useState({ round: 0, minPosition: 0 });
  const { minPosition } = request;

  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    setLoaded((before) => ({ ...before, path, isLoading: true }));
    client.get<Body>(path, { signal: abort.signal, minPosition }).then(
      (answer) =>
        setLoaded({
          path,
          data: answer.body,
          position: answer.position,
          failure: null,
          isLoading: false,
          isBehind: answer.isBehind,
        }),
      (error: unknown) => {
        if (isAbort(error)) return;
        const failure = asFailure(error);
        setLoaded((before) => ({ ...before, failure, isLoading: false }));
      },
    );
    return () => abort.abort();
  }, [client, path, request, minPosition]);

  const { isBehind } = loaded;
  useEffect(() => {
    if (!isBehind) return;
    const again = () => setRequest((before) => ({ ...before, round: before.round + 1 }));
    const timer = setTimeout(again, catchUpMillis);
    return () => clearTimeout(timer);
  }, [isBehind, request]);

  const reload = useCallback((position?: number) => {
    setRequest((before) => ({ round: before.round + 1, minPosition: position ?? 0 }));
  }, []);
  // Also in the very render that asks for something else, before the effect has run.
  const isLoading = loaded.isLoading || loaded.path !== path;
  return { ...loaded, isLoading, reload };
}

export interface Write {
  isBusy: boolean;
  failure: Failure | null;
  /** The body, or null where it failed: then `failure` says why. */
  run: <Body>(
    method: Method,
    path: string,
    body?: unknown,
    options?: { ifMatch?: string; idempotencyKey?: null },
  ) => Promise<Body | null>;
  clear: () => void;
}

/**
 * One thing that a user does. Trying it again sends the same idempotency key, as long as nothing
 * about it changed and the first try may have been carried out or still may be.
 */
export function useWrite(): Write {
  const client = useClient();
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const intent = useRef<{ fingerprint: string; key: string } | null>(null);

  const run = useCallback(
    async <Body>(
      method: Method,
      path: string,
      body?: unknown,
      options: { ifMatch?: string; idempotencyKey?: null } = {},
    ): Promise<Body | null> => {
      const fingerprint = [method, path, describe(body), options.ifMatch ?? ""].join("\n");
      if (intent.current?.fingerprint !== fingerprint) {
        intent.current = { fingerprint, key: newIdempotencyKey() };
      }
      setBusy(true);
      setFailure(null);
      try {
        const answer = await client.write<Body>(method, path, body, {
          idempotencyKey: intent.current.key,
          ...options,
        });
        intent.current = null;
        return answer.body ?? ({} as Body);
      } catch (error) {
        const failure = asFailure(error);
        if (failure.isFinal) intent.current = null;
        setFailure(failure);
        return null;
      } finally {
        setBusy(false);
      }
    },
    [client],
  );
  const clear = useCallback(() => setFailure(null), []);
  return { isBusy, failure, run, clear };
}

/** One line to the log for each account that the page works for. */
const tails = new WeakMap<Client, LogTail>();

/** Hears of the log's events after `after`; null waits. Says how the line is. */
export function useTail(
  after: number | null,
  types: readonly string[],
  onEvent: (event: LogEvent) => void,
): Line {
  const client = useClient();
  const mayFollow = useMay("events:read");
  const [line, setLine] = useState<Line>("up");
  const handler = useRef(onEvent);
  handler.current = onEvent;
  const start = useRef(after);
  start.current = after;
  const isReady = after !== null && mayFollow;
  const typeList = types.join(",");

  useEffect(() => {
    if (!isReady) return;
    const tail = tails.get(client) ?? new LogTail(client);
    tails.set(client, tail);
    return tail.follow({
      position: start.current ?? 0,
      types: typeList.split(","),
      onEvent: (event) => handler.current(event),
      onLine: setLine,
    });
  }, [client, isReady, typeList]);
  return mayFollow ? line : "refused";
}

export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  throw error;
}

function describe(body: unknown): string {
  if (!(body instanceof FormData)) return JSON.stringify(body ?? null);
  const parts: unknown[] = [];
  body.forEach((value, name) => {
    parts.push([
      name,
      value instanceof File ? [value.name, value.size, value.lastModified] : value,
    ]);
  });
  return JSON.stringify(parts);
}
