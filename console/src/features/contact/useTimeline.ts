import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { isAbort } from "../../api/client";
import { field } from "../../api/failure";
import type { Failure } from "../../api/failure";
import type { Query } from "../../api/hooks";
import type { Line } from "../../api/tail";
import { asFailure, useClient, useQuery, useTail } from "../../api/hooks";
import { useReloadSoon } from "../../api/live";
import type { List, LogEvent, Message, TimelineEntry } from "../../api/types";
import { withQuery } from "../../app/router";

/** What of a timeline is shown. */
export interface TimelineFilter {
  /** `message`, `consent`, …; null: everything. */
  kind: string | null;
  /** Such as `sms +12025550199`; null: all. */
  conversation: string | null;
}

export const everything: TimelineFilter = { kind: null, conversation: null };

export interface TimelineData {
  /** Newest first; null until they are there. */
  entries: TimelineEntry[] | null;
  failure: Failure | null;
  line: Line;
  reload: () => void;
  /** Shows a message that was just sent before the read model knows it. */
  add: (message: Message) => void;
  loadEarlier: (() => void) | null;
  isLoadingEarlier: boolean;
}

const pageSize = 50;
const underway = new Set(["queued", "dispatched", "accepted"]);
const underwayMillis = 3_000;
const followed = ["contact.*", "message.*", "workflow.*", "campaign.*"] as const;

/** A contact's timeline, kept up to date by the log. `onEvent` hears what concerns this contact. */
export function useTimeline(
  contact: string,
  filter: TimelineFilter,
  onEvent: (event: LogEvent) => void,
): TimelineData {
  const path = withQuery(`/api/contacts/${encodeURIComponent(contact)}/timeline`, {
    limit: String(pageSize),
    kind: filter.kind,
    conversation: filter.conversation,
  });
  const newest = useQuery<List<TimelineEntry>>(path);
  const [sent, setSent] = useState<Message[]>([]);
  const earlier = useEarlier(path, newest.data);

  // What fell off the newest page since is still part of the story.
  const seen = useRef({ path, entries: new Map<string, TimelineEntry>() });
  const entries = useMemo(() => {
    if (newest.data === null) return null;
    // While another filter's first page is on its way, what is there is looked through at once.
    const isOlderAnswer = seen.current.path !== path && newest.isLoading;
    if (!isOlderAnswer) {
      if (seen.current.path !== path) seen.current = { path, entries: new Map() };
      for (const entry of [...earlier.entries, ...newest.data.data]) {
        seen.current.entries.set(entry.id, entry);
      }
    }
    return withSent([...seen.current.entries.values()], sent).filter((entry) => fits(entry, filter));
  }, [newest.data, newest.isLoading, earlier.entries, sent, path, filter]);
  const related = useMemo(() => relatedIDs(contact, entries ?? []), [contact, entries]);
  const reloadSoon = useReloadSoon(newest);
  const runs = useRef(new Set<string>());
  const line = useTail(newest.position, followed, (event) => {
    const isAboutRun = runs.current.has(event.subject?.id ?? "");
    if (!isAboutRun && !concerns(event, related)) return;
    if (event.type === "workflow.run_started" && event.subject) runs.current.add(event.subject.id);
    reloadSoon(event.position);
    onEvent(event);
  });

  useWhileUnderway(entries, sent, newest);

  return {
    entries,
    failure: newest.failure ?? earlier.failure,
    line,
    reload: newest.reload,
    add: useCallback((message) => setSent((before) => [...before, message]), []),
    loadEarlier: earlier.load,
    isLoadingEarlier: earlier.isLoading,
  };
}

/**
 * Looks again by itself while a message is on its way: a line can be up and yet hold something back,
 * in a proxy for one, and "Sending" is the state that nobody wants to see stand still.
 */
function useWhileUnderway(
  entries: TimelineEntry[] | null,
  sent: Message[],
  newest: Query<unknown>,
) {
  const { isLoading, reload } = newest;
  // Not every carrier reports deliveries: for "sent" that is waited for only after one's own text.
  const isWaitedFor = (message: Message) =>
    underway.has(message.status) ||
    (message.status === "sent" && sent.some(({ id }) => id === message.id));
  const isUnderway = entries?.some(({ message }) => message && isWaitedFor(message)) ?? false;
  useEffect(() => {
    if (!isUnderway || isLoading) return;
    const timer = setTimeout(() => reload(), underwayMillis);
    return () => clearTimeout(timer);
  }, [isUnderway, isLoading, reload]);
}

function useEarlier(path: string, newest: List<TimelineEntry> | null) {
  const client = useClient();
  const [loaded, setLoaded] = useState<{ path: string; pages: List<TimelineEntry>[] }>({ path, pages: [] });
  const [isLoading, setLoading] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const pages = useMemo(() => (loaded.path === path ? loaded.pages : []), [loaded, path]);
  const last = pages[pages.length - 1] ?? newest;
  const cursor = last?.has_more === true ? last.next : null;
  const load = async () => {
    setLoading(true);
    abort.current = new AbortController();
    try {
      const query = `${path}&after=${encodeURIComponent(cursor ?? "")}`;
      const { signal } = abort.current;
      const answer = await client.get<List<TimelineEntry>>(query, { signal });
      setLoaded({ path, pages: [...pages, answer.body] });
      setFailure(null);
    } catch (error) {
      if (!isAbort(error)) setFailure(asFailure(error));
    } finally {
      setLoading(false);
    }
  };
  const entries = useMemo(() => pages.flatMap(({ data }) => data), [pages]);
  return {
    entries,
    failure,
    isLoading,
    load: cursor === null || cursor === undefined ? null : () => void load(),
  };
}

function fits(entry: TimelineEntry, { kind, conversation }: TimelineFilter): boolean {
  if (kind !== null && entry.kind !== kind) return false;
  // A message that was just sent is in no conversation yet; it is not hidden from its author.
  return conversation === null || entry.conversation === undefined || entry.conversation === conversation;
}

/** Newest first; a message that the read model does not know yet stands on top. */
function withSent(seen: TimelineEntry[], sent: Message[]): TimelineEntry[] {
  const known = new Set(seen.map(({ kind, message }) => (kind === "message" ? message?.id : null)));
  const unknown = sent.filter(({ id }) => !known.has(id)).map(entryOf);
  return [...seen, ...unknown].sort((a, b) => b.position - a.position || (a.id < b.id ? 1 : -1));
}

function entryOf(message: Message): TimelineEntry {
  return {
    id: message.id,
    object: "timeline_entry",
    kind: "message",
    type: "message.queued",
    occurred_at: message.created_at ?? new Date().toISOString(),
    position: Number.MAX_SAFE_INTEGER,
    title: "",
    message,
  };
}

function relatedIDs(contact: string, entries: TimelineEntry[]): Set<string> {
  const ids = new Set([contact]);
  for (const { message } of entries) {
    if (message) ids.add(message.id);
    if (message?.run) ids.add(message.run);
  }
  return ids;
}

/** Whether an event is about one of `ids`, by its subject or by what its data names. */
function concerns(event: LogEvent, ids: Set<string>): boolean {
  if (event.subject && ids.has(event.subject.id)) return true;
  return ["contact", "contact_id", "message"].some((name) => {
    const value = field(event.data, name);
    return typeof value === "string" && ids.has(value);
  });
}
