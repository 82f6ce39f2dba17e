import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Run } from "../../api/types";
import { Link, withQuery } from "../../app/router";
import { ContactName } from "../../ui/ContactName";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useInnerCursors } from "../../ui/useCursors";
import { RunStatus } from "./WorkflowStatus";

const pageSize = 25;
const calmMillis = 500;

/** The people in a workflow and where each one stands. */
export function RunsTable({ path }: { path: string }) {
  const cursors = useInnerCursors(pageSize);
  const runs = useQuery<List<Run>>(
    withQuery(`${path}/runs`, { after: cursors.after, limit: String(pageSize) }),
  );
  useLive(runs, ["workflow.*"], calmMillis);
  return (
    <section aria-labelledby="runs-title">
      <h2 id="runs-title" className="section-title">
        Runs
      </h2>
      <PagedList
        query={runs}
        cursors={cursors}
        empty={<EmptyState title="Nobody has entered this workflow yet." icon="people" />}
      >
        {(rows) => <Runs runs={rows} />}
      </PagedList>
    </section>
  );
}

function Runs({ runs }: { runs: Run[] }) {
  return (
    <Table
      className="compact"
      rows={runs}
      rowKey={({ id }) => id}
      columns={[
        {
          title: "Person",
          cell: ({ contact }) => (
            <Link className="row-link" to={`/contacts/${contact}`}>
              <ContactName id={contact} />
            </Link>
          ),
        },
        { title: "State", cell: (run) => <RunStatus run={run} /> },
        { title: "Step", className: "muted", isWideOnly: true, cell: ({ step }) => step ?? "–" },
        {
          title: "Waits until",
          className: "muted nowrap",
          cell: ({ waiting_until }) => (waiting_until ? <Time at={waiting_until} /> : "–"),
        },
        {
          title: "Started",
          className: "muted nowrap",
          isWideOnly: true,
          cell: ({ created_at }) => <Time at={created_at} />,
        },
      ]}
    />
  );
}
