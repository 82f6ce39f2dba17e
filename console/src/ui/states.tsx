import type { ReactNode } from "react";
import type { Failure } from "../api/failure";
import type { IconName } from "./Icon";
import { Icon } from "./Icon";

/** Nothing to show, and what to do about it. */
export function EmptyState(props: { title: string; icon: IconName; children?: ReactNode }) {
  return (
    <div className="state">
      <span className="state-icon">
        <Icon name={props.icon} />
      </span>
      <p className="state-title">{props.title}</p>
      {props.children}
    </div>
  );
}

/** What went wrong in words, the request to name to support, and another try. */
export function FailureState({ failure, onRetry }: { failure: Failure; onRetry?: () => void }) {
  return (
    <div className="state" role="alert">
      <span className="state-icon state-icon-bad">
        <Icon name="alert" />
      </span>
      <p className="state-title">{failureTitle(failure)}</p>
      <p className="muted">{failure.message}</p>
      {failure.requestID !== null && (
        <p className="muted small">
          Request <code>{failure.requestID}</code>
        </p>
      )}
      {onRetry !== undefined && (
        <button type="button" className="button" onClick={onRetry}>
          Retry
        </button>
      )}
    </div>
  );
}

function failureTitle(failure: Failure): string {
  if (failure.kind === "unreachable") return "No connection";
  if (failure.type === "permission") return "You may not see this";
  if (failure.type === "not_found") return "Not found";
  return "This did not load";
}

/** A failure beside what the user was doing: nothing they typed is lost. */
export function FailureNote({ failure }: { failure: Failure | null }) {
  if (failure === null) return null;
  return (
    <div className="note note-bad" role="alert">
      <Icon name="alert" />
      <div>
        {failure.message}
        {failure.requestID !== null && failure.status >= 500 && (
          <span className="muted small">
            {" "}
            Request <code>{failure.requestID}</code>
          </span>
        )}
      </div>
    </div>
  );
}

/** Shown over content that is older than it should be. */
export function BehindNote({ isBehind }: { isBehind: boolean }) {
  if (!isBehind) return null;
  return (
    <div className="note note-amber" role="status">
      <Icon name="clock" />
      <div>The reports are catching up. What you see may be a little old.</div>
    </div>
  );
}

export function Skeleton({ width = "100%" }: { width?: string }) {
  return <span className="skeleton" style={{ width }} />;
}

/** Lines of about a list's shape. */
export function SkeletonRows({ count = 8 }: { count?: number }) {
  return (
    <div className="skeleton-rows" role="status" aria-label="Loading">
      {Array.from({ length: count }, (_, index) => (
        <div key={index} className="skeleton-row">
          <Skeleton width={`${18 + ((index * 7) % 12)}%`} />
          <Skeleton width={`${14 + ((index * 5) % 9)}%`} />
          <Skeleton width={`${22 + ((index * 3) % 8)}%`} />
        </div>
      ))}
    </div>
  );
}

export function LoadingPage() {
  return (
    <main className="alone">
      <div className="loading-mark" role="status" aria-label="Loading">
        <Icon name="brand" />
      </div>
    </main>
  );
}
