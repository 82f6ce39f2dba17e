import { useState } from "react";
import { useWrite } from "../../api/hooks";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import { channelNames, contactName } from "../contacts/names";
import type { ConsentDialogProps } from "./OptInDialog";

/** Records a no. It takes effect at once, also for messages that wait. */
export function OptOutDialog({ contact, channel, onClose, onDone }: ConsentDialogProps) {
  const [method, setMethod] = useState("call");
  const write = useWrite();
  const record = async () => {
    const path = `/api/contacts/${contact.id}/opt-outs`;
    if ((await write.run("POST", path, { channel, method })) !== null) onDone();
  };
  return (
    <FormDialog
      title={`Opt out of ${channelNames[channel]}`}
      action="Record opt-out"
      doing="Recording…"
      write={write}
      isDangerous
      onSubmit={record}
      onClose={onClose}
    >
      <p className="muted">
      From now on {contactName(contact)} gets nothing over {channelNames[channel]}, messages that
      wait included. Only a new opt-in changes that.
      </p>
      <Field label="How they asked">
      <select value={method} onChange={(event) => setMethod(event.target.value)}>
        <option value="call">By phone</option>
        <option value="staff">Told a member of staff</option>
      </select>
      </Field>
    </FormDialog>
  );
}
