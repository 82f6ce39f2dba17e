import type { Channel, Contact } from "../../api/types";
import { formatPhone } from "../../ui/phone";

type Named = Pick<Contact, "first_name" | "last_name" | "company" | "email" | "phone">;

/** The person's name, or the best that is known of them. */
export function contactName(contact: Named): string {
  const name = [contact.first_name, contact.last_name].filter(Boolean).join(" ").trim();
  if (name !== "") return name;
  if (contact.company) return contact.company;
  if (contact.email) return contact.email;
  return contact.phone ? formatPhone(contact.phone) : "Unnamed contact";
}

export function initials(contact: Named): string {
  const words = contactName(contact).split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : undefined];
  return letters.map((word) => word?.charAt(0).toUpperCase() ?? "").join("") || "#";
}

export const channelNames: Record<Channel, string> = { sms: "SMS", voice: "Voice", email: "Email" };

export function consentWords(status: string): string {
  switch (status) {
    case "opted_in":
      return "Opted in";
    case "opted_out":
      return "Opted out";
    default:
      return "No consent on record";
  }
}
