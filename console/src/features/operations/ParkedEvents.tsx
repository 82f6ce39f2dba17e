import { useQuery, useWrite } from "../../api/hooks";
import type { DrainedProjection, List, ParkedEvent } from "../../api/types";
import { Async } from "../../ui/Async";
import { EmptyState, FailureNote } from "../../ui/states";
import { Time } from "../../ui/Time";
import { useToast } from "../../ui/Toast";

/** What a read model could not apply, and another try once it is mended. */
export function ParkedEvents({ name, onDrained }: { name: string; onDrained: () => void }) {
  const path = `/api/projections/${name}`;
  const parked = useQuery<List<ParkedEvent>>(`${path}/parked`);
  const write = useWrite();
  const { say } = useToast();
  const drain = async () => {
    const done = await write.run<DrainedProjection>("POST", `${path}/drain`);
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
            <div className="table-frame card">
              <table className="table compact">
                <thead>
                  <tr>
                    <th scope="col" className="right">Position</th>
                    <th scope="col">Event</th>
                    <th scope="col">Why</th>
                    <th scope="col" className="wide-only">Since</th>
                  </tr>
                </thead>
                <tbody>
                  {data.map((event) => (
                    <tr key={event.position}>
                      <td className="right number">{event.position.toLocaleString("en-US")}</td>
                      <td><code>{event.type}</code></td>
                      <td>{event.reason ?? <span className="muted">waits behind another one</span>}</td>
                      <td className="wide-only muted nowrap"><Time at={event.parked_at} /></td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Async>
    </section>
  );
}
