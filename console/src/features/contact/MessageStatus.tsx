import type { Message } from "../../api/types";
import { useActing } from "../../app/session";
import { formatDateTime, instantText } from "../../ui/dates";
import type { IconName } from "../../ui/Icon";
import { Icon } from "../../ui/Icon";
import { reasonWords } from "./verdict";

type Tone = "grey" | "blue" | "green" | "amber" | "red";

/** How far a message got, in words, with the reason where there is one. */
export function MessageStatus({ message }: { message: Message }) {
  const { account } = useActing();
  const { icon, tone, words } = statusLook(message, account.time_zone);
  return (
    <span className={`status status-${tone}`} role="status" data-status={message.status}>
      <Icon name={icon} />
      {words}
    </span>
  );
}

function statusLook(message: Message, zone: string): { icon: IconName; tone: Tone; words: string } {
  const reason = message.reason ?? message.verdict?.reason;
  switch (message.status) {
    case "planned": {
      const when = message.held_until ? ` for ${formatDateTime(message.held_until, zone)}` : "";
      return { icon: "clock", tone: "grey", words: `Scheduled${when}` };
    }
    case "queued":
      return { icon: "clock", tone: "grey", words: "Queued" };
    case "held": {
      const until = message.held_until ?? message.verdict?.until;
      const when = until ? ` until ${formatDateTime(instantText(until), zone)}` : "";
      const why = reason ? ` (${reasonWords(reason)})` : "";
      return { icon: "clock", tone: "amber", words: `Waiting${when}${why}` };
    }
    case "dispatched":
    case "accepted":
      return { icon: "clock", tone: "blue", words: "Sending" };
    case "sent":
      return { icon: "check", tone: "blue", words: "Sent" };
    case "delivered":
      return { icon: "check", tone: "green", words: "Delivered" };
    case "failed": {
      const code = message.error_code ? ` (${message.error_code})` : "";
      return { icon: "alert", tone: "red", words: `Failed${code}` };
    }
    case "skipped": {
      const why = reason ? `: ${reasonWords(reason)}` : "";
      return { icon: "stop", tone: "red", words: `Not sent${why}` };
    }
    case "cancelled":
      return { icon: "stop", tone: "grey", words: "Cancelled" };
    case "unknown":
      return { icon: "alert", tone: "amber", words: "Not confirmed by the carrier" };
    default:
      return { icon: "dot", tone: "grey", words: message.status };
  }
}
