import { useQuery, useWrite } from "../../api/hooks";
import type { DrainedProjection, List, ParkedEvent } from "../../api/types";
import { Async } from "../../ui/Async";
import { EmptyState, FailureNote } from "../../ui/states";
import { Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useToast } from "../../ui/Toast";

/** What a read model could not apply, and another try once it is mended. */
export function ParkedEvents({ name, onDrained }: { name: string; onDrained: () => void }) {
  const path = `/api/projections/${name}`;
  const parked = useQuery<List<ParkedEvent>>(`${path}/parked`);
  const write = useWrite();
  const { say } = useToast();
  const drain = async () => {
    const done = await write.run<DrainedProjection>("POST", `${path}/drain`, undefined, {
      // Read models are no part of the book, which alone could keep the key.
      idempotencyKey: null,
    });
    if (done === null) return;
    say(`${done.applied} applied, ${done.remaining} still parked`, done.remaining === 0 ? "good" : "bad");
    parked.reload();
    onDrained();
  };
  return (
    <section aria-label={`Parked in ${name}`}>
      <div className="section-head">
        <h2>Parked in {name}</h2>
        <button type="button" className="button" disabled={write.isBusy} onClick={() => void drain()}>
          {write.isBusy ? "Applying…" : "Try again"}
        </button>
      </div>
      <FailureNote failure={write.failure} />
      <Async query={parked}>
        {({ data }) =>
          data.length === 0 ? (
            <EmptyState title="Nothing of your accounts is parked." icon="check" />
          ) : (
            <Table
              className="compact"
              rows={data}
              rowKey={({ position }) => position}
              columns={[
                {
                  title: "Position",
                  isNumber: true,
                  cell: ({ position }) => position.toLocaleString("en-US"),
                },
                { title: "Event", cell: ({ type }) => <code>{type}</code> },
                {
                  title: "Why",
                  cell: ({ reason }) =>
                    reason ?? <span className="muted">waits behind another one</span>,
                },
                {
                  title: "Since",
                  className: "muted nowrap",
                  isWideOnly: true,
                  cell: ({ parked_at }) => <Time at={parked_at} />,
                },
              ]}
            />
          )
        }
      </Async>
    </section>
  );
}
