import { AuditScreen } from "../features/audit/AuditScreen";
import { CallsScreen } from "../features/calls/CallsScreen";
import { CampaignScreen } from "../features/campaigns/CampaignScreen";
import { CampaignsScreen } from "../features/campaigns/CampaignsScreen";
import { ClientsScreen } from "../features/clients/ClientsScreen";
import { ContactScreen } from "../features/contact/ContactScreen";
import { ContactsScreen } from "../features/contacts/ContactsScreen";
import { OperationsScreen } from "../features/operations/OperationsScreen";
import { SegmentScreen } from "../features/segments/SegmentScreen";
import { SegmentsScreen } from "../features/segments/SegmentsScreen";
import { SendingScreen } from "../features/sending/SendingScreen";
import { TemplatesScreen } from "../features/templates/TemplatesScreen";
import { WalletScreen } from "../features/wallet/WalletScreen";
import { WebhooksScreen } from "../features/webhooks/WebhooksScreen";
import { WorkflowScreen } from "../features/workflows/WorkflowScreen";
import { WorkflowsScreen } from "../features/workflows/WorkflowsScreen";
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
    case "segments":
      return id === undefined ? <SegmentsScreen /> : <SegmentScreen key={id} id={id} />;
    case "campaigns":
      return id === undefined ? <CampaignsScreen /> : <CampaignScreen key={id} id={id} />;
    case "workflows":
      return id === undefined ? <WorkflowsScreen /> : <WorkflowScreen key={id} id={id} />;
    case "calls":
      return id === undefined ? <CallsScreen /> : <NotFound />;
    case "sending":
      return id === undefined ? <SendingScreen /> : <NotFound />;
    case "wallet":
      return id === undefined ? <WalletScreen /> : <NotFound />;
    case "audit":
      return id === undefined ? <AuditScreen query={place.query} /> : <NotFound />;
    case "templates":
      return id === undefined ? <TemplatesScreen /> : <NotFound />;
    case "webhooks":
      return id === undefined ? <WebhooksScreen /> : <NotFound />;
    case "operations":
      return id === undefined ? <OperationsScreen /> : <NotFound />;
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
