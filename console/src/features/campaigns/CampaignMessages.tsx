import { useEffect, useState } from "react";
import { useQuery } from "../../api/hooks";
import type { List, Message } from "../../api/types";
import { Link, withQuery } from "../../app/router";
import { Async } from "../../ui/Async";
import { ContactName } from "../../ui/ContactName";
import { Pager } from "../../ui/Pager";
import { EmptyState } from "../../ui/states";
import { Time } from "../../ui/Time";
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
  const [trail, setTrail] = useState<string[]>([]);
  const after = trail[trail.length - 1] ?? null;
  const messages = useQuery<List<Message>>(
    withQuery("/api/messages", { campaign, status, after, limit: String(pageSize) }),
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
            setTrail([]);
          }}
        >
          {statuses.map((each) => (
            <option key={each} value={each}>
              {each === "" ? "All" : each.charAt(0).toUpperCase() + each.slice(1)}
            </option>
          ))}
        </select>
      </header>
      <Async query={messages}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="No messages here." icon="message" />
          ) : (
            <>
              <div className="table-frame card">
                <table className="table compact">
                  <thead>
                    <tr>
                      <th scope="col">Person</th>
                      <th scope="col">Status</th>
                      <th scope="col" className="wide-only">
                        Time
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {list.data.map((message) => (
                      <tr key={message.id}>
                        <td>
                          <Link className="row-link" to={`/contacts/${message.contact}`}>
                            <ContactName id={message.contact} />
                          </Link>
                        </td>
                        <td>
                          <MessageStatus message={message} />
                        </td>
                        <td className="muted nowrap wide-only">
                          {message.created_at && <Time at={message.created_at} />}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <Pager
                isLoading={messages.isLoading}
                label=""
                onPrevious={trail.length === 0 ? null : () => setTrail(trail.slice(0, -1))}
                onNext={list.has_more && list.next ? () => setTrail([...trail, list.next ?? ""]) : null}
              />
            </>
          )
        }
      </Async>
    </section>
  );
}
