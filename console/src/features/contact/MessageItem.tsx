import { Link } from "../../app/router";
import { formatMoney } from "../../ui/money";
import { Time } from "../../ui/Time";
import { MessageStatus } from "./MessageStatus";
import type { MessageGroup } from "./timelineItems";

/** One text, theirs or ours, with how far it got. */
export function MessageItem({ group }: { group: MessageGroup }) {
  const { current } = group;
  const isOurs = current.direction === "outbound";
  return (
    <li className={isOurs ? "message message-out" : "message message-in"}>
      <div className="bubble">
        <p className="bubble-body">{current.body}</p>
      </div>
      <div className="message-foot">
        <span className="visually-hidden">{isOurs ? "Sent by us" : "Sent by them"}</span>
        {isOurs && <MessageStatus message={current} />}
        {isOurs && current.campaign && (
          <Link className="muted" to={`/campaigns/${current.campaign}`}>
            Campaign
          </Link>
        )}
        {isOurs && current.price && current.price.amount > 0 && (
          <span className="muted number">{formatMoney(current.price)}</span>
        )}
        <Time at={group.occurred_at} show="time" />
      </div>
    </li>
  );
}
