import type { Channel, Contact } from "../../api/types";
import { channels } from "../../api/types";
import type { IconName } from "../../ui/Icon";
import { Icon } from "../../ui/Icon";
import { channelNames, consentWords } from "./names";

export const channelIcons: Record<Channel, IconName> = {
  sms: "message",
  voice: "phone",
  email: "mail",
};

/** Where a contact stands on each channel: by shape, colour, and words for who sees neither. */
export function ConsentIcons({ consent }: { consent: Contact["consent"] }) {
  return (
    <span className="consent-icons">
      {channels.map((channel) => {
        const status = consent[channel]?.status ?? "none";
        const words = `${channelNames[channel]}: ${consentWords(status)}`;
        return (
          <span key={channel} className={`consent-icon consent-${status}`} title={words}>
            <Icon name={channelIcons[channel]} />
            <span className="visually-hidden">{words}</span>
          </span>
        );
      })}
    </span>
  );
}
