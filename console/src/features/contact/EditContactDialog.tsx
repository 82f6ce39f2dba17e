import { useState } from "react";
import { useWrite } from "../../api/hooks";
import type { Contact, CustomValue } from "../../api/types";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";

const fields = [
  ["first_name", "First name"],
  ["last_name", "Last name"],
  ["phone", "Phone"],
  ["email", "Email"],
  ["company", "Company"],
] as const;

interface EditContactDialogProps {
  contact: Contact;
  onClose: () => void;
  onSaved: () => void;
}

/** Changes what was changed and nothing else; refuses when somebody else was quicker. */
export function EditContactDialog({ contact, onClose, onSaved }: EditContactDialogProps) {
  const [draft, setDraft] = useState<Record<string, string>>(() => textsOf(contact));
  const write = useWrite();
  const problems = problemsOf(write);
  const isStale = write.failure?.code === "version_mismatch";

  const submit = async () => {
    const changes = changesOf(contact, draft);
    if (Object.keys(changes).length === 0) {
      onClose();
      return;
    }
    const options = { ifMatch: `"v${contact.version}"` };
    const saved = await write.run("PATCH", `/api/contacts/${contact.id}`, changes, options);
    if (saved !== null) onSaved();
  };

  const input = (name: string, label: string) => (
    <Field key={name} label={label} problem={problems.get(name)}>
      <input
        value={draft[name] ?? ""}
        onChange={(event) => setDraft({ ...draft, [name]: event.target.value })}
      />
    </Field>
  );
  return (
    <FormDialog
      title="Edit contact"
      action="Save"
      doing="Saving…"
      write={write}
      note={
        isStale ? (
          <p className="note note-amber" role="alert">
            Somebody changed this contact in the meantime. Close this and look again.
          </p>
        ) : undefined
      }
      onSubmit={submit}
      onClose={onClose}
    >
      {fields.map(([name, label]) => input(name, label))}
      {Object.keys(contact.custom ?? {}).map((name) =>
        input(`custom.${name}`, name.replace(/_/g, " ")),
      )}
    </FormDialog>
  );
}

function textsOf(contact: Contact): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name] of fields) texts[name] = contact[name] ?? "";
  for (const [name, value] of Object.entries(contact.custom ?? {})) {
    texts[`custom.${name}`] = value === null ? "" : String(value);
  }
  return texts;
}

/** The fields whose text differs; null clears one. Custom values keep their type. */
function changesOf(contact: Contact, draft: Record<string, string>): Record<string, unknown> {
  const before = textsOf(contact);
  const changes: Record<string, unknown> = {};
  const custom: Record<string, CustomValue> = {};
  for (const [name, text] of Object.entries(draft)) {
    if (text.trim() === before[name]) continue;
    const key = name.replace(/^custom\./, "");
    if (key === name) changes[name] = text.trim() || null;
    else custom[key] = sameType(contact.custom?.[key] ?? null, text.trim());
  }
  return Object.keys(custom).length === 0 ? changes : { ...changes, custom };
}

function sameType(before: CustomValue, text: string): CustomValue {
  if (text === "") return null;
  if (typeof before === "number" && Number.isFinite(Number(text))) return Number(text);
  if (typeof before === "boolean") return text === "true";
  return text;
}
