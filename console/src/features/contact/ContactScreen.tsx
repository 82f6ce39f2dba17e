import type { ReactNode } from "react";
import { useState } from "react";
import type { Query } from "../../api/hooks";
import { useQuery } from "../../api/hooks";
import type { Contact } from "../../api/types";
import { Link } from "../../app/router";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { BehindNote, EmptyState, FailureState, Skeleton } from "../../ui/states";
import { useMediaQuery } from "../../ui/useMediaQuery";
import { contactName } from "../contacts/names";
import { Composer } from "./Composer";
import { ConsentCard } from "./ConsentCard";
import { EraseDialog } from "./EraseDialog";
import { IdentityCard } from "./IdentityCard";
import { TagsCard } from "./TagsCard";
import { Timeline } from "./Timeline";
import type { TimelineFilter } from "./useTimeline";
import { everything, useTimeline } from "./useTimeline";

const back = (
  <Link className="back" to="/contacts">
    <Icon name="left" />
    Contacts
  </Link>
);

/** One person: who they are, what they agreed to, all that happened, and a box to text them. */
export function ContactScreen({ id }: { id: string }) {
  const contact = useQuery<Contact>(`/api/contacts/${encodeURIComponent(id)}`);
  if (contact.failure?.code === "erased") {
    return (
      <Page title="Contact" before={back}>
        <ErasedState />
      </Page>
    );
  }
  if (contact.data !== null) return <KnownContact contact={contact.data} query={contact} />;
  return (
    <Page title="Contact" before={back}>
      {contact.failure === null ? (
        <LoadingContact />
      ) : (
        <FailureState failure={contact.failure} onRetry={() => contact.reload()} />
      )}
    </Page>
  );
}

function KnownContact({ contact, query }: { contact: Contact; query: Query<Contact> }) {
  // Counts what happened to this contact, so that the verdict on texting them is asked for anew.
  const [revision, setRevision] = useState(0);
  const [filter, setFilter] = useState<TimelineFilter>(everything);
  const [isErasing, setErasing] = useState(false);
  const [isErased, setErased] = useState(contact.erased === true);
  const timeline = useTimeline(contact.id, filter, (event) => {
    if (event.type.startsWith("contact.")) query.reload(event.position);
    setRevision(event.position);
  });
  const changed = () => {
    query.reload();
    timeline.reload();
    setRevision((before) => before + 1);
  };
  return (
    <Page
      title={isErased ? "Contact" : contactName(contact)}
      note={isErased ? null : contact.company}
      before={back}
    >
      {isErasing && (
        <EraseDialog
          contact={contact}
          onClose={() => setErasing(false)}
          onDone={() => {
            setErasing(false);
            setErased(true);
          }}
        />
      )}
      {isErased ? (
        <ErasedState />
      ) : (
        <div className="contact-grid">
          <About>
            <div className="contact-side">
              <IdentityCard contact={contact} onChanged={changed} />
              <TagsCard contact={contact} onChanged={changed} />
              <button type="button" className="button" onClick={() => setErasing(true)}>
                <Icon name="trash" />
                Erase this person
              </button>
            </div>
            <div className="contact-consent">
              <ConsentCard contact={contact} entries={timeline.entries} onChanged={changed} />
            </div>
          </About>
          <div className="contact-main">
            <BehindNote isBehind={query.isBehind} />
            <Composer
              contact={contact}
              entries={timeline.entries}
              revision={revision}
              onSent={(message) => {
                timeline.add(message);
                timeline.reload();
              }}
            />
            <Timeline
              contact={contact.id}
              timeline={timeline}
              filter={filter}
              onFilter={setFilter}
            />
          </div>
        </div>
      )}
    </Page>
  );
}

function ErasedState() {
  return <EmptyState title="This person's data was erased." icon="trash" />;
}

/** On a phone the conversation comes first, and the rest is one tap away. */
function About({ children }: { children: ReactNode }) {
  const isNarrow = useMediaQuery("(max-width: 48rem)");
  if (!isNarrow) return <>{children}</>;
  return (
    <details className="contact-about">
      <summary className="card">
        Details, tags and consent
        <Icon name="chevron" />
      </summary>
      {children}
    </details>
  );
}

function LoadingContact() {
  return (
    <div className="contact-grid" role="status" aria-label="Loading">
      <div className="contact-side">
        <div className="card card-body">
          <Skeleton width="60%" />
          <Skeleton width="80%" />
          <Skeleton width="40%" />
        </div>
      </div>
      <div className="contact-main">
        <div className="card card-body">
          <Skeleton width="90%" />
          <Skeleton width="50%" />
        </div>
      </div>
    </div>
  );
}
