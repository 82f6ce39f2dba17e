import { useEffect, useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { List, Projection } from "../../api/types";
import { Async } from "../../ui/Async";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Page } from "../../ui/Page";
import { ParkedEvents } from "./ParkedEvents";
import { ProjectionsTable } from "./ProjectionsTable";
import { isOpen } from "./rebuilds";

const root = "/api/projections";
/** While something moves that is to be seen moving, and otherwise. */
const busyMillis = 700;
const idleMillis = 5_000;

/** Read models are no part of the book: an order to them has nothing that would keep its key. */
const unkeyed = { idempotencyKey: null } as const;

/** The read models: where each one is, and what an administrator can do about it. */
export function OperationsScreen() {
  const projections = useQuery<List<Projection>>(root);
  const [rebuilding, setRebuilding] = useState<Projection | null>(null);
  const [shown, setShown] = useState<string | null>(null);
  const write = useWrite();
  useLookingAgain(projections);
  const act = async (method: "POST" | "DELETE", name: string) => {
    if ((await write.run(method, `${root}/${name}/rebuild`, undefined, unkeyed)) === null) return;
    setRebuilding(null);
    projections.reload();
  };
  return (
    <Page title="Operations">
      <p className="lead muted">
        Every list and figure is a read model, folded from the log. It can be folded anew at any time;
        readers notice nothing.
      </p>
      <div className="stack">
        <Async query={projections}>
          {({ data }) => (
            <ProjectionsTable
              projections={data}
              isBusy={write.isBusy}
              onRebuild={setRebuilding}
              onCancel={({ name }) => void act("DELETE", name)}
              onParked={({ name }) => setShown(shown === name ? null : name)}
            />
          )}
        </Async>
        {shown !== null && (
          <ParkedEvents key={shown} name={shown} onDrained={() => projections.reload()} />
        )}
      </div>
      {rebuilding !== null && (
        <ConfirmDialog
          title={`Rebuild ${rebuilding.name}?`}
          action="Rebuild"
          write={write}
          onClose={() => setRebuilding(null)}
          onConfirm={() => act("POST", rebuilding.name)}
        >
          The whole log is folded anew beside the rows that serve now, and takes their place at the end.
          It can be cancelled until then.
        </ConfirmDialog>
      )}
    </Page>
  );
}

/** Reads again by itself, more often while a rebuild is under way or something lags. */
function useLookingAgain({ data, isLoading, reload }: ReturnType<typeof useQuery<List<Projection>>>) {
  const isMoving = data?.data.some((each) => isOpen(each) || each.lag_events > 0) ?? false;
  useEffect(() => {
    if (isLoading) return;
    const timer = setTimeout(() => reload(), isMoving ? busyMillis : idleMillis);
    return () => clearTimeout(timer);
  }, [isLoading, isMoving, reload]);
}
