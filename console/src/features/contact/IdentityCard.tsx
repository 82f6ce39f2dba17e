import type { ReactNode } from "react";
import { useState } from "react";
import type { Contact } from "../../api/types";
import { formatPhone } from "../../ui/phone";
import { Time } from "../../ui/Time";
import { EditContactDialog } from "./EditContactDialog";

interface CardProps {
  contact: Contact;
  onChanged: () => void;
}

/** Who the person is. */
export function IdentityCard({ contact, onChanged }: CardProps) {
  const [isEditing, setEditing] = useState(false);
  return (
    <section className="card" aria-labelledby="identity-title">
      <header className="card-head">
        <h2 id="identity-title">Details</h2>
        <button type="button" className="button button-quiet" onClick={() => setEditing(true)}>
          Edit
        </button>
      </header>
      <dl className="facts">
        <Fact name="Phone">
          {contact.phone && (
            <span className="number" title={contact.phone}>
              {formatPhone(contact.phone)}
            </span>
          )}
        </Fact>
        <Fact name="Email">
          {contact.email && <a href={`mailto:${contact.email}`}>{contact.email}</a>}
        </Fact>
        <Fact name="Company">{contact.company}</Fact>
        {Object.entries(contact.custom ?? {}).map(([name, value]) => (
          <Fact key={name} name={name.replace(/_/g, " ")}>
            {value === null ? null : String(value)}
          </Fact>
        ))}
        <Fact name="Source">{contact.source}</Fact>
        <Fact name="Added">
          <Time at={contact.created_at} show="date" />
        </Fact>
      </dl>
      {isEditing && (
        <EditContactDialog
          contact={contact}
          onClose={() => setEditing(false)}
          onSaved={() => {
            setEditing(false);
            onChanged();
          }}
        />
      )}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children || <span className="nothing">–</span>}</dd>
    </div>
  );
}
