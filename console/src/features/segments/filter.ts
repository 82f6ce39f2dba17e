import type { Filter } from "../../api/types";

/** What is known about a person. */
export interface FieldRow {
  field: string;
  /** The name of a custom field, where `field` is `custom`. */
  customName: string;
  op: string;
  value: string;
}

/** How often something happened. */
export interface EventRow {
  event: string;
  op: string;
  count: string;
  /** A duration such as `30d`; empty: ever. */
  within: string;
}

export type Match = "all" | "any" | "none";

export interface Group {
  match: Match;
  rows: Node[];
}

export type Node = FieldRow | EventRow | Group;

/** Groups within groups beyond this are no help to anybody. */
export const depthLimit = 3;

export const emptyRow: FieldRow = { field: "tags", customName: "", op: "contains", value: "" };
export const emptyEvent: EventRow = { event: "message.received", op: "gte", count: "1", within: "30d" };

export const fieldNames: readonly (readonly [string, string])[] = [
  ["tags", "Tags"],
  ["first_name", "First name"],
  ["last_name", "Last name"],
  ["company", "Company"],
  ["email", "Email"],
  ["phone", "Phone"],
  ["source", "Source"],
  ["created_at", "Added"],
  ["consent.sms", "SMS consent"],
  ["consent.voice", "Voice consent"],
  ["consent.email", "Email consent"],
  ["custom", "Custom field"],
];

export const eventNames: readonly (readonly [string, string])[] = [
  ["message.received", "Wrote to us"],
  ["message.sent", "Was sent a message"],
  ["message.delivered", "Got a message"],
  ["message.failed", "A message failed"],
  ["message.skipped", "A message was not sent"],
  ["message.opened", "Opened an email"],
  ["message.clicked", "Clicked a link"],
  ["message.call_ended", "Had a call"],
  ["contact.opted_in", "Opted in"],
  ["contact.opted_out", "Opted out"],
  ["contact.tagged", "Was tagged"],
  ["contact.updated", "Was changed"],
  ["workflow.run_started", "Started a workflow"],
  ["workflow.run_completed", "Finished a workflow"],
];

const opNames: Record<string, string> = {
  eq: "is",
  ne: "is not",
  contains: "contains",
  starts_with: "starts with",
  gt: "is above",
  gte: "is at least",
  lt: "is below",
  lte: "is at most",
  exists: "is known",
  missing: "is not known",
};

/** Of fields that are times; the value is a duration such as `7d`. */
const timeOpNames: Record<string, string> = {
  in_last: "is in the last",
  older_than: "is longer ago than",
  in_next: "is in the next",
};

export const countOpNames: readonly (readonly [string, string])[] = [
  ["gte", "at least"],
  ["lte", "at most"],
  ["eq", "exactly"],
];

export const consentValues: readonly (readonly [string, string])[] = [
  ["opted_in", "opted in"],
  ["opted_out", "opted out"],
  ["none", "not on record"],
];

/** What may be asked of a field. `lacks` and `missing` are the builder's own: the grammar says them with `not` and `false`. */
export function operators(field: string): readonly (readonly [string, string])[] {
  if (field === "tags") {
    return [["contains", "include"], ["lacks", "do not include"], ["exists", "are there"], ["missing", "are not there"]];
  }
  if (field === "created_at") {
    return [["in_last", "in the last"], ["older_than", "longer ago than"], ["gte", "on or after"], ["lt", "before"]];
  }
  const names = field === "custom" || field.startsWith("custom.") ? { ...opNames, ...timeOpNames } : opNames;
  const ops = isConsent(field) ? ["eq", "ne"] : Object.keys(names);
  return ops.map((op) => [op, names[op] ?? op]);
}

export function isConsent(field: string): boolean {
  return field.startsWith("consent.");
}

export function isGroup(node: Node): node is Group {
  return "rows" in node;
}

export function isEvent(node: Node): node is EventRow {
  return "event" in node;
}

/** What has to be filled in behind an operator. */
export function valueKind({ field, op }: FieldRow): "nothing" | "consent" | "duration" | "day" | "text" {
  if (op === "exists" || op === "missing") return "nothing";
  if (isConsent(field)) return "consent";
  if (op in timeOpNames) return "duration";
  return field === "created_at" ? "day" : "text";
}

