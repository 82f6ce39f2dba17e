import type { ReactNode } from "react";
import type { Query } from "../api/hooks";
import type { List } from "../api/types";
import { Async } from "./Async";
import { Pager } from "./Pager";
import type { Cursors } from "./useCursors";

interface PagedListProps<Row> {
  query: Query<List<Row>>;
  cursors: Cursors;
  /** What to say, and to do, where there is no row. */
  empty: ReactNode;
  children: (rows: Row[]) => ReactNode;
}

/** One page of a list and the way to the others. */
export function PagedList<Row>({ query, cursors, empty, children }: PagedListProps<Row>) {
  return (
    <Async query={query}>
      {(list) =>
        list.data.length === 0 ? (
          empty
        ) : (
          <>
            {children(list.data)}
            <Pager
              isLoading={query.isLoading}
              label={cursors.label(list)}
              onPrevious={cursors.previous}
              onNext={cursors.next(list)}
            />
          </>
        )
      }
    </Async>
  );
}
