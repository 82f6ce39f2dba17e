import { useEffect, useState } from "react";
import { useQuery } from "../../api/hooks";
import type { List, Message } from "../../api/types";
import { Link, withQuery } from "../../app/router";
import { ContactName } from "../../ui/ContactName";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useInnerCursors } from "../../ui/useCursors";
import { MessageStatus } from "../contact/MessageStatus";

const pageSize = 25;
const statuses = ["", "queued", "held", "sent", "delivered", "failed", "skipped", "cancelled"];

interface CampaignMessagesProps {
  campaign: string;
  /** Changes when the campaign was read anew. */
  revision: unknown;
}

/** Every recipient with what became of their message. */
export function CampaignMessages({ campaign, revision }: CampaignMessagesProps) {
  const [status, setStatus] = useState("");
  const cursors = useInnerCursors(pageSize);
  const messages = useQuery<List<Message>>(
    withQuery("/api/messages", { campaign, status, after: cursors.after, limit: String(pageSize) }),
  );
  const { reload } = messages;
  useEffect(() => reload(), [revision, reload]);
  return (
    <section aria-labelledby="recipients-title">
      <header className="section-head">
        <h2 id="recipients-title">Recipients</h2>
        <select
          aria-label="Show by status"
          value={status}
          onChange={(event) => {
            setStatus(event.target.value);
            cursors.restart();
          }}
        >
          {statuses.map((each) => (
            <option key={each} value={each}>
              {each === "" ? "All" : each.charAt(0).toUpperCase() + each.slice(1)}
            </option>
          ))}
        </select>
      </header>
      <PagedList
        query={messages}
        cursors={cursors}
        empty={<EmptyState title="No messages here." icon="message" />}
      >
        {(rows) => <RecipientsTable messages={rows} />}
      </PagedList>
    </section>
  );
}

function RecipientsTable({ messages }: { messages: Message[] }) {
  return (
    <Table
      className="compact"
      rows={messages}
      rowKey={({ id }) => id}
      columns={[
        {
          title: "Person",
          cell: ({ contact }) => (
            <Link className="row-link" to={`/contacts/${contact}`}>
              <ContactName id={contact} />
            </Link>
          ),
        },
        { title: "Status", cell: (message) => <MessageStatus message={message} /> },
        {
          title: "Time",
          className: "muted nowrap",
          isWideOnly: true,
          cell: ({ created_at }) => created_at && <Time at={created_at} />,
        },
      ]}
    />
  );
}
