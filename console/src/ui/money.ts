import type { Money } from "../api/types";

const microsPerDollar = 1_000_000;
const microsPerCent = 10_000;

/**
 * Dollars. `exact` shows what a message's price needs (up to six decimals, at least two), `cents`
 * rounds towards less money, so that nobody counts on a cent that is not there.
 */
export function formatMoney(money: Money, precision: "exact" | "cents" | "ledger" = "exact"): string {
  const micros =
    precision === "cents" ? Math.floor(money.amount / microsPerCent) * microsPerCent : money.amount;
  return new Intl.NumberFormat("en-US", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: precision === "ledger" ? 4 : 2,
    maximumFractionDigits: precision === "cents" ? 2 : precision === "ledger" ? 4 : 6,
  }).format(micros / microsPerDollar);
}

/** Whole millionths of a dollar, or null where `text` is not an amount above zero. */
export function parseDollars(text: string): number | null {
  const match = /^\s*\$?\s*(\d{1,7})(?:\.(\d{1,2}))?\s*$/.exec(text.replace(/,/g, ""));
  if (match === null) return null;
  const cents = Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0"));
  return cents > 0 ? cents * microsPerCent : null;
}
