import type { Client } from "./client";
import { isAbort } from "./client";
import { Failure } from "./failure";
import { StreamParser } from "./sse";
import type { LogEvent } from "./types";

export interface TailOptions {
  /** Events after this position. */
  after: number;
  /** Such as `message.*`. */
  types: readonly string[];
  onEvent: (event: LogEvent) => void;
  /** Whether events arrive as they happen, or the line is down and being tried again. */
  onConnected: (isConnected: boolean) => void;
}

const firstDelayMillis = 500;
const longestDelayMillis = 15_000;

/**
 * Follows the event log until `signal` aborts. Reconnects where it left off. The browser's own
 * EventSource cannot do this: it sends no `Account` header.
 */
export async function followLog(client: Client, options: TailOptions, signal: AbortSignal) {
  let position = String(options.after);
  let delayMillis = firstDelayMillis;
  while (!signal.aborted) {
    try {
      await readOnce();
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      if (error instanceof Failure && error.status === 401) return;
    }
    options.onConnected(false);
    // Jitter, so that a restarted server does not meet every page at once.
    await sleep(delayMillis * (0.5 + Math.random() / 2), signal);
    delayMillis = Math.min(delayMillis * 2, longestDelayMillis);
  }

  async function readOnce() {
    const query = new URLSearchParams({ after: position, types: options.types.join(",") });
    const response = await client.stream(`/api/events?${query}`, position, signal);
    options.onConnected(true);
    delayMillis = firstDelayMillis;
    const parser = new StreamParser();
    const decoder = new TextDecoder();
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (event.id !== null) position = event.id;
        options.onEvent(JSON.parse(event.data) as LogEvent);
      }
    }
  }
}

function sleep(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, millis);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
