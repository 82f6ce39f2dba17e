import { useRef, useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { Campaign, List } from "../../api/types";
import { Link } from "../../app/router";
import { Async } from "../../ui/Async";
import { Icon } from "../../ui/Icon";
import { useKeys } from "../../ui/keys";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { Time } from "../../ui/Time";
import { useRowKeys } from "../../ui/useRowKeys";
import { CampaignStatus } from "./CampaignStatus";
import { ConservationBar } from "./ConservationBar";
import { NewCampaignDialog } from "./NewCampaignDialog";

const calmMillis = 1_000;

/** One message to many people. */
export function CampaignsScreen() {
  const [isCreating, setCreating] = useState(false);
  const campaigns = useQuery<List<Campaign>>("/api/campaigns?limit=200");
  useLive(campaigns, ["campaign.*"], calmMillis);
  useKeys({ n: () => setCreating(true) });
  return (
    <Page
      title="Campaigns"
      actions={
        <button type="button" className="button button-primary" onClick={() => setCreating(true)}>
          <Icon name="plus" />
          New campaign
        </button>
      }
    >
      <Async query={campaigns}>
        {(list) =>
          list.data.length === 0 ? (
            <EmptyState title="No campaigns yet." icon="megaphone">
              <p className="muted">Write one text to everybody in a segment.</p>
              <button type="button" className="button" onClick={() => setCreating(true)}>
                New campaign
              </button>
            </EmptyState>
          ) : (
            <CampaignsTable campaigns={list.data} />
          )
        }
      </Async>
      {isCreating && <NewCampaignDialog onClose={() => setCreating(false)} />}
    </Page>
  );
}

function CampaignsTable({ campaigns }: { campaigns: Campaign[] }) {
  const table = useRef<HTMLTableElement>(null);
  useRowKeys(table);
  return (
    <div className="table-frame card">
      <table ref={table} className="table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Status</th>
            <th scope="col" className="progress-column wide-only">
              Progress
            </th>
            <th scope="col" className="right">
              Planned
            </th>
            <th scope="col" className="wide-only">
              Created
            </th>
          </tr>
        </thead>
        <tbody>
          {campaigns.map((campaign) => (
            <tr key={campaign.id}>
              <td>
                <Link className="row-link" to={`/campaigns/${campaign.id}`}>
                  {campaign.name}
                </Link>
              </td>
              <td>
                <CampaignStatus status={campaign.status} />
              </td>
              <td className="wide-only">{(campaign.planned ?? 0) > 0 && <ConservationBar campaign={campaign} />}</td>
              <td className="right number">
                {campaign.status === "draft" ? "–" : (campaign.planned ?? 0).toLocaleString("en-US")}
              </td>
              <td className="nowrap muted wide-only">
                <Time at={campaign.created_at} show="date" />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
