import { useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { Channel, Contact, List, Template, TemplatePreview } from "../../api/types";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";
import { Findings } from "../../ui/Findings";
import { FailureNote } from "../../ui/states";

interface TemplateDialogProps {
  /** null: a new one. */
  template: Template | null;
  onSaved: () => void;
  onClose: () => void;
}

/** Writes a template's next version, and shows what a person would get of the one before. */
export function TemplateDialog({ template, onSaved, onClose }: TemplateDialogProps) {
  const [name, setName] = useState(template?.name ?? "");
  const [channel, setChannel] = useState<Channel>(template?.channel ?? "sms");
  const [subject, setSubject] = useState(template?.subject ?? "");
  const [body, setBody] = useState(template?.body ?? "");
  const [html, setHTML] = useState(template?.html ?? "");
  const write = useWrite();
  const problems = problemsOf(write);
  const submit = async () => {
    const content = {
      name,
      body,
      ...(channel === "email" && { subject }),
      ...(channel === "email" && html.trim() !== "" && { html }),
    };
    const saved =
      template === null
        ? await write.run("POST", "/api/templates", { channel, ...content })
        : await write.run("PUT", `/api/templates/${template.id}`, content);
    if (saved !== null) onSaved();
  };
  return (
    <FormDialog
      title={template === null ? "New template" : `Edit ${template.name}`}
      action={template === null ? "Create template" : `Save as version ${template.latest_version + 1}`}
      doing="Saving…"
      write={write}
      noValidate
      onSubmit={submit}
      onClose={onClose}
    >
      <Field label="Name" problem={problems.get("name")}>
        <input required value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      {template === null && (
        <Field label="Channel">
          <select value={channel} onChange={(event) => setChannel(event.target.value as Channel)}>
            <option value="sms">Text</option>
            <option value="email">Email</option>
            <option value="voice">Call</option>
          </select>
        </Field>
      )}
      {channel === "email" && (
        <Field label="Subject" problem={problems.get("subject")}>
          <input value={subject} onChange={(event) => setSubject(event.target.value)} />
        </Field>
      )}
      <Field
        label="Text"
        hint="With fields such as {{first_name|there}}, and blocks such as {{#if company}}…{{else}}…{{/if}}"
        problem={problems.get("body")}
      >
        <textarea rows={5} value={body} onChange={(event) => setBody(event.target.value)} />
      </Field>
      {channel === "email" && (
        <Field label="HTML" problem={problems.get("html")}>
          <textarea rows={5} value={html} onChange={(event) => setHTML(event.target.value)} />
        </Field>
      )}
      {template !== null && <Findings findings={template.findings} />}
      {template !== null && <Preview template={template} />}
    </FormDialog>
  );
}

/** The saved version, as one of the contacts would get it. */
function Preview({ template }: { template: Template }) {
  const contacts = useQuery<List<Contact>>("/api/contacts?limit=20");
  const [shown, setShown] = useState<TemplatePreview | null>(null);
  const write = useWrite();
  const show = async (contact: string) => {
    setShown(null);
    if (contact === "") return;
    const path = `/api/templates/${template.id}/preview`;
    const purpose = "transactional";
    setShown(await write.run<TemplatePreview>("POST", path, { contact, purpose }));
  };
  return (
    <>
      <Field label={`Version ${template.latest_version} as`}>
        <select defaultValue="" onChange={(event) => void show(event.target.value)}>
          <option value="">nobody</option>
          {(contacts.data?.data ?? []).map((contact) => (
            <option key={contact.id} value={contact.id}>
              {[contact.first_name, contact.last_name].filter(Boolean).join(" ") || contact.id}
            </option>
          ))}
        </select>
      </Field>
      <FailureNote failure={write.failure} />
      {shown !== null && (
        <div className="card" role="status">
          {shown.missing.length > 0 ? (
            <p>
              Without value and fallback: <code>{shown.missing.join(", ")}</code>
            </p>
          ) : (
            <>
              {shown.subject && <strong>{shown.subject}</strong>}
              <p className="bubble-body">{shown.body}</p>
            </>
          )}
        </div>
      )}
    </>
  );
}
