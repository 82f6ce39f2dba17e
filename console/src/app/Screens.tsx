import { ClientsScreen } from "../features/clients/ClientsScreen";
import { ContactScreen } from "../features/contact/ContactScreen";
import { ContactsScreen } from "../features/contacts/ContactsScreen";
import { Page } from "../ui/Page";
import { EmptyState } from "../ui/states";
import type { Place } from "./router";
import { Link } from "./router";
import { useActing } from "./session";

/** The screen of an address. */
export function Screens({ place }: { place: Place }) {
  const { account, isAgencyUser } = useActing();
  const [section = "", id, rest] = place.path.slice(1).split("/").map(decodeURIComponent);
  if (rest !== undefined) return <NotFound />;
  switch (section) {
    case "":
      return isAgencyUser && account.kind === "agency" ? (
        <ClientsScreen />
      ) : (
        <ContactsScreen query={place.query} />
      );
    case "contacts":
      return id === undefined ? (
        <ContactsScreen query={place.query} />
      ) : (
        <ContactScreen key={id} id={id} />
      );
    default:
      return <NotFound />;
  }
}

function NotFound() {
  return (
    <Page title="Nothing here">
      <EmptyState title="This address leads nowhere." icon="search">
        <Link className="button" to="/contacts">
          Go to contacts
        </Link>
      </EmptyState>
    </Page>
  );
}
