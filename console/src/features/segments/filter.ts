import type { Filter } from "../../api/types";

export interface Row {
  field: string;
  /** The name of a custom field, where `field` is `custom`. */
  customName: string;
  op: string;
  value: string;
}

export interface Draft {
  match: "all" | "any";
  rows: Row[];
}

export const emptyRow: Row = { field: "tags", customName: "", op: "contains", value: "" };

export const fieldNames: readonly (readonly [string, string])[] = [
  ["tags", "Tags"],
  ["first_name", "First name"],
  ["last_name", "Last name"],
  ["company", "Company"],
  ["email", "Email"],
  ["phone", "Phone"],
  ["source", "Source"],
  ["consent.sms", "SMS consent"],
  ["consent.voice", "Voice consent"],
  ["consent.email", "Email consent"],
  ["custom", "Custom field"],
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
};

/** Of fields that are times; the value is a duration such as `7d`. */
const timeOpNames: Record<string, string> = {
  in_last: "is in the last",
  older_than: "is longer ago than",
  in_next: "is in the next",
};

export const consentValues: readonly (readonly [string, string])[] = [
  ["opted_in", "opted in"],
  ["opted_out", "opted out"],
  ["none", "not on record"],
];

/** What may be asked of a field, as the segment grammar allows it. */
export function operators(field: string): readonly (readonly [string, string])[] {
  if (field === "tags") return [["contains", "include"], ["exists", "are there"]];
  const ops = isConsent(field) ? ["eq", "ne"] : Object.keys(opNames);
  return ops.map((op) => [op, opNames[op] ?? op]);
}

export function isConsent(field: string): boolean {
  return field.startsWith("consent.");
}

/** The filter of a draft, or null while a row lacks something. */
export function filterOf(draft: Draft): Filter | null {
  const conditions: Filter[] = [];
  for (const row of draft.rows) {
    const condition = conditionOf(row);
    if (condition === null) return null;
    conditions.push(condition);
  }
  if (conditions.length === 0) return null;
  return draft.match === "all" ? { all: conditions } : { any: conditions };
}

function conditionOf(row: Row): Filter | null {
  const isCustom = row.field === "custom";
  if (isCustom && row.customName.trim() === "") return null;
  const field = isCustom ? `custom.${row.customName.trim()}` : row.field;
  if (row.op === "exists") return { field, op: row.op, value: true };
  const value = row.value.trim();
  if (value === "") return null;
  const isNumber = isCustom && /^-?\d+(\.\d+)?$/.test(value);
  return { field, op: row.op, value: isNumber ? Number(value) : value };
}

/** The filter as a sentence: `Tags include vip and SMS consent is opted in`. */
export function describeFilter(filter: Filter): string {
  if ("all" in filter) return filter.all.length === 0 ? "Everybody" : join(filter.all, " and ");
  if ("any" in filter) return filter.any.length === 0 ? "Nobody" : join(filter.any, " or ");
  if ("not" in filter) return `not (${describeFilter(filter.not)})`;
  if ("event" in filter) {
    const { event, op = "gte", count = 1, within } = filter;
    const often = `${(opNames[op] ?? op).replace(/^is /, "")} ${count} ${count === 1 ? "time" : "times"}`;
    return `${event} ${often}${within === undefined ? "" : ` within ${within}`}`;
  }
  const name = fieldNames.find(([field]) => field === filter.field)?.[1];
  const words = name ?? filter.field.replace(/^custom\./, "");
  const known = operators(filter.field).find(([each]) => each === filter.op)?.[1];
  const op = known ?? timeOpNames[filter.op] ?? filter.op;
  if (filter.op === "exists") return `${words} ${filter.value === false ? "is not known" : op}`;
  const value = consentValues.find(([each]) => each === filter.value)?.[1];
  return `${words} ${op} ${value ?? String(filter.value)}`;
}

function join(filters: Filter[], word: string): string {
  return filters
    .map((each) => ("all" in each || "any" in each ? `(${describeFilter(each)})` : describeFilter(each)))
    .join(word);
}
