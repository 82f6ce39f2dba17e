// Every time is shown in the org's zone and says so where it could be misread.

import type { Instant } from "../api/types";

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  const known = formats.get(key);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  formats.set(key, made);
  return made;
}

/** `21 Nov 2026, 14:05` */
export function formatDateTime(instant: string, zone: string): string {
  return format(zone, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  }).format(new Date(instant));
}

/** `21 Nov 2026` */
export function formatDate(instant: string, zone: string): string {
  return format(zone, { day: "numeric", month: "short", year: "numeric" }).format(new Date(instant));
}

/** `14:05` */
export function formatTime(instant: string, zone: string): string {
  return format(zone, { hour: "2-digit", minute: "2-digit" }).format(new Date(instant));
}

/** `CST`, or `GMT+1` where the zone has no letters of its own. */
export function zoneName(instant: string, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "short" })
    .formatToParts(new Date(instant));
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? zone;
}

/** `2026-11-21`: the day of `instant` in `zone`. */
export function dayOf(instant: string | number, zone: string): string {
  const parts = format(zone, { year: "numeric", month: "2-digit", day: "2-digit" });
  return parts.format(new Date(instant)).split("/").reverse().join("-");
}

/** `Today`, `Yesterday`, `Tomorrow` or the date, as seen at `nowMillis`. */
export function nameDay(instant: string, zone: string, nowMillis: number): string {
  const dayMillis = 86_400_000;
  const day = dayOf(instant, zone);
  if (day === dayOf(nowMillis, zone)) return "Today";
  if (day === dayOf(nowMillis - dayMillis, zone)) return "Yesterday";
  if (day === dayOf(nowMillis + dayMillis, zone)) return "Tomorrow";
  return formatDate(instant, zone);
}

/** An instant as RFC 3339, however it was recorded. */
export function instantText(instant: Instant): string {
  const microsPerMilli = 1_000;
  return typeof instant === "string"
    ? instant
    : new Date(Math.floor(instant / microsPerMilli)).toISOString();
}

/** UTC, for whoever hovers. */
export function formatUTC(instant: string): string {
  return `${new Date(instant).toISOString().replace("T", " ").slice(0, 19)} UTC`;
}
