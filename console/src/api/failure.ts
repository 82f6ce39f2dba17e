/** One field that the server would not take. */
export interface FieldProblem {
  param: string;
  code: string;
  message: string;
}

/**
 * Why a request did not give an answer. Closed: the server refused it, the server could not be
 * reached, or it answered something that is not ours.
 */
export type FailureKind = "refused" | "unreachable" | "garbled";

export class Failure extends Error {
  readonly kind: FailureKind;
  readonly status: number;
  /** The API's error type and code, such as `conflict` and `duplicate_contact`. */
  readonly type: string;
  readonly code: string;
  readonly param: string | null;
  /** Field problems, or whatever else the code's documentation promises. */
  readonly details: unknown;
  readonly requestID: string | null;
  readonly isRetryable: boolean;

  private constructor(kind: FailureKind, message: string, facts: Partial<Failure> = {}) {
    super(message);
    this.kind = kind;
    this.status = facts.status ?? 0;
    this.type = facts.type ?? kind;
    this.code = facts.code ?? kind;
    this.param = facts.param ?? null;
    this.details = facts.details ?? null;
    this.requestID = facts.requestID ?? null;
    this.isRetryable = facts.isRetryable ?? true;
  }

  static unreachable(): Failure {
    return new Failure("unreachable", "Daybook cannot be reached. Check the connection.");
  }

  static garbled(status: number, requestID: string | null): Failure {
    return new Failure("garbled", `The server answered ${status} in a form this page does not know.`, {
      status,
      requestID,
    });
  }

  /** Reads the API's error object; anything else is garbled. */
  static fromBody(status: number, body: unknown, requestID: string | null): Failure {
    const error = field(body, "error");
    const message = text(field(error, "message"));
    const code = text(field(error, "code"));
    if (message === null || code === null) return Failure.garbled(status, requestID);
    return new Failure("refused", message, {
      status,
      type: text(field(error, "type")) ?? "internal",
      code,
      param: text(field(error, "param")),
      details: field(error, "details"),
      requestID: text(field(error, "request_id")) ?? requestID,
      isRetryable: field(error, "retryable") === true,
    });
  }

  /** The problem of each field by its name; empty where the refusal is about something else. */
  get fields(): Map<string, string> {
    const problems = new Map<string, string>();
    if (this.param !== null) problems.set(this.param, this.message);
    if (!Array.isArray(this.details)) return problems;
    for (const detail of this.details as unknown[]) {
      const param = text(field(detail, "param"));
      const message = text(field(detail, "message"));
      if (param !== null && message !== null) problems.set(param, message);
    }
    return problems;
  }

  /** A value of `details`, whether the server sent an object or a list of objects. */
  detail(name: string): unknown {
    const candidates: unknown[] = Array.isArray(this.details) ? this.details : [this.details];
    for (const candidate of candidates) {
      const value = field(candidate, name);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
