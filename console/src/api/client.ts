import { Failure } from "./failure";

/** A success: the body and where in the log it stands. */
export interface Answer<Body> {
  body: Body;
  /** `Log-Position` of a write, `Read-Position` of a read; null where the server names none. */
  position: number | null;
  /** The read model had not caught up with this page's own writes: the body may be a little old. */
  isBehind: boolean;
}

export interface WriteOptions {
  /**
   * The same for every try of one intent, so that a retry cannot do it twice. null: what is asked for is no event of the
   * book, which alone could keep the key.
   */
  idempotencyKey: string | null;
  ifMatch?: string;
  signal?: AbortSignal;
}

export interface Surroundings {
  /** The client org that an agency acts on; null: the user's own. */
  account: string | null;
  csrfToken: () => string | null;
  onSignedOut: () => void;
}

export type Method = "POST" | "PATCH" | "DELETE" | "PUT";

/**
 * Talks to the API for one account. Reads wait for this page's own writes: the position of the last
 * write goes out as `Min-Position`.
 */
export class Client {
  private lastWrite = 0;

  constructor(private readonly surroundings: Surroundings) {}

  async get<Body>(
    path: string,
    options: { signal?: AbortSignal; minPosition?: number } = {},
  ): Promise<Answer<Body>> {
    const wanted = Math.max(this.lastWrite, options.minPosition ?? 0);
    try {
      return await this.read<Body>(path, wanted, options.signal);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== "read_model_behind") throw error;
      // Something old and marked as such is more use than nothing.
      return { ...(await this.read<Body>(path, 0, options.signal)), isBehind: true };
    }
  }

  async write<Body>(
    method: Method,
    path: string,
    body: unknown,
    options: WriteOptions,
  ): Promise<Answer<Body>> {
    const headers = this.headers();
    if (options.idempotencyKey !== null) headers.set("Idempotency-Key", options.idempotencyKey);
    const csrfToken = this.surroundings.csrfToken();
    if (csrfToken !== null) headers.set("X-CSRF-Token", csrfToken);
    if (options.ifMatch !== undefined) headers.set("If-Match", options.ifMatch);
    const answer = await this.request<Body>(path, {
      method,
      headers,
      body: encode(body, headers),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    this.lastWrite = Math.max(this.lastWrite, answer.position ?? 0);
    return answer;
  }

  /** A file as it comes, such as a statement. */
  async file(path: string, type: string): Promise<string> {
    const headers = this.headers();
    headers.set("Accept", type);
    if (this.lastWrite > 0) headers.set("Min-Position", String(this.lastWrite));
    const response = await reach(path, { headers, cache: "no-store" });
    if (!response.ok) throw await this.refusal(response);
    return response.text();
  }

  /** The open answer of an event stream; the caller reads its body. */
  async stream(path: string, lastEventID: string | null, signal: AbortSignal): Promise<Response> {
    const headers = this.headers();
    headers.set("Accept", "text/event-stream");
    if (lastEventID !== null) headers.set("Last-Event-ID", lastEventID);
    const response = await reach(path, { headers, signal, cache: "no-store" });
    if (response.ok) return response;
    throw await this.refusal(response);
  }

  private async read<Body>(path: string, minPosition: number, signal?: AbortSignal) {
    const headers = this.headers();
    if (minPosition > 0) headers.set("Min-Position", String(minPosition));
    return this.request<Body>(path, { headers, cache: "no-store", ...(signal ? { signal } : {}) });
  }

  private async request<Body>(path: string, init: RequestInit): Promise<Answer<Body>> {
    const response = await reach(path, init);
    if (!response.ok) throw await this.refusal(response);
    const body = response.status === 204 ? null : await json(response);
    return { body: body as Body, position: position(response), isBehind: false };
  }

  private async refusal(response: Response): Promise<Failure> {
    if (response.status === 401) this.surroundings.onSignedOut();
    const requestID = response.headers.get("Request-Id");
    try {
      return Failure.fromBody(response.status, await response.json(), requestID);
    } catch {
      return Failure.garbled(response.status, requestID);
    }
  }

  private headers(): Headers {
    const headers = new Headers({ Accept: "application/json" });
    if (this.surroundings.account !== null) headers.set("Account", this.surroundings.account);
    return headers;
  }
}

/** Whether `error` only says that the caller gave the request up. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw Failure.unreachable();
  }
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw Failure.garbled(response.status, response.headers.get("Request-Id"));
  }
}

function encode(body: unknown, headers: Headers): BodyInit | null {
  if (body === undefined || body === null) return null;
  if (body instanceof FormData) return body;
  headers.set("Content-Type", "application/json");
  return JSON.stringify(body);
}

function position(response: Response): number | null {
  const value = response.headers.get("Log-Position") ?? response.headers.get("Read-Position");
  const number = Number(value);
  return value === null || !Number.isSafeInteger(number) ? null : number;
}
