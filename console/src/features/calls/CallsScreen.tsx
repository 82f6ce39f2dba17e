import { useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Message } from "../../api/types";
import { Link, usePlace, withQuery } from "../../app/router";
import { Async } from "../../ui/Async";
import { ContactName } from "../../ui/ContactName";
import { formatMoney } from "../../ui/money";
import { Page } from "../../ui/Page";
import { Pager } from "../../ui/Pager";
import { formatPhone } from "../../ui/phone";
import { EmptyState } from "../../ui/states";
import { Time } from "../../ui/Time";
import { useCursors } from "../../ui/useCursors";
import { MessageStatus } from "../contact/MessageStatus";

const pageSize = 50;
const calmMillis = 500;

const outcomes: Record<string, string> = {
  answered: "Answered",
  voicemail: "Left on a machine",
  no_answer: "Nobody answered",
  busy: "Busy",
  failed: "Failed",
  cancelled: "Given up",
};

/** Every call, ours and theirs, with how it ended. */
export function CallsScreen() {
  const { query } = usePlace();
  const [direction, setDirection] = useState("");
  const cursors = useCursors(query, (after) => withQuery("/calls", { after }));
  const calls = useQuery<List<Message>>(
    withQuery("/api/messages", {
      channel: "voice",
      direction: direction === "" ? null : direction,
      after: cursors.after,
      limit: String(pageSize),
    }),
  );
  useLive(calls, ["message.*"], calmMillis);
  return (
    <Page
      title="Calls"
      actions={
        <select
          aria-label="Show calls"
          value={direction}
          onChange={(event) => setDirection(event.target.value)}
        >
          <option value="">All calls</option>
          <option value="outbound">Our calls</option>
          <option value="inbound">Calls to us</option>
        </select>
      }
    >
      <Async query={calls}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="No calls yet." icon="phone">
              <Link className="button" to="/contacts">
                Call somebody from their page
              </Link>
            </EmptyState>
          ) : (
            <>
              <CallsTable calls={list.data} />
              <Pager
                isLoading={calls.isLoading}
                label={cursors.label(list, pageSize)}
                onPrevious={cursors.previous}
                onNext={cursors.next(list)}
              />
            </>
          )
        }
      </Async>
    </Page>
  );
}

function CallsTable({ calls }: { calls: Message[] }) {
  return (
    <div className="table-frame card">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Person</th>
            <th scope="col">Call</th>
            <th scope="col" className="wide-only">
              Length
            </th>
            <th scope="col" className="wide-only">
              Price
            </th>
            <th scope="col">Time</th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => (
            <tr key={call.id}>
              <td>
                <Link className="row-link" to={`/contacts/${call.contact}`}>
                  <ContactName id={call.contact} />
                </Link>
                <div className="muted small number">
                  {formatPhone((call.direction === "inbound" ? call.from : call.to) ?? "")}
                </div>
              </td>
              <td>
                <Outcome call={call} />
              </td>
              <td className="number wide-only">{lengthText(call.call_seconds)}</td>
              <td className="number wide-only">
                {call.price && call.price.amount > 0 ? formatMoney(call.price) : ""}
              </td>
              <td className="muted nowrap">{call.created_at && <Time at={call.created_at} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Outcome({ call }: { call: Message }) {
  if (call.direction === "inbound") return <span>Called us</span>;
  const outcome = call.call_outcome;
  if (outcome == null) return <MessageStatus message={call} />;
  return <span>{outcomes[outcome] ?? outcome}</span>;
}

function lengthText(seconds: number | null | undefined): string {
  if (seconds == null) return "";
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
