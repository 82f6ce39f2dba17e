import type { Message, TimelineEntry } from "../../api/types";

/** A message with everything that is told about it. */
export interface MessageGroup {
  /** The message as its newest entry shows it. */
  current: Message;
  /** When the first entry of it happened: a message does not move while it makes its way. */
  occurred_at: string;
  /** Newest first. */
  entries: TimelineEntry[];
}

/** A step of a workflow may name the message that it sent; that is not the message itself. */
function messageOf({ kind, message }: TimelineEntry): Message | null {
  return kind === "message" ? message ?? null : null;
}

/** Gathers the entries of each message under one item, at the place of the oldest one. */
export function timelineItems(entries: TimelineEntry[]): (TimelineEntry | MessageGroup)[] {
  const groups = new Map<string, MessageGroup>();
  for (const entry of entries) {
    const message = messageOf(entry);
    if (message === null) continue;
    const group = groups.get(message.id);
    if (group === undefined) {
      const { occurred_at } = entry;
      groups.set(message.id, { current: message, occurred_at, entries: [entry] });
    } else {
      group.entries.push(entry);
      group.occurred_at = entry.occurred_at;
    }
  }
  const items: (TimelineEntry | MessageGroup)[] = [];
  for (const entry of entries) {
    const group = groups.get(messageOf(entry)?.id ?? "");
    if (group === undefined) items.push(entry);
    else if (group.entries[group.entries.length - 1] === entry) items.push(group);
  }
  return items;
}
