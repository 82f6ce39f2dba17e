import type { Run, Workflow } from "../../api/types";

export function WorkflowStatus({ workflow }: { workflow: Workflow }) {
  const isPaused = workflow.status === "paused";
  return (
    <span className={isPaused ? "badge badge-amber" : "badge badge-green"}>
      {isPaused ? "paused" : "active"}
    </span>
  );
}

const runColours: Record<string, string> = {
  running: "blue",
  waiting: "amber",
  completed: "green",
  failed: "red",
};

export function RunStatus({ run }: { run: Run }) {
  return <span className={`badge badge-${runColours[run.status] ?? "grey"}`}>{run.status}</span>;
}
