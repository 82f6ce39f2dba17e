import { useState } from "react";
import type { Channel, Contact, TimelineEntry } from "../../api/types";
import { channels } from "../../api/types";
import { Icon } from "../../ui/Icon";
import { Time } from "../../ui/Time";
import { channelIcons } from "../contacts/ConsentIcons";
import { channelNames, consentWords } from "../contacts/names";
import { OptInDialog } from "./OptInDialog";
import { OptOutDialog } from "./OptOutDialog";
import { optOutWord } from "./verdict";

interface ConsentCardProps {
  contact: Contact;
  entries: TimelineEntry[] | null;
  onChanged: () => void;
}

type Opened = { dialog: "in" | "out"; channel: Channel } | null;

/** What the person agreed to, per channel, since when, and how to record a change. */
export function ConsentCard({ contact, entries, onChanged }: ConsentCardProps) {
  const [opened, setOpened] = useState<Opened>(null);
  const done = () => {
    setOpened(null);
    onChanged();
  };
  return (
    <section className="card" aria-labelledby="consent-title">
      <header className="card-head">
        <h2 id="consent-title">Consent</h2>
      </header>
      <ul className="consents">
        {channels.map((channel) => (
          <Row
            key={channel}
            channel={channel}
            contact={contact}
            said={channel === "sms" ? optOutWord(entries ?? []) : null}
            onOpen={(dialog) => setOpened({ dialog, channel })}
          />
        ))}
      </ul>
      {opened?.dialog === "in" && (
        <OptInDialog
          contact={contact}
          channel={opened.channel}
          onClose={() => setOpened(null)}
          onDone={done}
        />
      )}
      {opened?.dialog === "out" && (
        <OptOutDialog
          contact={contact}
          channel={opened.channel}
          onClose={() => setOpened(null)}
          onDone={done}
        />
      )}
    </section>
  );
}

interface RowProps {
  channel: Channel;
  contact: Contact;
  said: string | null;
  onOpen: (dialog: "in" | "out") => void;
}

function Row({ channel, contact, said, onOpen }: RowProps) {
  const consent = contact.consent[channel];
  const status = consent?.status ?? "none";
  const isOut = status === "opted_out";
  return (
    <li className="consent" data-channel={channel} data-status={status}>
      <span className={`consent-icon consent-${status}`}>
        <Icon name={channelIcons[channel]} />
      </span>
      <span className="consent-channel">{channelNames[channel]}</span>
      <span className="consent-state muted small">
        {consentWords(status)}
        {status === "opted_in" && consent?.purpose && `, ${consent.purpose}`}
        {isOut && said !== null && ` by ${said}`}
        {status !== "none" && consent?.since && (
          <>
            {" · "}
            <Time at={consent.since} show="date" />
          </>
        )}
      </span>
      {status !== "opted_in" && (
        <button
          type="button"
          className="button button-quiet"
          aria-label={`Record an opt-in for ${channelNames[channel]}`}
          onClick={() => onOpen("in")}
        >
          Opt in
        </button>
      )}
      {!isOut && (
        <button
          type="button"
          className="button button-quiet"
          aria-label={`Record an opt-out for ${channelNames[channel]}`}
          onClick={() => onOpen("out")}
        >
          Opt out
        </button>
      )}
    </li>
  );
}
