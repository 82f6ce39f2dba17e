/**
 * The instant at which a day (`2026-11-21`, plus `daysLater`) begins in `zone`, as RFC 3339; empty
 * for an empty day.
 */
export function startOfDay(day: string, zone: string, daysLater = 0): string {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return "";
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  const asUTC = Date.UTC(year, month - 1, date + daysLater);
  // The second look settles days on which the offset itself changes.
  const guess = asUTC - offsetMillis(asUTC, zone);
  return new Date(asUTC - offsetMillis(guess, zone)).toISOString();
}

/** How far the zone's clock is ahead of UTC at an instant. */
function offsetMillis(instant: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(new Date(instant));
  const read = (type: string) => Number(parts.find((part) => part.type === type)?.value ?? 0);
  const local = Date.UTC(
    read("year"),
    read("month") - 1,
    read("day"),
    read("hour"),
    read("minute"),
    read("second"),
  );
  return local - instant;
}
