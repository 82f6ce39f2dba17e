import type { Projection, ProjectionRebuild } from "../../api/types";
import { Time } from "../../ui/Time";
import { isOpen } from "./rebuilds";
import { bytesWords, rateWords, secondsWords } from "./words";

interface ProjectionsTableProps {
  projections: Projection[];
  isBusy: boolean;
  onRebuild: (projection: Projection) => void;
  onCancel: (projection: Projection) => void;
  onParked: (projection: Projection) => void;
}

export function ProjectionsTable({ projections, ...actions }: ProjectionsTableProps) {
  return (
    <div className="table-frame card">
      <table className="table operations-table">
        <thead>
          <tr>
            <th scope="col">Read model</th>
            <th scope="col">State</th>
            <th scope="col" className="right">Position</th>
            <th scope="col" className="right">Behind</th>
            <th scope="col" className="right wide-only">Rate</th>
            <th scope="col" className="right wide-only">Size</th>
            <th scope="col" className="right">Parked</th>
            <th scope="col" className="wide-only">Last check</th>
            <th scope="col"><span className="visually-hidden">Actions</span></th>
          </tr>
        </thead>
        <tbody>
          {projections.map((projection) => (
            <ProjectionRows key={projection.name} projection={projection} {...actions} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

type RowProps = Omit<ProjectionsTableProps, "projections"> & { projection: Projection };

function ProjectionRows({ projection, isBusy, onRebuild, onCancel, onParked }: RowProps) {
  const { name, version, parked, rebuild } = projection;
  const isUnderway = isOpen(projection);
  return (
    <>
      <tr>
        <th scope="row">
          {name} <span className="muted small">v{version}</span>
        </th>
        <td><StateBadge projection={projection} /></td>
        <td className="right number">{projection.position.toLocaleString("en-US")}</td>
        <td className="right number nowrap">{lagWords(projection)}</td>
        <td className="right number nowrap wide-only">{rateWords(projection.rate)}</td>
        <td className="right number nowrap wide-only">{bytesWords(projection.bytes)}</td>
        <td className="right number">
          {parked === 0 ? "0" : (
            <button
              type="button"
              className="button button-quiet"
              aria-label={`Show what ${name} has parked`}
              onClick={() => onParked(projection)}
            >
              {parked.toLocaleString("en-US")}
            </button>
          )}
        </td>
        <td className="wide-only nowrap"><Check projection={projection} /></td>
        <td className="right">
          {isUnderway ? (
            <button
              type="button"
              className="button"
              aria-label={`Cancel the rebuild of ${name}`}
              disabled={isBusy || rebuild?.state === "cancelling"}
              onClick={() => onCancel(projection)}
            >
              Cancel
            </button>
          ) : (
            <button
              type="button"
              className="button"
              aria-label={`Rebuild ${name}`}
              disabled={isBusy}
              onClick={() => onRebuild(projection)}
            >
              Rebuild
            </button>
          )}
        </td>
      </tr>
      {rebuild !== null && (isUnderway || rebuild.state === "failed") && (
        <tr className="details-row">
          <td colSpan={9}><Rebuild name={name} rebuild={rebuild} /></td>
        </tr>
      )}
    </>
  );
}

function StateBadge({ projection: { state, failed_reason } }: { projection: Projection }) {
  const isHanging = state === "live" && failed_reason !== null;
  const [colour, words] = isHanging ? ["amber", "hangs"] : stateLook(state);
  return (
    <span className={`badge badge-${colour}`} title={failed_reason ?? undefined}>
      {words}
    </span>
  );
}

function stateLook(state: string): [string, string] {
  switch (state) {
    case "live":
      return ["green", "live"];
    case "stopped":
      return ["red", "stopped"];
    case "building":
      return ["blue", "first build"];
    case "rolled_back":
      return ["amber", "rolled back"];
    default:
      return ["grey", state];
  }
}

function Check({ projection: { checked_at, checked_equal } }: { projection: Projection }) {
  if (checked_at === null) return <span className="muted">not yet</span>;
  return (
    <span className={checked_equal === false ? "badge badge-red" : "muted"}>
      {checked_equal === false ? "differs " : "equal "}
      <Time at={checked_at} show="time" />
    </span>
  );
}

/** What a rebuild does at this moment, as a bar and in words. */
function Rebuild({ name, rebuild }: { name: string; rebuild: ProjectionRebuild }) {
  if (rebuild.state === "failed") {
    return <span className="muted">The last rebuild failed: {rebuild.reason}</span>;
  }
  const share = rebuild.head === 0 ? 0 : Math.min(1, rebuild.position / rebuild.head);
  return (
    <div className="rebuild">
      <div
        className="bar"
        role="progressbar"
        aria-label={`Rebuild of ${name}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
      >
        <span className="bar-part bar-green" style={{ flexGrow: share }} />
        <span className="bar-part bar-line" style={{ flexGrow: 1 - share }} />
      </div>
      <span className="muted small number">{rebuildWords(rebuild)}</span>
    </div>
  );
}

function rebuildWords({ state, phase, position, head, rate, remaining_seconds }: ProjectionRebuild) {
  if (state === "requested" || head === 0) return "Begins in a moment";
  if (state === "cancelling") return "Stopping; the rows stay as they are";
  const words = {
    folding: `${position.toLocaleString("en-US")} of ${head.toLocaleString("en-US")} events, ${rateWords(rate)}`,
    indexing: "Building indexes",
    catchingUp: "Catching up with what came since",
    swapping: "Taking the place of the old rows",
  }[phase ?? "folding"];
  return remaining_seconds === null ? words : `${words}, ${secondsWords(remaining_seconds)} left`;
}

function lagWords({ lag_events, lag_seconds }: Projection): string {
  if (lag_events === 0) return "0";
  return `${lag_events.toLocaleString("en-US")} (${secondsWords(lag_seconds)})`;
}
