import { useState } from "react";
import { useQuery } from "../../api/hooks";
import type { Account, List } from "../../api/types";
import { PlainLink, withQuery } from "../../app/router";
import { useActing } from "../../app/session";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState } from "../../ui/states";
import { useInnerCursors } from "../../ui/useCursors";

const pageSize = 60;

/** An agency's first page: for whom do you want to work? */
export function ClientsScreen() {
  const { session } = useActing();
  const [search, setSearch] = useState("");
  const cursors = useInnerCursors(pageSize);
  const clients = useQuery<List<Account>>(
    withQuery("/api/accounts", {
      q: search === "" ? null : search,
      filter: JSON.stringify({ field: "kind", op: "eq", value: "client" }),
      sort: "name",
      after: cursors.after,
      limit: String(pageSize),
    }),
  );
  const count = session.account_count - 1;
  return (
    <Page title="Clients" note={count > 0 ? count.toLocaleString("en-US") : undefined}>
      {count > pageSize && (
        <input
          type="search"
          aria-label="Find a client"
          placeholder="Find a client"
          value={search}
          onChange={(event) => {
            setSearch(event.target.value);
            cursors.restart();
          }}
        />
      )}
      <PagedList
        query={clients}
        cursors={cursors}
        empty={
          <EmptyState
            title={count === 0 ? "This agency has no clients yet." : "No client of that name."}
            icon="people"
          />
        }
      >
        {(rows) => (
          <ul className="tiles">
            {rows.map((client) => (
              <ClientTile key={client.id} client={client} />
            ))}
          </ul>
        )}
      </PagedList>
    </Page>
  );
}

function ClientTile({ client }: { client: Account }) {
  return (
    <li>
      <PlainLink className="tile card" href={`/${client.id}/contacts`}>
        <span className="tile-title">{client.name}</span>
        <span className="muted small">{client.time_zone.replace(/_/g, " ")}</span>
        <span className="tile-badges">
          {client.test && <span className="badge badge-amber">Test</span>}
          <span className={client.status === "active" ? "badge badge-green" : "badge badge-red"}>
            {client.status.replace("_", " ")}
          </span>
        </span>
      </PlainLink>
    </li>
  );
}
