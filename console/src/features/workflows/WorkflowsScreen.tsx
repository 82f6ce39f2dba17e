import { useRef, useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Workflow } from "../../api/types";
import { Link, useNavigator } from "../../app/router";
import { Async } from "../../ui/Async";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { Time } from "../../ui/Time";
import { useRowKeys } from "../../ui/useRowKeys";
import { PublishDialog } from "./PublishDialog";
import { WorkflowStatus } from "./WorkflowStatus";

/** What happens by itself. */
export function WorkflowsScreen() {
  const [isPublishing, setPublishing] = useState(false);
  const { go } = useNavigator();
  const workflows = useQuery<List<Workflow>>("/api/workflows?limit=200");
  useLive(workflows, ["workflow.*"]);
  useKeys({ n: () => setPublishing(true) });
  return (
    <Page
      title="Workflows"
      actions={
        <button type="button" className="button button-primary" onClick={() => setPublishing(true)}>
          <Icon name="plus" />
          New workflow
        </button>
      }
    >
      <Async query={workflows}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="No workflows yet." icon="flow">
              <p className="muted">A workflow texts, waits and decides for one person at a time.</p>
              <button type="button" className="button" onClick={() => setPublishing(true)}>
                New workflow
              </button>
            </EmptyState>
          ) : (
            <WorkflowsTable workflows={list.data} />
          )
        }
      </Async>
      {isPublishing && (
        <PublishDialog
          title="New workflow"
          source={null}
          onClose={() => setPublishing(false)}
          onPublished={(workflow) => go(`/workflows/${workflow.id}`)}
        />
      )}
    </Page>
  );
}

function WorkflowsTable({ workflows }: { workflows: Workflow[] }) {
  const table = useRef<HTMLTableElement>(null);
  useRowKeys(table);
  return (
    <div className="table-frame card">
      <table ref={table} className="table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Status</th>
            <th scope="col" className="right">
              Version
            </th>
            <th scope="col" className="wide-only">
              Changed
            </th>
          </tr>
        </thead>
        <tbody>
          {workflows.map((workflow) => (
            <tr key={workflow.id}>
              <td>
                <Link className="row-link" to={`/workflows/${workflow.id}`}>
                  {workflow.name}
                </Link>
              </td>
              <td>
                <WorkflowStatus workflow={workflow} />
              </td>
              <td className="right number">{workflow.latest_version}</td>
              <td className="muted nowrap wide-only">
                <Time at={workflow.updated_at} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
