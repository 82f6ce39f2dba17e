import { useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Message } from "../../api/types";
import { Link, usePlace, withQuery } from "../../app/router";
import { ContactName } from "../../ui/ContactName";
import { formatMoney } from "../../ui/money";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { formatPhone } from "../../ui/phone";
import { EmptyState } from "../../ui/states";
import { Table } from "../../ui/Table";
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
  const cursors = useCursors(query, pageSize, (after) => withQuery("/calls", { after }));
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
      <PagedList
        query={calls}
        cursors={cursors}
        empty={
          <EmptyState title="No calls yet." icon="phone">
            <Link className="button" to="/contacts">
              Call somebody from their page
            </Link>
          </EmptyState>
        }
      >
        {(rows) => <CallsTable calls={rows} />}
      </PagedList>
    </Page>
  );
}

function CallsTable({ calls }: { calls: Message[] }) {
  return (
    <Table
      rows={calls}
      rowKey={({ id }) => id}
      columns={[
        { title: "Person", cell: (call) => <Person call={call} /> },
        { title: "Call", cell: (call) => <Outcome call={call} /> },
        {
          title: "Length",
          className: "number",
          isWideOnly: true,
          cell: ({ call_seconds }) => lengthText(call_seconds),
        },
        {
          title: "Price",
          className: "number",
          isWideOnly: true,
          cell: ({ price }) => price && price.amount > 0 && formatMoney(price),
        },
        {
          title: "Time",
          className: "muted nowrap",
          cell: ({ created_at }) => created_at && <Time at={created_at} />,
        },
      ]}
    />
  );
}

function Person({ call }: { call: Message }) {
  return (
    <>
      <Link className="row-link" to={`/contacts/${call.contact}`}>
        <ContactName id={call.contact} />
      </Link>
      <div className="muted small number">
        {formatPhone((call.direction === "inbound" ? call.from : call.to) ?? "")}
      </div>
    </>
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
