import { useEffect, useState } from "react";
import { useWrite } from "../../api/hooks";
import type { Contact } from "../../api/types";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Field } from "../../ui/Field";
import { channelNames, contactName } from "../contacts/names";

interface EraseDialogProps {
  contact: Contact;
  onClose: () => void;
  onDone: () => void;
}

/** What `POST /api/privacy/erasures?dry_run=true` tells. */
interface ErasurePreview {
  goes: { messages: number; messages_cancelled: number; runs_ended: number };
  stays: {
    opt_outs: (keyof typeof channelNames)[];
    lists: { list: string; channel: keyof typeof channelNames }[];
  };
}

const reasons = [
  ["person_asked", "The person asked for it"],
  ["consent_withdrawn", "They took their consent back"],
  ["objection", "They object"],
  ["no_longer_needed", "The data is not needed any more"],
  ["unlawful", "It should not have been kept"],
  ["legal_obligation", "A law or an authority says so"],
] as const;

/** Says what goes and what stays; there is no way back. */
export function EraseDialog({ contact, onClose, onDone }: EraseDialogProps) {
  const [reason, setReason] = useState<string>(reasons[0][0]);
  const [preview, setPreview] = useState<ErasurePreview | null>(null);
  const look = useWrite();
  const write = useWrite();
  const { run } = look;
  useEffect(() => {
    const body = { contact: contact.id };
    void run<ErasurePreview>("POST", "/api/privacy/erasures?dry_run=true", body).then(setPreview);
  }, [run, contact.id]);
  const erase = async () => {
    const body = { contact: contact.id, reason };
    if ((await write.run("POST", "/api/privacy/erasures", body)) !== null) onDone();
  };
  return (
    <ConfirmDialog
      title={`Erase ${contactName(contact)}?`}
      action="Erase for good"
      isDangerous
      write={look.failure === null ? write : look}
      onConfirm={erase}
      onClose={onClose}
    >
      <p className="erase-note">
        Goes: name, addresses, fields, consent wording and every text
        {preview === null ? "" : ` (messages: ${preview.goes.messages})`}, here and in the log. It
        cannot be undone, not even from a backup.
        {preview !== null && preview.goes.messages_cancelled + preview.goes.runs_ended > 0
          ? ` Waiting messages (${preview.goes.messages_cancelled}) and workflow runs (${preview.goes.runs_ended}) end.`
          : ""}
      </p>
      <p className="erase-note">
        Stays: that something happened, when and at what cost
        {preview === null || preview.stays.opt_outs.length === 0
          ? "."
          : `, and the opt-out of ${preview.stays.opt_outs.map((it) => channelNames[it]).join(", ")} as a code of the address, so that nobody writes to it again.`}
      </p>
      {preview !== null && preview.stays.lists.length > 0 && (
        <p className="erase-note">
          Stays: an address of theirs on this account&apos;s lists (
          {preview.stays.lists
            .map((it) => `${it.list.replaceAll("_", " ")}, ${channelNames[it.channel]}`)
            .join("; ")}
          ), which show it no more; readable in the log for good.
        </p>
      )}
      <Field label="Why">
        <select value={reason} onChange={(event) => setReason(event.target.value)}>
          {reasons.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </Field>
    </ConfirmDialog>
  );
}
