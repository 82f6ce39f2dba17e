import { Fragment, useState } from "react";
import type { Actor, AuditEvent, User } from "../../api/types";
import { Link } from "../../app/router";
import { useActing } from "../../app/session";
import { Icon } from "../../ui/Icon";
import { Time } from "../../ui/Time";

/** One line an event; opening it shows everything that is on record about it. */
export function AuditTable({ events }: { events: AuditEvent[] }) {
  const [openID, setOpenID] = useState<string | null>(null);
  return (
    <div className="table-frame card">
      <table className="table compact audit-table">
        <thead>
          <tr>
            <th scope="col">
              <span className="visually-hidden">Details</span>
            </th>
            <th scope="col">Time</th>
            <th scope="col">What</th>
            <th scope="col">Who</th>
            <th scope="col" className="wide-only">
              About
            </th>
            <th scope="col" className="wide-only">
              Verdict
            </th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => {
            const isOpen = event.id === openID;
            return (
              <Fragment key={event.id}>
                <Row
                  event={event}
                  isOpen={isOpen}
                  onToggle={() => setOpenID(isOpen ? null : event.id)}
                />
                {isOpen && <Details event={event} />}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  event: AuditEvent;
  isOpen: boolean;
  onToggle: () => void;
}

function Row({ event, isOpen, onToggle }: RowProps) {
  const { session } = useActing();
  const outcome = event.verdict?.outcome;
  return (
    <tr>
      <td>
        <button
          type="button"
          className={isOpen ? "icon-button disclose is-open" : "icon-button disclose"}
          aria-label={`Details of ${event.type} at position ${event.position}`}
          aria-expanded={isOpen}
          onClick={onToggle}
        >
          <Icon name="right" />
        </button>
      </td>
      <td className="nowrap muted">
        <Time at={event.occurred_at} />
      </td>
      <td>
        {event.summary ?? event.type}
        <div className="muted small">
          <code>{event.type}</code>
        </div>
      </td>
      <td>
        {actorName(event.actor, session.user)}
        {event.on_behalf_of && <div className="muted small">for {event.on_behalf_of}</div>}
      </td>
      <td className="wide-only">
        <Subject event={event} />
      </td>
      <td className="wide-only">
        {outcome && (
          <span className={outcome === "allowed" ? "badge badge-green" : "badge badge-amber"}>
            {outcome === "allowed" ? outcome : event.verdict?.reason?.replace(/_/g, " ") ?? outcome}
          </span>
        )}
      </td>
    </tr>
  );
}

const screens: Record<string, string> = {
  con: "/contacts",
  seg: "/segments",
  cmp: "/campaigns",
  wf: "/workflows",
};

function Subject({ event }: { event: AuditEvent }) {
  const { subject } = event;
  if (!subject) return <span className="nothing">–</span>;
  const screen = screens[subject.id.split("_")[0] ?? ""];
  const words = subject.type.replace(/_/g, " ");
  if (screen === undefined) return <>{words}</>;
  return <Link to={`${screen}/${subject.id}`}>{words}</Link>;
}

function Details({ event }: { event: AuditEvent }) {
  return (
    <tr className="details-row">
      <td />
      <td colSpan={5}>
        <pre className="record" tabIndex={0} aria-label={`Record of ${event.id}`}>
          {JSON.stringify(event, null, 2)}
        </pre>
      </td>
    </tr>
  );
}

/** `user:usr_…` is somebody whose name only their own session knows. */
function actorName(actor: Actor | string | null | undefined, user: User): string {
  const text = typeof actor === "string" ? actor : actor?.id ?? actor?.type ?? "–";
  const id = text.split(" ")[0] ?? text;
  if (id.endsWith(user.id)) return user.name;
  return (typeof actor === "object" ? actor?.name : null) ?? id;
}
