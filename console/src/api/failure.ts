/** One thing that the server would not take: a field, a place in a document, another object. */
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
  readonly details: readonly FieldProblem[];
  readonly requestID: string | null;
  readonly isRetryable: boolean;

  private constructor(kind: FailureKind, message: string, facts: Partial<Failure> = {}) {
    super(message);
    this.kind = kind;
    this.status = facts.status ?? 0;
    this.type = facts.type ?? kind;
    this.code = facts.code ?? kind;
    this.param = facts.param ?? null;
    this.details = facts.details ?? [];
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
      details: problems(field(error, "details")),
      requestID: text(field(error, "request_id")) ?? requestID,
      isRetryable: field(error, "retryable") === true,
    });
  }

  /** The problem of each field by its name; empty where the refusal is about something else. */
  get fields(): Map<string, string> {
    const problems = new Map<string, string>();
    if (this.type !== "invalid_request") return problems;
    if (this.param !== null) problems.set(this.param, this.message);
    for (const { param, message } of this.details) problems.set(param, message);
    return problems;
  }

  /** Whether the request certainly did nothing and never will, so that the next try is a new one. */
  get isFinal(): boolean {
    return this.kind === "refused" && this.status < 500 && !this.isRetryable;
  }
}

function problems(details: unknown): FieldProblem[] {
  if (!Array.isArray(details)) return [];
  return (details as unknown[]).map((detail) => ({
    param: text(field(detail, "param")) ?? "",
    code: text(field(detail, "code")) ?? "",
    message: text(field(detail, "message")) ?? "",
  }));
}

export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
