import type { FormEvent } from "react";
import { useState } from "react";
import { useQuery } from "../../api/hooks";
import type { AuditEvent, List } from "../../api/types";
import { Link, useNavigator, withQuery } from "../../app/router";
import { useActing } from "../../app/session";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { useCursors } from "../../ui/useCursors";
import { AuditTable } from "./AuditTable";
import { startOfDay } from "./days";

const pageSize = 50;

type Filters = Record<"type" | "actor" | "contact" | "from" | "to", string>;

/** Who did what, when, on whose behalf, and what the rules said. */
export function AuditScreen({ query }: { query: URLSearchParams }) {
  const { account } = useActing();
  const { go } = useNavigator();
  const filters = readFilters(query);
  const cursors = useCursors(query, pageSize, (after) => withQuery("/audit", { ...filters, after }));
  const events = useQuery<List<AuditEvent>>(
    withQuery("/api/audit/events", {
      ...filters,
      from: startOfDay(filters.from, account.time_zone),
      to: startOfDay(filters.to, account.time_zone, 1),
      after: cursors.after,
      limit: String(pageSize),
    }),
  );
  const isFiltered = Object.values(filters).some((value) => value !== "");
  return (
    <Page title="Audit">
      <FilterBar
        key={JSON.stringify(filters)}
        filters={filters}
        onFilter={(changed) => go(withQuery("/audit", changed))}
      />
      <PagedList
        query={events}
        cursors={cursors}
        empty={
          <EmptyState title={isFiltered ? "Nothing matches." : "Nothing on record yet."} icon="audit">
            {isFiltered && (
              <Link className="button" to="/audit">
                Show everything
              </Link>
            )}
          </EmptyState>
        }
      >
        {(rows) => <AuditTable events={rows} />}
      </PagedList>
    </Page>
  );
}

function readFilters(query: URLSearchParams): Filters {
  const read = (name: string) => query.get(name) ?? "";
  return {
    type: read("type"),
    actor: read("actor"),
    contact: read("contact"),
    from: read("from"),
    to: read("to"),
  };
}

interface FilterBarProps {
  filters: Filters;
  onFilter: (filters: Filters) => void;
}

function FilterBar({ filters, onFilter }: FilterBarProps) {
  const [draft, setDraft] = useState(filters);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onFilter(draft);
  };
  const input = (name: keyof Filters, label: string, kind: string, placeholder = "") => (
    <label className="filter-field">
      <span>{label}</span>
      <input
        type={kind}
        placeholder={placeholder}
        value={draft[name]}
        onChange={(event) => setDraft({ ...draft, [name]: event.target.value })}
      />
    </label>
  );
  return (
    <form className="toolbar filters" onSubmit={submit} aria-label="Filter">
      {input("type", "Event", "text", "contact.opted_out")}
      {input("actor", "Actor", "text", "usr_…")}
      {input("contact", "Contact", "text", "con_…")}
      {input("from", "From", "date")}
      {input("to", "To", "date")}
      <button type="submit" className="button">
        Filter
      </button>
    </form>
  );
}
