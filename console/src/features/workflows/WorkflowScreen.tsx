import { useState } from "react";
import type { Query } from "../../api/hooks";
import { useQuery, useWrite } from "../../api/hooks";
import type { Workflow } from "../../api/types";
import { Link } from "../../app/router";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { FailureNote, FailureState, Skeleton } from "../../ui/states";
import { PublishDialog } from "./PublishDialog";
import { RunsTable } from "./RunsTable";
import { WorkflowStatus } from "./WorkflowStatus";

const back = (
  <Link className="back" to="/workflows">
    <Icon name="left" />
    Workflows
  </Link>
);

/** A workflow's definition and the people in it. */
export function WorkflowScreen({ id }: { id: string }) {
  const path = `/api/workflows/${encodeURIComponent(id)}`;
  const workflow = useQuery<Workflow>(path);
  if (workflow.data !== null) {
    return <KnownWorkflow path={path} workflow={workflow.data} query={workflow} />;
  }
  return (
    <Page title="Workflow" before={back}>
      {workflow.failure === null ? (
        <Skeleton width="60%" />
      ) : (
        <FailureState failure={workflow.failure} onRetry={() => workflow.reload()} />
      )}
    </Page>
  );
}

interface KnownWorkflowProps {
  path: string;
  workflow: Workflow;
  query: Query<Workflow>;
}

function KnownWorkflow({ path, workflow, query }: KnownWorkflowProps) {
  const [isEditing, setEditing] = useState(false);
  const write = useWrite();
  const isPaused = workflow.status === "paused";
  const toggle = async () => {
    const action = isPaused ? "resume" : "pause";
    if ((await write.run("POST", `${path}/${action}`)) !== null) query.reload();
  };
  return (
    <Page
      title={workflow.name}
      before={back}
      note={
        <>
          <WorkflowStatus workflow={workflow} />{" "}
          <span className="small">version {workflow.latest_version}</span>
        </>
      }
      actions={
        <>
          <button
            type="button"
            className="button"
            disabled={write.isBusy}
            onClick={() => void toggle()}
          >
            {isPaused ? "Resume" : "Pause"}
          </button>
          <button type="button" className="button button-primary" onClick={() => setEditing(true)}>
            <Icon name="edit" />
            New version
          </button>
        </>
      }
    >
      <FailureNote failure={write.failure} />
      <div className="stack">
        <RunsTable path={path} />
        {workflow.source && (
          <section aria-labelledby="definition-title">
            <h2 id="definition-title" className="section-title">
              Definition
            </h2>
            <Source text={workflow.source} />
          </section>
        )}
      </div>
      {isEditing && (
        <PublishDialog
          title="New version"
          source={workflow.source ?? null}
          onClose={() => setEditing(false)}
          onPublished={() => {
            setEditing(false);
            query.reload();
          }}
        />
      )}
    </Page>
  );
}

function Source({ text }: { text: string }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <pre className="card source" tabIndex={0} aria-label="Definition">
      {lines.map((line, index) => (
        <code key={index} className="source-line">
          {line === "" ? " " : line}
          {"\n"}
        </code>
      ))}
    </pre>
  );
}
