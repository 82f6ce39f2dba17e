import { useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Workflow } from "../../api/types";
import { Link, useNavigator, usePlace, withQuery } from "../../app/router";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useCursors } from "../../ui/useCursors";
import { PublishDialog } from "./PublishDialog";
import { WorkflowStatus } from "./WorkflowStatus";

const pageSize = 50;

/** What happens by itself. */
export function WorkflowsScreen() {
  const [isPublishing, setPublishing] = useState(false);
  const { go } = useNavigator();
  const { query } = usePlace();
  const cursors = useCursors(query, pageSize, (after) => withQuery("/workflows", { after }));
  const workflows = useQuery<List<Workflow>>(
    withQuery("/api/workflows", { after: cursors.after, limit: String(pageSize) }),
  );
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
      <PagedList
        query={workflows}
        cursors={cursors}
        empty={
          <EmptyState title="No workflows yet." icon="flow">
            <p className="muted">A workflow texts, waits and decides for one person at a time.</p>
            <button type="button" className="button" onClick={() => setPublishing(true)}>
              New workflow
            </button>
          </EmptyState>
        }
      >
        {(rows) => <WorkflowsTable workflows={rows} />}
      </PagedList>
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
  return (
    <Table
      rows={workflows}
      rowKey={({ id }) => id}
      columns={[
        {
          title: "Name",
          cell: ({ id, name }) => (
            <Link className="row-link" to={`/workflows/${id}`}>
              {name}
            </Link>
          ),
        },
        { title: "Status", cell: (workflow) => <WorkflowStatus workflow={workflow} /> },
        { title: "Version", isNumber: true, cell: ({ latest_version }) => latest_version },
        {
          title: "Changed",
          className: "muted nowrap",
          isWideOnly: true,
          cell: ({ updated_at }) => <Time at={updated_at} />,
        },
      ]}
    />
  );
}
