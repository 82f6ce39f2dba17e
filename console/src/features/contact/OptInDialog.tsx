import { useState } from "react";
import { useWrite } from "../../api/hooks";
import type { Channel, Contact } from "../../api/types";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";
import { channelNames, contactName } from "../contacts/names";

export interface ConsentDialogProps {
  contact: Contact;
  channel: Channel;
  onClose: () => void;
  onDone: () => void;
}

const methods = [
  ["verbal", "In conversation"],
  ["web_form", "Web form"],
  ["paper", "On paper"],
  ["staff", "Other, recorded by staff"],
] as const;

/** Records a yes with what makes it hold: how it was given, where, and the words shown. */
export function OptInDialog({ contact, channel, onClose, onDone }: ConsentDialogProps) {
  const [purpose, setPurpose] = useState("marketing");
  const [method, setMethod] = useState("verbal");
  const [source, setSource] = useState("");
  const [wording, setWording] = useState("");
  const write = useWrite();
  const problems = problemsOf(write);
  const submit = async () => {
    const body = { channel, purpose, method, source, wording };
    const answer = await write.run("POST", `/api/contacts/${contact.id}/consents`, body);
    if (answer !== null) onDone();
  };
  return (
    <FormDialog
      title={`Opt-in for ${channelNames[channel]}`}
      action="Record opt-in"
      doing="Recording…"
      write={write}
      onSubmit={submit}
      onClose={onClose}
    >
      <p className="muted">
        {contactName(contact)} agreed to hear from you. This goes into the record for good.
      </p>
      <Field label="Purpose" problem={problems.get("purpose")}>
        <select value={purpose} onChange={(event) => setPurpose(event.target.value)}>
          <option value="marketing">Marketing</option>
          <option value="transactional">Personal or service</option>
        </select>
      </Field>
      <Field label="How it was given" problem={problems.get("method")}>
        <select value={method} onChange={(event) => setMethod(event.target.value)}>
          {methods.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Where" hint="Such as the page, event or list" problem={problems.get("source")}>
        <input required value={source} onChange={(event) => setSource(event.target.value)} />
      </Field>
      <Field
        label="What they agreed to"
        hint="The exact words they were shown or told"
        problem={problems.get("wording")}
      >
        <textarea
          required
          rows={3}
          value={wording}
          onChange={(event) => setWording(event.target.value)}
        />
      </Field>
    </FormDialog>
  );
}
