import { useState } from "react";
import { useWrite } from "../../api/hooks";
import type { Contact } from "../../api/types";
import { Link, useNavigator } from "../../app/router";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";
import { splitTags } from "./tags";

const noDetails = { first_name: "", last_name: "", company: "", email: "", phone: "" };

export function NewContactDialog({ onClose }: { onClose: () => void }) {
  const [details, setDetails] = useState(noDetails);
  const [tags, setTags] = useState("");
  const write = useWrite();
  const { go } = useNavigator();
  const problems = problemsOf(write);
  const set = (name: keyof typeof noDetails) => (event: { target: { value: string } }) =>
    setDetails({ ...details, [name]: event.target.value });

  const submit = async () => {
    const filled = Object.entries(details).filter(([, value]) => value.trim() !== "");
    const body = { ...Object.fromEntries(filled), tags: splitTags(tags), source: "console" };
    const contact = await write.run<Contact>("POST", "/api/contacts", body);
    if (contact !== null) go(`/contacts/${contact.id}`);
  };

  const duplicate = write.failure?.details.find(({ code }) => code === "duplicate_contact");
  return (
    <FormDialog
      title="New contact"
      action="Create contact"
      doing="Creating…"
      write={write}
      note={
        duplicate && (
          <p className="note note-amber" role="alert">
            <span>
              Somebody with this phone or email is here already.{" "}
              <Link to={`/contacts/${duplicate.message}`}>Open that contact</Link>
            </span>
          </p>
        )
      }
      onSubmit={submit}
      onClose={onClose}
    >
      <div className="field-pair">
        <Field label="First name" problem={problems.get("first_name")}>
          <input value={details.first_name} onChange={set("first_name")} />
        </Field>
        <Field label="Last name" problem={problems.get("last_name")}>
          <input value={details.last_name} onChange={set("last_name")} />
        </Field>
      </div>
      <Field
        label="Phone"
        hint="As you have it: (415) 555-0134 or +14155550134"
        problem={problems.get("phone")}
      >
        <input type="tel" value={details.phone} onChange={set("phone")} />
      </Field>
      <Field label="Email" problem={problems.get("email")}>
        <input type="email" value={details.email} onChange={set("email")} />
      </Field>
      <Field label="Company" isOptional problem={problems.get("company")}>
        <input value={details.company} onChange={set("company")} />
      </Field>
      <Field label="Tags" isOptional hint="Separated by commas" problem={problems.get("tags")}>
        <input value={tags} onChange={(event) => setTags(event.target.value)} />
      </Field>
    </FormDialog>
  );
}
