import { useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Run } from "../../api/types";
import { Link, withQuery } from "../../app/router";
import { Async } from "../../ui/Async";
import { ContactName } from "../../ui/ContactName";
import { Pager } from "../../ui/Pager";
import { EmptyState } from "../../ui/states";
import { Time } from "../../ui/Time";
import { RunStatus } from "./WorkflowStatus";

const pageSize = 25;
const calmMillis = 500;

/** The people in a workflow and where each one stands. */
export function RunsTable({ path }: { path: string }) {
  const [trail, setTrail] = useState<string[]>([]);
  const after = trail[trail.length - 1] ?? null;
  const runs = useQuery<List<Run>>(withQuery(`${path}/runs`, { after, limit: String(pageSize) }));
  useLive(runs, ["workflow.*"], calmMillis);
  return (
    <section aria-labelledby="runs-title">
      <h2 id="runs-title" className="section-title">
        Runs
      </h2>
      <Async query={runs}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="Nobody has entered this workflow yet." icon="people" />
          ) : (
            <>
              <div className="table-frame card">
                <table className="table compact">
                  <thead>
                    <tr>
                      <th scope="col">Person</th>
                      <th scope="col">State</th>
                      <th scope="col" className="wide-only">
                        Step
                      </th>
                      <th scope="col">Waits until</th>
                      <th scope="col" className="wide-only">
                        Started
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {list.data.map((run) => (
                      <Row key={run.id} run={run} />
                    ))}
                  </tbody>
                </table>
              </div>
              <Pager
                isLoading={runs.isLoading}
                label=""
                onPrevious={trail.length === 0 ? null : () => setTrail(trail.slice(0, -1))}
                onNext={list.has_more && list.next ? () => setTrail([...trail, list.next ?? ""]) : null}
              />
            </>
          )
        }
      </Async>
    </section>
  );
}

function Row({ run }: { run: Run }) {
  return (
    <tr>
      <td>
        <Link className="row-link" to={`/contacts/${run.contact}`}>
          <ContactName id={run.contact} />
        </Link>
      </td>
      <td>
        <RunStatus run={run} />
      </td>
      <td className="muted wide-only">{run.step ?? "–"}</td>
      <td className="muted nowrap">{run.waiting_until ? <Time at={run.waiting_until} /> : "–"}</td>
      <td className="muted nowrap wide-only">
        <Time at={run.created_at} />
      </td>
    </tr>
  );
}
