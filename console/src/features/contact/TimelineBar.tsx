import { useQuery } from "../../api/hooks";
import type { Conversation, List } from "../../api/types";
import { conversationName } from "./conversations";
import type { TimelineFilter } from "./useTimeline";

interface TimelineBarProps {
  contact: string;
  filter: TimelineFilter;
  onFilter: (filter: TimelineFilter) => void;
  isGrouped: boolean;
  onGrouped: (isGrouped: boolean) => void;
}

const kinds = [
  ["", "Everything"],
  ["message", "Messages"],
  ["consent", "Consent"],
  ["contact", "Changes"],
  ["workflow", "Workflows"],
] as const;

/** What of the timeline is shown, and in which order. */
export function TimelineBar({ contact, filter, onFilter, isGrouped, onGrouped }: TimelineBarProps) {
  const path = `/api/contacts/${encodeURIComponent(contact)}/conversations`;
  const conversations = useQuery<List<Conversation>>(path).data?.data ?? [];
  return (
    <div className="timeline-bar">
      <select
        aria-label="Kind of entry"
        value={filter.kind ?? ""}
        onChange={(event) => {
          const kind = event.target.value === "" ? null : event.target.value;
          const hasMessages = kind === null || kind === "message";
          onFilter({ kind, conversation: hasMessages ? filter.conversation : null });
        }}
      >
        {kinds.map(([kind, name]) => (
          <option key={kind} value={kind}>
            {name}
          </option>
        ))}
      </select>
      {conversations.length > 0 && (
        <select
          aria-label="Conversation"
          value={filter.conversation ?? ""}
          onChange={(event) => {
            const conversation = event.target.value === "" ? null : event.target.value;
            onFilter({ kind: conversation === null ? filter.kind : "message", conversation });
          }}
        >
          <option value="">All conversations</option>
          {conversations.map(({ conversation, messages }) => (
            <option key={conversation} value={conversation}>
              {conversationName(conversation)} ({messages})
            </option>
          ))}
        </select>
      )}
      <label className="check">
        <input
          type="checkbox"
          checked={isGrouped}
          onChange={(event) => onGrouped(event.target.checked)}
        />
        By conversation
      </label>
    </div>
  );
}