/** The filter of a draft, or null while something is missing in it. */
export function filterOf(draft: Group): Filter | null {
  const conditions: Filter[] = [];
  for (const node of draft.rows) {
    const condition = isGroup(node) ? filterOf(node) : isEvent(node) ? happenedOf(node) : conditionOf(node);
    if (condition === null) return null;
    conditions.push(condition);
  }
  if (conditions.length === 0) return null;
  if (draft.match === "all") return { all: conditions };
  return draft.match === "any" ? { any: conditions } : { not: { any: conditions } };
}

function happenedOf({ event, op, count, within }: EventRow): Filter | null {
  if (!/^\d+$/.test(count.trim())) return null;
  const happened = { event, op, count: Number(count) };
  if (within === "") return happened;
  return isDuration(within) ? { ...happened, within } : null;
}

function conditionOf(row: FieldRow): Filter | null {
  const isCustom = row.field === "custom";
  if (isCustom && row.customName.trim() === "") return null;
  const field = isCustom ? `custom.${row.customName.trim()}` : row.field;
  if (row.op === "exists") return { field, op: "exists", value: true };
  if (row.op === "missing") return { field, op: "exists", value: false };
  const value = row.value.trim();
  if (value === "") return null;
  switch (valueKind(row)) {
    case "duration":
      return isDuration(value) ? { field, op: row.op, value } : null;
    case "day":
      return { field, op: row.op, value: `${value}T00:00:00Z` };
    default: {
      if (row.op === "lacks") return { not: { field, op: "contains", value } };
      const isNumber = isCustom && /^-?\d+(\.\d+)?$/.test(value);
      return { field, op: row.op, value: isNumber ? Number(value) : value };
    }
  }
}

export function isDuration(text: string): boolean {
  return /^[1-9]\d*[mhd]$/.test(text);
}

/** The filter as a sentence: `Tags include vip and SMS consent is opted in`. */
export function describeFilter(filter: Filter): string {
  if ("all" in filter) return filter.all.length === 0 ? "Everybody" : join(filter.all, " and ");
  if ("any" in filter) return filter.any.length === 0 ? "Nobody" : join(filter.any, " or ");
  if ("not" in filter) return `not (${describeFilter(filter.not)})`;
  if ("event" in filter) return describeEvent(filter);
  const name = fieldNames.find(([field]) => field === filter.field)?.[1];
  const words = name ?? filter.field.replace(/^custom\./, "");
  if (filter.op === "exists") {
    const op = filter.value === false ? "missing" : "exists";
    return `${words} ${operators(filter.field).find(([each]) => each === op)?.[1] ?? op}`;
  }
  const known = operators(filter.field).find(([each]) => each === filter.op)?.[1];
  const op = known ?? opNames[filter.op] ?? timeOpNames[filter.op] ?? filter.op;
  const value = consentValues.find(([each]) => each === filter.value)?.[1];
  const text = String(filter.value);
  if (filter.op in timeOpNames) return `${words} ${op} ${durationWords(text)}`;
  return `${words} ${op} ${value ?? text.replace(/T00:00:00Z$/, "")}`;
}

function describeEvent({ event, op = "gte", count = 1, within }: Extract<Filter, { event: string }>): string {
  const name = eventNames.find(([each]) => each === event)?.[1] ?? event;
  const often = (countOpNames.find(([each]) => each === op)?.[1] ?? opNames[op] ?? op).replace(/^is /, "");
  const words = `${name} ${often} ${count} ${count === 1 ? "time" : "times"}`;
  return within === undefined ? words : `${words} in the last ${durationWords(within)}`;
}

/** `30 days` for `30d`. */
function durationWords(text: string): string {
  const amount = Number(text.slice(0, -1));
  const unit = { m: "minute", h: "hour", d: "day" }[text.slice(-1)];
  if (!isDuration(text) || unit === undefined) return text;
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}

function join(filters: Filter[], word: string): string {
  return filters
    .map((each) => ("all" in each || "any" in each ? `(${describeFilter(each)})` : describeFilter(each)))
    .join(word);
}
