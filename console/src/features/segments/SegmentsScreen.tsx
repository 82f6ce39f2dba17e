import { useRef, useState } from "react";
import { useQuery } from "../../api/hooks";
import type { List, Segment } from "../../api/types";
import { Link } from "../../app/router";
import { Async } from "../../ui/Async";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { useRowKeys } from "../../ui/useRowKeys";
import { describeFilter } from "./filter";
import { NewSegmentDialog } from "./NewSegmentDialog";

/** Groups of people that keep themselves up to date. */
export function SegmentsScreen() {
  const [isCreating, setCreating] = useState(false);
  const segments = useQuery<List<Segment>>("/api/segments?limit=200");
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
      <Async query={segments}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="No segments yet." icon="segment">
              <p className="muted">A segment holds everybody who matches, now and later.</p>
              <button type="button" className="button" onClick={() => setCreating(true)}>
                New segment
              </button>
            </EmptyState>
          ) : (
            <SegmentsTable segments={list.data} />
          )
        }
      </Async>
      {isCreating && <NewSegmentDialog onClose={() => setCreating(false)} />}
    </Page>
  );
}

function SegmentsTable({ segments }: { segments: Segment[] }) {
  const table = useRef<HTMLTableElement>(null);
  useRowKeys(table);
  return (
    <div className="table-frame card">
      <table ref={table} className="table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Who</th>
            <th scope="col" className="right">
              People
            </th>
          </tr>
        </thead>
        <tbody>
          {segments.map((segment) => (
            <tr key={segment.id}>
              <td className="nowrap">
                <Link className="row-link" to={`/segments/${segment.id}`}>
                  {segment.name}
                </Link>
              </td>
              <td className="muted">{describeFilter(segment.filter)}</td>
              <td className="right number">{segment.size?.toLocaleString("en-US") ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
