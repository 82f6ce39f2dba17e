import type { TimelineEntry } from "../../api/types";
import { formatPhone } from "../../ui/phone";

const channelNames: Record<string, string> = { sms: "Texts", voice: "Calls", email: "Emails" };

/** `Texts with (202) 555-0199` for `sms +12025550199`. */
export function conversationName(conversation: string): string {
  const [channel = "", address = ""] = conversation.split(" ", 2);
  const name = channelNames[channel] ?? channel;
  return address === "" ? name : `${name} with ${address.startsWith("+") ? formatPhone(address) : address}`;
}

/** The entries of each conversation, the one with the newest first; what belongs to none comes last. */
export function byConversation(entries: TimelineEntry[]): [string, TimelineEntry[]][] {
  const groups = new Map<string, TimelineEntry[]>();
  for (const entry of entries) {
    const name = entry.conversation ?? "";
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  const rest = groups.get("");
  groups.delete("");
  const named = [...groups].map(([name, each]): [string, TimelineEntry[]] => [conversationName(name), each]);
  return rest === undefined ? named : [...named, ["Everything else", rest]];
}
