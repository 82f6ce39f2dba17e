import { useState } from "react";
import { useWrite } from "../../api/hooks";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { FailureNote } from "../../ui/states";
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
    <Dialog title={`Opt out of ${channelNames[channel]}`} onClose={onClose}>
      <p className="muted">
        From now on {contactName(contact)} gets nothing over {channelNames[channel]}, messages that
        wait included. Only a new opt-in changes that.
      </p>
      <FailureNote failure={write.failure} />
      <Field label="How they asked">
        <select value={method} onChange={(event) => setMethod(event.target.value)}>
          <option value="call">By phone</option>
          <option value="staff">Told a member of staff</option>
        </select>
      </Field>
      <DialogActions>
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button button-danger"
          disabled={write.isBusy}
          onClick={() => void record()}
        >
          {write.isBusy ? "Recording…" : "Record opt-out"}
        </button>
      </DialogActions>
    </Dialog>
  );
}
