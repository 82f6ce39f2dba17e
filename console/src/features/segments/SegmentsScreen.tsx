import { useState } from "react";
import { useQuery } from "../../api/hooks";
import type { List, Segment } from "../../api/types";
import { Link, usePlace, withQuery } from "../../app/router";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { Table } from "../../ui/Table";
import { useCursors } from "../../ui/useCursors";
import { describeFilter } from "./filter";
import { NewSegmentDialog } from "./NewSegmentDialog";

const pageSize = 50;

/** Groups of people that keep themselves up to date. */
export function SegmentsScreen() {
  const [isCreating, setCreating] = useState(false);
  const { query } = usePlace();
  const cursors = useCursors(query, pageSize, (after) => withQuery("/segments", { after }));
  const segments = useQuery<List<Segment>>(
    withQuery("/api/segments", { after: cursors.after, limit: String(pageSize) }),
  );
  useKeys({ n: () => setCreating(true) });
  return (
    <Page
      title="Segments"
      actions={
        <button type="button" className="button button-primary" onClick={() => setCreating(true)}>
          <Icon name="plus" />
          New segment
        </button>
      }
    >
      <PagedList
        query={segments}
        cursors={cursors}
        empty={
          <EmptyState title="No segments yet." icon="segment">
            <p className="muted">A segment holds everybody who matches, now and later.</p>
            <button type="button" className="button" onClick={() => setCreating(true)}>
              New segment
            </button>
          </EmptyState>
        }
      >
        {(rows) => <SegmentsTable segments={rows} />}
      </PagedList>
      {isCreating && <NewSegmentDialog onClose={() => setCreating(false)} />}
    </Page>
  );
}

function SegmentsTable({ segments }: { segments: Segment[] }) {
  return (
    <Table
      rows={segments}
      rowKey={({ id }) => id}
      columns={[
        {
          title: "Name",
          className: "nowrap",
          cell: ({ id, name }) => (
            <Link className="row-link" to={`/segments/${id}`}>
              {name}
            </Link>
          ),
        },
        { title: "Who", className: "muted", cell: ({ filter }) => describeFilter(filter) },
        {
          title: "People",
          isNumber: true,
          cell: ({ size, recomputing }) =>
            recomputing === true ? "being recomputed" : (size?.toLocaleString("en-US") ?? "–"),
        },
      ]}
    />
  );
}
