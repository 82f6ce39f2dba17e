import type { Contact, TimelineEntry, Verdict } from "../../api/types";
import { formatDate, formatTime, instantText, nameDay, zoneName } from "../../ui/dates";

export interface VerdictWords {
  tone: "good" | "wait" | "bad";
  title: string;
  /** What follows from it. */
  detail: string | null;
}

export interface VerdictContext {
  contact: Contact;
  entries: TimelineEntry[];
  orgZone: string;
  nowMillis: number;
}

/** The gate's verdict as one would say it to a colleague. */
export function describeVerdict(verdict: Verdict, context: VerdictContext): VerdictWords {
  const reason = verdict.reason ?? "";
  switch (verdict.outcome) {
    case "allowed":
      return { tone: "good", title: `May be texted${consentNote(context)}`, detail: null };
    case "held":
      return {
        tone: "wait",
        title: heldWords(reason, verdict, context),
        detail: "You can write now. It waits, and goes out then.",
      };
    default:
      return { tone: "bad", title: refusedWords(reason, context), detail: wayOut(reason) };
  }
}

function consentNote({ contact, orgZone }: VerdictContext): string {
  const consent = contact.consent.sms;
  if (consent?.status !== "opted_in" || !consent.since) return "";
  return `: opted in on ${formatDate(consent.since, orgZone)}`;
}

function heldWords(reason: string, verdict: Verdict, context: VerdictContext): string {
  const until = verdict.until ? instantText(verdict.until) : null;
  const zones = verdict.facts?.zones ?? [];
  // Of several zones that a number may be in, the last one to wake up decides.
  const zone = (zones.find(({ next_open }) => next_open === verdict.until) ?? zones[0])?.zone;
  const name = reason === "quiet_hours" ? "Quiet hours" : sentence(reasonWords(reason));
  if (until === null) return name;
  if (zone === undefined) {
    return `${name} until ${formatTime(until, context.orgZone)} ${zoneName(until, context.orgZone)}`;
  }
  const day = nameDay(until, zone, context.nowMillis);
  const when = day === "Today" ? "" : day === "Tomorrow" ? " tomorrow" : ` on ${day}`;
  return `${name} there until ${formatTime(until, zone)}${when} (${zoneName(until, zone)})`;
}

function refusedWords(reason: string, context: VerdictContext): string {
  if (reason !== "revoked") return sentence(reasonWords(reason));
  const { contact, entries, orgZone } = context;
  const since = contact.consent.sms?.since;
  const said = optOutWord(entries);
  const by = said === null ? "" : ` by ${said}`;
  return since ? `Opted out${by} on ${formatDate(since, orgZone)}` : `Opted out${by}`;
}

/** The word that the person texted, where the timeline shows it beside the opt-out. */
export function optOutWord(entries: TimelineEntry[]): string | null {
  const optOut = entries.find(({ type }) => type === "contact.opted_out");
  if (optOut === undefined) return null;
  const reply = entries.find(
    ({ kind, position, message }) =>
      kind === "message" &&
      message?.direction === "inbound" &&
      Math.abs(position - optOut.position) <= nearbyPositions,
  );
  const word = reply?.message?.body?.trim() ?? "";
  return /^[\p{L} ]{1,20}$/u.test(word) ? word.toUpperCase() : null;
}

/** The reply and the opt-out it causes are events of one commit. */
const nearbyPositions = 3;

export function reasonWords(reason: string): string {
  return knownReasons[reason] ?? reason.replace(/_/g, " ");
}

const knownReasons: Record<string, string> = {
  no_consent: "no consent to text on record",
  revoked: "opted out",
  suppressed: "on the suppression list, or archived",
  bounced_before: "an earlier message bounced",
  complaint: "complained before",
  quiet_hours: "quiet hours",
  frequency_cap: "texted often enough for now",
  duplicate_content: "this text was sent already",
  no_address: "no phone number",
  invalid_address: "the phone number is not valid",
  landline: "the number is a landline",
  reassigned_number: "the number belongs to somebody else now",
  carrier_cap: "the carrier's limit is reached",
  brand_not_registered: "the brand is not registered with the carriers",
  insufficient_funds: "not enough in the wallet",
  budget: "the budget is used up",
  paused: "this account is paused",
  stale: "too old to send",
  kill_switch: "sending is switched off",
};

function wayOut(reason: string): string | null {
  switch (reason) {
    case "no_consent":
      return "Record an opt-in once the person has agreed.";
    case "revoked":
      return "Only the person can change that, by a new opt-in.";
    case "no_address":
    case "invalid_address":
      return "Edit the contact to add a number that takes texts.";
    case "insufficient_funds":
      return "Add funds to send this.";
    default:
      return null;
  }
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
