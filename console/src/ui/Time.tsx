import { useActing } from "../app/session";
import { formatDate, formatDateTime, formatTime, formatUTC } from "./dates";

interface TimeProps {
  at: string;
  show?: "dateTime" | "date" | "time";
}

/** A moment in the org's zone; hovering shows UTC. */
export function Time({ at, show = "dateTime" }: TimeProps) {
  const { account } = useActing();
  const shown = { dateTime: formatDateTime, date: formatDate, time: formatTime }[show];
  return (
    <time dateTime={at} title={formatUTC(at)} className="number">
      {shown(at, account.time_zone)}
    </time>
  );
}
