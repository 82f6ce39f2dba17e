import { PlainLink } from "../../app/router";
import { useActing } from "../../app/session";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

/** An agency's first page: for whom do you want to work? */
export function ClientsScreen() {
  const { session } = useActing();
  const clients = session.accounts.filter(({ id }) => id !== session.account.id);
  return (
    <Page title="Clients" note={clients.length > 0 ? String(clients.length) : undefined}>
      {clients.length === 0 ? (
        <EmptyState title="This agency has no clients yet." icon="people" />
      ) : (
        <ul className="tiles">
          {clients.map((client) => (
            <li key={client.id}>
              <PlainLink className="tile card" href={`/${client.id}/contacts`}>
                <span className="tile-title">{client.name}</span>
                <span className="muted small">{client.time_zone.replace(/_/g, " ")}</span>
                <span className="tile-badges">
                  {client.test && <span className="badge badge-amber">Test</span>}
                  <span
                    className={client.status === "active" ? "badge badge-green" : "badge badge-red"}
                  >
                    {client.status.replace("_", " ")}
                  </span>
                </span>
              </PlainLink>
            </li>
          ))}
        </ul>
      )}
    </Page>
  );
}
