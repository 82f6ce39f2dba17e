import { useWrite } from "../../api/hooks";
import { Link } from "../../app/router";
import { formatMoney } from "../../ui/money";
import { Time } from "../../ui/Time";
import { useToast } from "../../ui/Toast";
import { MessageStatus } from "./MessageStatus";
import type { MessageGroup } from "./timelineItems";

interface MessageItemProps {
  group: MessageGroup;
  onChanged: () => void;
}

/** One message, theirs or ours, with how far it got. */
export function MessageItem({ group, onChanged }: MessageItemProps) {
  const { current } = group;
  const isOurs = current.direction === "outbound";
  return (
    <li className={isOurs ? "message message-out" : "message message-in"}>
      <div className="bubble">
        {current.subject && <strong>{current.subject}</strong>}
        <p className="bubble-body">{current.body}</p>
        {(current.media ?? []).map((address, index) => (
          <a key={address} href={address} target="_blank" rel="noreferrer noopener">
            {current.channel === "voice" ? "Recording" : `Picture ${index + 1}`}
          </a>
        ))}
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
        {isOurs && ["planned", "held", "queued"].includes(current.status) && (
          <CancelButton id={current.id} onCancelled={onChanged} />
        )}
        <Time at={group.occurred_at} show="time" />
      </div>
    </li>
  );
}

/** Takes back what was not handed to the carrier yet. */
function CancelButton({ id, onCancelled }: { id: string; onCancelled: () => void }) {
  const write = useWrite();
  const toast = useToast();
  const cancel = async () => {
    const answer = await write.run("POST", `/api/messages/${id}/cancel`);
    if (answer === null) toast.say("The message could not be cancelled.", "bad");
    else onCancelled();
  };
  return (
    <button
      type="button"
      className="text-button"
      disabled={write.isBusy}
      onClick={() => void cancel()}
    >
      Cancel
    </button>
  );
}
