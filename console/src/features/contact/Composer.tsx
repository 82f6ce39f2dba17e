import type { FormEvent, KeyboardEvent } from "react";
import { useRef, useState } from "react";
import { useWrite } from "../../api/hooks";
import type { Channel, Contact, Message, MessagePreview, TimelineEntry } from "../../api/types";
import { Link } from "../../app/router";
import { useActing } from "../../app/session";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { formatMoney } from "../../ui/money";
import { FailureNote, Skeleton } from "../../ui/states";
import { usePreview } from "./usePreview";
import type { VerdictWords } from "./verdict";
import { describeVerdict } from "./verdict";

interface ComposerProps {
  contact: Contact;
  entries: TimelineEntry[] | null;
  revision: number;
  onSent: (message: Message) => void;
}

/** Refusals that another text or more money would lift; with all others, writing is in vain. */
const liftable = new Set(["insufficient_funds", "duplicate_content", "template_error", "missing_field"]);

const channels: Record<Channel, { invitation: string; blocked: string }> = {
  sms: { invitation: "Write a text message", blocked: "This person may not be texted" },
  email: { invitation: "Write an email", blocked: "This person may not be emailed" },
  voice: { invitation: "Write what the call says", blocked: "This person may not be called" },
};

/** Says whether this person may be written to, then takes the message. */
export function Composer({ contact, entries, revision, onSent }: ComposerProps) {
  const { account, clockOffsetMillis } = useActing();
  const [channel, setChannel] = useState<Channel>("sms");
  const [subject, setSubject] = useState("");
  const [body, setBody] = useState("");
  const [purpose, setPurpose] = useState("transactional");
  const input = useRef<HTMLTextAreaElement>(null);
  const write = useWrite();
  const asked = `${revision} ${contact.version} ${account.now}`;
  const { preview, failure } = usePreview(contact.id, { channel, subject, body, purpose }, asked);
  useKeys({ m: () => input.current?.focus() });

  const verdict = preview?.verdict ?? null;
  const isRefused = verdict !== null && !["allowed", "held"].includes(verdict.outcome);
  const isBlocked = isRefused && !liftable.has(verdict.reason ?? "");
  const isWhole = body.trim() !== "" && (channel !== "email" || subject.trim() !== "");
  const canSend = isWhole && !isRefused && !write.isBusy;
  const words =
    verdict === null
      ? null
      : describeVerdict(verdict, {
          contact,
          entries: entries ?? [],
          orgZone: account.time_zone,
          nowMillis: Date.now() + clockOffsetMillis,
        });

  const send = async (event: FormEvent | KeyboardEvent) => {
    event.preventDefault();
    if (!canSend) return;
    const request = {
      contact: contact.id,
      channel,
      body,
      purpose,
      ...(channel === "email" && { subject }),
    };
    const message = await write.run<Message>("POST", "/api/messages", request);
    if (message === null) return;
    setBody("");
    setSubject("");
    onSent(message);
    input.current?.focus();
  };

  return (
    <form className="composer card" aria-label="Write to this person" onSubmit={(e) => void send(e)}>
      <VerdictLine words={words} hasFailed={failure !== null} />
      <FailureNote failure={write.failure ?? failure} />
      {channel === "email" && (
        <input
          aria-label="Subject"
          placeholder="Subject"
          value={subject}
          disabled={isBlocked}
          onChange={(event) => setSubject(event.target.value)}
        />
      )}
      <textarea
        ref={input}
        aria-label="Message"
        placeholder={isBlocked ? channels[channel].blocked : channels[channel].invitation}
        rows={3}
        value={body}
        disabled={isBlocked}
        onChange={(event) => setBody(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send(event);
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <div className="composer-foot">
        <label className="composer-purpose">
          <span className="visually-hidden">Channel</span>
          <select
            value={channel}
            onChange={(event) => setChannel(event.target.value as Channel)}
          >
            <option value="sms">Text</option>
            <option value="email">Email</option>
            <option value="voice">Call</option>
          </select>
        </label>
        <label className="composer-purpose">
          <span className="visually-hidden">Purpose</span>
          <select value={purpose} onChange={(event) => setPurpose(event.target.value)}>
            <option value="transactional">Personal or service</option>
            <option value="marketing">Marketing</option>
          </select>
        </label>
        <Cost preview={preview} isText={channel === "sms"} hasText={body.trim() !== ""} />
        <button type="submit" className="button button-primary" disabled={!canSend}>
          {write.isBusy ? "Sending…" : verdict?.outcome === "held" ? "Send later" : "Send"}
        </button>
      </div>
    </form>
  );
}

function VerdictLine({ words, hasFailed }: { words: VerdictWords | null; hasFailed: boolean }) {
  if (words === null) {
    return (
      <div className="verdict" role="status">
        {hasFailed ? <span>Whether this person may be texted is not known.</span> : <Skeleton width="14rem" />}
      </div>
    );
  }
  const icon = { good: "check", wait: "clock", bad: "stop" } as const;
  return (
    <div className={`verdict verdict-${words.tone}`} role="status">
      <Icon name={icon[words.tone]} />
      <span>
        <strong>{words.title}</strong>
        {words.detail !== null && <span className="verdict-detail"> {words.detail}</span>}
        {words.title.includes("wallet") && <Link to="/wallet"> Open the wallet</Link>}
      </span>
    </div>
  );
}

interface CostProps {
  preview: MessagePreview | null;
  isText: boolean;
  hasText: boolean;
}

function Cost({ preview, isText, hasText }: CostProps) {
  const parts: string[] = [];
  const segments = preview?.segments;
  if (isText && hasText && segments) parts.push(`${segments} segment${segments === 1 ? "" : "s"}`);
  if (isText && hasText && preview?.encoding) parts.push(encodingName(preview.encoding));
  if (hasText && preview?.price) parts.push(formatMoney(preview.price));
  return (
    <output className="composer-cost muted number" aria-label="Cost">
      {parts.join(" · ")}
    </output>
  );
}

function encodingName(encoding: string): string {
  switch (encoding) {
    case "gsm7":
      return "GSM-7";
    case "ucs2":
      return "Unicode";
    default:
      return encoding;
  }
}
