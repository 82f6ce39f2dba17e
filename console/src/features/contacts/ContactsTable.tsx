import { useRef } from "react";
import type { Contact } from "../../api/types";
import { Link } from "../../app/router";
import { useRowKeys } from "../../ui/useRowKeys";
import { formatPhone } from "../../ui/phone";
import { ConsentIcons } from "./ConsentIcons";
import { contactName, initials } from "./names";

const shownTagCount = 3;

interface ContactsTableProps {
  contacts: Contact[];
  onTag: (tag: string) => void;
}

/** The list itself. `j` and `k` move the focus along the names, Enter follows the link. */
export function ContactsTable({ contacts, onTag }: ContactsTableProps) {
  const table = useRef<HTMLTableElement>(null);
  useRowKeys(table);
  return (
    <div className="table-frame card">
      <table ref={table} className="table contacts-table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Phone</th>
            <th scope="col">Email</th>
            <th scope="col">Tags</th>
            <th scope="col">Consent</th>
          </tr>
        </thead>
        <tbody>
          {contacts.map((contact) => (
            <Row key={contact.id} contact={contact} onTag={onTag} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ contact, onTag }: { contact: Contact; onTag: (tag: string) => void }) {
  const name = contactName(contact);
  const hidden = contact.tags.slice(shownTagCount);
  return (
    <tr>
      <td>
        <div className="cell-name">
          <span className="avatar" aria-hidden="true">
            {initials(contact)}
          </span>
          <span className="cell-name-text">
            <Link className="row-link" to={`/contacts/${contact.id}`}>
              {name}
            </Link>
            {contact.company && contact.company !== name && (
              <span className="muted small clip">{contact.company}</span>
            )}
          </span>
        </div>
      </td>
      <td className="cell-phone number">{contact.phone ? formatPhone(contact.phone) : <Nothing />}</td>
      <td className="cell-email clip">{contact.email ?? <Nothing />}</td>
      <td className="cell-tags">
        {contact.tags.slice(0, shownTagCount).map((tag) => (
          <button
            key={tag}
            type="button"
            className="tag"
            aria-label={`Filter by tag ${tag}`}
            onClick={() => onTag(tag)}
          >
            {tag}
          </button>
        ))}
        {hidden.length > 0 && (
          <span className="muted small" title={hidden.join(", ")}>
            +{hidden.length}
          </span>
        )}
      </td>
      <td className="cell-consent">
        <ConsentIcons consent={contact.consent} />
      </td>
    </tr>
  );
}

function Nothing() {
  return <span className="nothing">–</span>;
}
