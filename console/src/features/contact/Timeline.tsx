import { useMemo, useState } from "react";
import type { TimelineEntry } from "../../api/types";
import { useActing } from "../../app/session";
import type { IconName } from "../../ui/Icon";
import { Icon } from "../../ui/Icon";
import { EmptyState, FailureState, SkeletonRows } from "../../ui/states";
import { Time } from "../../ui/Time";
import { nameDay } from "../../ui/dates";
import { MessageItem } from "./MessageItem";
import { byConversation } from "./conversations";
import { TimelineBar } from "./TimelineBar";
import type { MessageGroup } from "./timelineItems";
import { timelineItems } from "./timelineItems";
import type { TimelineData, TimelineFilter } from "./useTimeline";

interface TimelineProps {
  contact: string;
  timeline: TimelineData;
  filter: TimelineFilter;
  onFilter: (filter: TimelineFilter) => void;
}

/** All that happened with this person, newest first, as it happens. */
export function Timeline({ contact, timeline, filter, onFilter }: TimelineProps) {
  const { entries, failure, reload, line } = timeline;
  const [isGrouped, setGrouped] = useState(false);
  return (
    <section className="timeline" aria-labelledby="timeline-title">
      <header className="timeline-head">
        <h2 id="timeline-title">Timeline</h2>
        {line !== "refused" && (
          <span className={line === "up" ? "live" : "live is-off"} role="status">
            {line === "up" ? "Live" : "Reconnecting…"}
          </span>
        )}
      </header>
      <TimelineBar
        contact={contact}
        filter={filter}
        onFilter={onFilter}
        isGrouped={isGrouped}
        onGrouped={setGrouped}
      />
      {entries !== null && !isGrouped && <Days entries={entries} onChanged={reload} />}
      {entries !== null && isGrouped && <Conversations entries={entries} onChanged={reload} />}
      {entries === null && failure === null && <SkeletonRows count={5} />}
      {failure !== null && <FailureState failure={failure} onRetry={reload} />}
      {timeline.loadEarlier !== null && (
        <button
          type="button"
          className="button timeline-more"
          disabled={timeline.isLoadingEarlier}
          onClick={timeline.loadEarlier}
        >
          {timeline.isLoadingEarlier ? "Loading…" : "Show earlier"}
        </button>
      )}
    </section>
  );
}

interface DaysProps {
  entries: TimelineEntry[];
  onChanged: () => void;
}

function Conversations({ entries, onChanged }: DaysProps) {
  return (
    <>
      {byConversation(entries).map(([name, each]) => (
        <section key={name} className="conversation" aria-label={name}>
          <h3 className="conversation-name">{name}</h3>
          <Days entries={each} onChanged={onChanged} />
        </section>
      ))}
    </>
  );
}

function Days({ entries, onChanged }: DaysProps) {
  const { account, clockOffsetMillis } = useActing();
  const days = useMemo(() => {
    const named = new Map<string, (TimelineEntry | MessageGroup)[]>();
    for (const item of timelineItems(entries)) {
      const day = nameDay(item.occurred_at, account.time_zone, Date.now() + clockOffsetMillis);
      named.set(day, [...(named.get(day) ?? []), item]);
    }
    return [...named];
  }, [entries, account.time_zone, clockOffsetMillis]);
  if (days.length === 0) return <EmptyState title="Nothing has happened yet." icon="clock" />;
  return (
    <>
      {days.map(([day, items]) => (
        <section key={day} className="day" aria-label={day}>
          <h3 className="day-name">{day}</h3>
          <ol className="entries">
            {items.map((item) =>
              "current" in item ? (
                <MessageItem key={item.current.id} group={item} onChanged={onChanged} />
              ) : (
                <EntryItem key={item.id} entry={item} />
              ),
            )}
          </ol>
        </section>
      ))}
    </>
  );
}

function EntryItem({ entry }: { entry: TimelineEntry }) {
  return (
    <li className={`entry entry-${entry.kind}`}>
      <span className="entry-icon">
        <Icon name={entryIcon(entry)} />
      </span>
      <span className="entry-text">
        {entry.title}
        {entry.body && <span className="muted"> {entry.body}</span>}
      </span>
      <Time at={entry.occurred_at} show="time" />
    </li>
  );
}

function entryIcon({ kind, type }: TimelineEntry): IconName {
  if (type === "contact.opted_out") return "stop";
  if (type === "contact.opted_in") return "check";
  if (type === "contact.tagged" || type === "contact.untagged") return "tag";
  switch (kind) {
    case "consent":
      return "check";
    case "contact":
      return "person";
    case "workflow":
      return "flow";
    case "wallet":
      return "wallet";
    case "campaign":
      return "megaphone";
    case "message":
      return "message";
    default:
      return "dot";
  }
}
