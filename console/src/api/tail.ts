import type { Client } from "./client";
import { isAbort } from "./client";
import { Failure } from "./failure";
import { StreamParser } from "./sse";
import type { LogEvent } from "./types";

/** Events arrive as they happen, or the line is being tried again, or the user may not have them. */
export type Line = "up" | "down" | "refused";

export interface Follower {
  /** Hears of events after this position; moves on with each. */
  position: number;
  /** Such as `message.*` or `contact.updated`. */
  types: readonly string[];
  onEvent: (event: LogEvent) => void;
  onLine: (line: Line) => void;
}

/** Every type that some screen follows. */
const followedTypes =
  "contact.*,message.*,wallet.*,campaign.*,workflow.*,org.*,webhook_endpoint.*,webhook.*";
const firstDelayMillis = 500;
const longestDelayMillis = 15_000;
/** The server says something at least every 15 seconds; a line that is silent for longer is dead. */
const silenceMillis = 40_000;

/**
 * The event log as it grows, over one connection for everything on the page: a browser has only six
 * to a server. While the page is out of view the line is let go, and taken up again where it was.
 * Reads the stream itself, since the browser's own EventSource sends no `Account` header.
 */
export class LogTail {
  private readonly followers = new Set<Follower>();
  private position = 0;
  private state: Line = "up";
  private line: AbortController | null = null;

  constructor(private readonly client: Client) {}

  /** Ends with a call of what it returns. */
  follow(follower: Follower): () => void {
    if (this.followers.size === 0) {
      this.position = follower.position;
      document.addEventListener("visibilitychange", this.update);
    }
    this.followers.add(follower);
    follower.onLine(this.state);
    // The line is ahead of what this one has seen: it starts anew from there. The others take no
    // notice of what they have had.
    if (follower.position < this.position) {
      this.position = follower.position;
      this.hangUp();
    }
    this.update();
    return () => {
      this.followers.delete(follower);
      this.update();
      if (this.followers.size === 0) {
        document.removeEventListener("visibilitychange", this.update);
      }
    };
  }

  private readonly update = () => {
    const isWanted = this.followers.size > 0 && !document.hidden && this.state !== "refused";
    if (!isWanted) this.hangUp();
    else if (this.line === null) {
      this.line = new AbortController();
      void this.keepReading(this.line.signal);
    }
  };

  private hangUp() {
    this.line?.abort();
    this.line = null;
  }

  private async keepReading(signal: AbortSignal) {
    let delayMillis = firstDelayMillis;
    while (!signal.aborted) {
      try {
        await this.read(signal, () => {
          delayMillis = firstDelayMillis;
        });
      } catch (error) {
        if (signal.aborted) return;
        if (!isLineFault(error)) throw error;
        if (error instanceof Failure && error.status === 401) return;
        // The right was taken away: asked for again when the page is.
        if (error instanceof Failure && error.status === 403) return this.tell("refused");
      }
      // Hung up on purpose, another line may be up already.
      if (signal.aborted) return;
      this.tell("down");
      // Jitter, so that a restarted server does not meet every page at once.
      await sleep(delayMillis * (0.5 + Math.random() / 2), signal);
      delayMillis = Math.min(delayMillis * 2, longestDelayMillis);
    }
  }

  private async read(signal: AbortSignal, onOpen: () => void) {
    const from = String(this.position);
    const query = new URLSearchParams({ after: from, types: followedTypes });
    const response = await this.client.stream(`/api/events?${query}`, from, signal);
    onOpen();
    this.tell("up");
    const parser = new StreamParser();
    const decoder = new TextDecoder();
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    try {
      for (;;) {
        const { done, value } = await orSilence(reader.read());
        if (done || signal.aborted) return;
        for (const { data } of parser.push(decoder.decode(value, { stream: true }))) {
          this.spread(JSON.parse(data) as LogEvent);
        }
      }
    } catch (error) {
      // Lets the silent connection go; a broken one has nothing left to cancel.
      if (!signal.aborted) await reader.cancel();
      throw error;
    }
  }

  private spread(event: LogEvent) {
    this.position = Math.max(this.position, event.position);
    for (const follower of [...this.followers]) {
      if (event.position <= follower.position) continue;
      follower.position = event.position;
      if (follower.types.some((type) => matches(type, event.type))) follower.onEvent(event);
    }
  }

  private tell(line: Line) {
    this.state = line;
    for (const follower of this.followers) follower.onLine(line);
  }
}

function matches(pattern: string, type: string): boolean {
  return pattern === type || (pattern.endsWith(".*") && type.startsWith(pattern.slice(0, -1)));
}

/** A refusal, a line that broke (`TypeError`, says the Streams standard) or a cut-off event. */
function isLineFault(error: unknown): boolean {
  return (
    error instanceof Failure ||
    error instanceof TypeError ||
    error instanceof SyntaxError ||
    isAbort(error)
  );
}

/** What `promise` gives, or a fault of the line when nothing came for too long. */
async function orSilence<Value>(promise: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Failure.unreachable()), silenceMillis);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
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
