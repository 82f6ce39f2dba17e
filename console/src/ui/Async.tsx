import type { ReactNode } from "react";
import type { Query } from "../api/hooks";
import { BehindNote, FailureNote, FailureState, SkeletonRows } from "./states";

interface AsyncProps<Body> {
  query: Query<Body>;
  skeleton?: ReactNode;
  children: (body: Body) => ReactNode;
}

/** A query's answer, or its skeleton, or its failure. An old answer stays while a new one loads. */
export function Async<Body>({ query, skeleton, children }: AsyncProps<Body>) {
  const { data, failure, reload } = query;
  if (data === null) {
    if (failure !== null) return <FailureState failure={failure} onRetry={() => reload()} />;
    return <>{skeleton ?? <SkeletonRows />}</>;
  }
  return (
    <div className="async" aria-busy={query.isLoading}>
      <BehindNote isBehind={query.isBehind} />
      {failure !== null && (
        <div className="async-failure">
          <FailureNote failure={failure} />
          <button type="button" className="button" onClick={() => reload()}>
            Retry
          </button>
        </div>
      )}
      {children(data)}
    </div>
  );
}
