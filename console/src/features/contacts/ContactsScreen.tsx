import { useEffect, useRef, useState } from "react";
import { useQuery } from "../../api/hooks";
import type { Contact, List } from "../../api/types";
import { Link, useNavigator, withQuery } from "../../app/router";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { useCursors } from "../../ui/useCursors";
import { useDebounced } from "../../ui/useDebounced";
import { ContactsTable } from "./ContactsTable";
import { ImportDialog } from "./ImportDialog";
import { NewContactDialog } from "./NewContactDialog";

const pageSize = 50;
const typingMillis = 200;

type Opened = "new" | "import" | null;

/** Everybody the org knows. Search, tag and page live in the address. */
export function ContactsScreen({ query }: { query: URLSearchParams }) {
  const { go } = useNavigator();
  const search = useRef<HTMLInputElement>(null);
  const [opened, setOpened] = useState<Opened>(null);
  const q = query.get("q") ?? "";
  const tag = query.get("tag") ?? "";
  const cursors = useCursors(query, pageSize, (after) => withQuery("/contacts", { q, tag, after }));
  const contacts = useQuery<List<Contact>>(
    withQuery("/api/contacts", {
      q,
      tag,
      after: cursors.after,
      limit: String(pageSize),
      sort: "-created_at",
      count: "exact",
    }),
  );
  useKeys({ "/": () => search.current?.focus(), n: () => setOpened("new") });

  const show = (values: { q?: string; tag?: string }) =>
    go(withQuery("/contacts", { q, tag, ...values }), { replace: true });
  const total = contacts.data?.total;
  return (
    <Page
      title="Contacts"
      note={total === undefined ? undefined : <span className="number">{formatCount(total)}</span>}
      actions={
        <>
          <button type="button" className="button" onClick={() => setOpened("import")}>
            <Icon name="upload" />
            Import CSV
          </button>
          <button type="button" className="button button-primary" onClick={() => setOpened("new")}>
            <Icon name="plus" />
            New contact
          </button>
        </>
      }
    >
      <div className="toolbar">
        <SearchField value={q} onSearch={(text) => show({ q: text })} inputRef={search} />
        <TagFilter value={tag} contacts={contacts.data?.data ?? []} onTag={(t) => show({ tag: t })} />
      </div>
      <PagedList
        query={contacts}
        cursors={cursors}
        empty={<NoContacts isFiltered={q !== "" || tag !== ""} onOpen={setOpened} />}
      >
        {(rows) => <ContactsTable contacts={rows} onTag={(name) => show({ tag: name })} />}
      </PagedList>
      {opened === "new" && <NewContactDialog onClose={() => setOpened(null)} />}
      {opened === "import" && (
        <ImportDialog onImported={() => contacts.reload()} onClose={() => setOpened(null)} />
      )}
    </Page>
  );
}

function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

interface SearchFieldProps {
  value: string;
  onSearch: (text: string) => void;
  inputRef: React.RefObject<HTMLInputElement>;
}

function SearchField({ value, onSearch, inputRef }: SearchFieldProps) {
  const [typed, setTyped] = useState(value);
  const settled = useDebounced(typed, typingMillis);
  const latest = useRef({ value, onSearch });
  latest.current = { value, onSearch };
  useEffect(() => {
    if (settled !== latest.current.value) latest.current.onSearch(settled);
  }, [settled]);
  // The address changed by other means, such as the way back.
  useEffect(() => setTyped(value), [value]);
  return (
    <div className="search">
      <Icon name="search" />
      <input
        ref={inputRef}
        type="search"
        aria-label="Search contacts"
        placeholder="Search name, email, phone or company"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

interface TagFilterProps {
  value: string;
  contacts: Contact[];
  onTag: (tag: string) => void;
}

function TagFilter({ value, contacts, onTag }: TagFilterProps) {
  const [typed, setTyped] = useState("");
  const known = [...new Set(contacts.flatMap(({ tags }) => tags))].sort();
  if (value !== "") {
    return (
      <span className="filter-chip">
        <Icon name="tag" />
        {value}
        <button type="button" aria-label={`Clear tag ${value}`} onClick={() => onTag("")}>
          <Icon name="close" />
        </button>
      </span>
    );
  }
  return (
    <form
      className="tag-filter"
      onSubmit={(event) => {
        event.preventDefault();
        if (typed.trim() !== "") onTag(typed.trim());
        setTyped("");
      }}
    >
      <Icon name="tag" />
      <input
        type="text"
        aria-label="Filter by tag"
        placeholder="Tag"
        list="known-tags"
        value={typed}
        onChange={(event) => {
          const text = event.target.value;
          // Picking a suggestion gives the whole tag at once.
          if (known.includes(text) && text.length > typed.length + 1) onTag(text);
          else setTyped(text);
        }}
      />
      <datalist id="known-tags">
        {known.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </form>
  );
}

interface NoContactsProps {
  isFiltered: boolean;
  onOpen: (opened: Opened) => void;
}

function NoContacts({ isFiltered, onOpen }: NoContactsProps) {
  if (isFiltered) {
    return (
      <EmptyState title="No contact matches." icon="search">
        <Link className="button" to="/contacts">
          Show everybody
        </Link>
      </EmptyState>
    );
  }
  return (
    <EmptyState title="Nobody here yet." icon="people">
      <p className="muted">Bring your list as a CSV, or add one person to begin with.</p>
      <div className="row">
        <button type="button" className="button" onClick={() => onOpen("new")}>
          New contact
        </button>
        <button type="button" className="button button-primary" onClick={() => onOpen("import")}>
          Import CSV
        </button>
      </div>
    </EmptyState>
  );
}
