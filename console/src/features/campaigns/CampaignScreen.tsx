import { useEffect, useState } from "react";
import type { Query, Write } from "../../api/hooks";
import { useQuery, useWrite } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { Campaign, CampaignCheck, Segment } from "../../api/types";
import { Link } from "../../app/router";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Findings } from "../../ui/Findings";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { BehindNote, FailureNote, FailureState, Skeleton } from "../../ui/states";
import { CampaignMessages } from "./CampaignMessages";
import { CampaignStatus } from "./CampaignStatus";
import { Conservation } from "./ConservationBar";

const runningMillis = 1_500;

const channelNames: Record<string, string> = { sms: "Text", email: "Email", voice: "Call" };

const back = (
  <Link className="back" to="/campaigns">
    <Icon name="left" />
    Campaigns
  </Link>
);

/** A campaign before, while and after it runs. */
export function CampaignScreen({ id }: { id: string }) {
  const path = `/api/campaigns/${encodeURIComponent(id)}`;
  const campaign = useQuery<Campaign>(path);
  useLive(campaign, ["campaign.*"]);
  useWhileRunning(campaign);
  if (campaign.data === null) {
    return (
      <Page title="Campaign" before={back}>
        {campaign.failure === null ? (
          <Skeleton width="60%" />
        ) : (
          <FailureState failure={campaign.failure} onRetry={() => campaign.reload()} />
        )}
      </Page>
    );
  }
  return <KnownCampaign path={path} campaign={campaign.data} query={campaign} />;
}

/** Counts move with every message; while a campaign runs, they are read at a steady pace. */
function useWhileRunning(campaign: Query<Campaign>) {
  const { reload, isLoading } = campaign;
  const isRunning = campaign.data?.status === "running" || (campaign.data?.pending ?? 0) > 0;
  useEffect(() => {
    if (!isRunning || isLoading) return;
    const timer = setTimeout(() => reload(), runningMillis);
    return () => clearTimeout(timer);
  }, [isRunning, isLoading, reload]);
}

interface KnownCampaignProps {
  path: string;
  campaign: Campaign;
  query: Query<Campaign>;
}

function KnownCampaign({ path, campaign, query }: KnownCampaignProps) {
  const segment = useQuery<Segment>(`/api/segments/${encodeURIComponent(campaign.segment)}`);
  const [confirms, setConfirms] = useState<"launch" | "cancel" | null>(null);
  const write = useWrite();
  const act = async (action: string, body?: object) => {
    if ((await write.run("POST", `${path}/${action}`, body)) === null) return;
    setConfirms(null);
    query.reload();
  };
  const close = () => {
    setConfirms(null);
    write.clear();
  };
  const audience = segment.data?.name ?? "the segment";
  const isRunning = campaign.status === "running";
  return (
    <Page
      title={campaign.name}
      before={back}
      note={<CampaignStatus status={campaign.status} />}
      actions={
        <>
          {isRunning && (
            <button
              type="button"
              className="button"
              disabled={write.isBusy}
              onClick={() => void act("pause")}
            >
              Pause
            </button>
          )}
          {campaign.status === "paused" && (
            <button
              type="button"
              className="button button-primary"
              disabled={write.isBusy}
              onClick={() => void act("resume")}
            >
              Resume
            </button>
          )}
          {(isRunning || campaign.status === "paused") && (
            <button type="button" className="button" onClick={() => setConfirms("cancel")}>
              Stop
            </button>
          )}
          {campaign.status === "draft" && (
            <button
              type="button"
              className="button button-primary"
              onClick={() => setConfirms("launch")}
            >
              Launch
            </button>
          )}
        </>
      }
    >
      <BehindNote isBehind={query.isBehind} />
      <div className="stack">
        {campaign.status !== "draft" && <Conservation campaign={campaign} />}
        <section className="card campaign-content" aria-label="Content">
          <dl className="facts">
            <div className="fact">
              <dt>To</dt>
              <dd>
                <Link to={`/segments/${campaign.segment}`}>{segment.data?.name ?? "Segment"}</Link>
                {campaign.status === "draft" && typeof segment.data?.size === "number" && (
                  <span className="muted"> · {segment.data.size.toLocaleString("en-US")} people now</span>
                )}
              </dd>
            </div>
            <div className="fact">
              <dt>As</dt>
              <dd>
                {channelNames[campaign.channel] ?? campaign.channel}, {campaign.purpose}
              </dd>
            </div>
            {campaign.holdout_percent !== null && (
              <div className="fact">
                <dt>Kept out</dt>
                <dd>{campaign.holdout_percent} in 100 people, to compare with</dd>
              </div>
            )}
            {campaign.per_minute !== null && (
              <div className="fact">
                <dt>Pace</dt>
                <dd>{campaign.per_minute.toLocaleString("en-US")} a minute</dd>
              </div>
            )}
          </dl>
          <div className="message message-out">
            <div className="bubble">
              {campaign.subject !== null && <strong>{campaign.subject}</strong>}
              <p className="bubble-body">{campaign.body}</p>
            </div>
          </div>
          {campaign.voicemail !== null && (
            <div className="message message-out">
              <div className="bubble">
                <strong>On an answering machine</strong>
                <p className="bubble-body">{campaign.voicemail}</p>
              </div>
            </div>
          )}
          {campaign.html !== null && (
            <p className="muted small">The email has an HTML part too.</p>
          )}
        </section>
        {campaign.status !== "draft" && (
          <CampaignMessages campaign={campaign.id} revision={query.position} />
        )}
      </div>
      {confirms === "launch" && (
        <LaunchDialog
          path={path}
          title={`Launch ${campaign.name}?`}
          audience={audience}
          write={write}
          onClose={close}
          onConfirm={() => act("launch", { skip_missing: true })}
        />
      )}
      {confirms === "cancel" && (
        <ConfirmDialog
          title={`Stop ${campaign.name}?`}
          action="Stop campaign"
          isDangerous
          write={write}
          onClose={close}
          onConfirm={() => act("cancel")}
        >
          Messages that were not handed over yet are cancelled. What was sent stays sent.
        </ConfirmDialog>
      )}
    </Page>
  );
}

interface LaunchDialogProps {
  path: string;
  title: string;
  audience: string;
  write: Write;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

/** Says what the launch would come to, before it. */
function LaunchDialog({ path, title, audience, write, onConfirm, onClose }: LaunchDialogProps) {
  const check = useQuery<CampaignCheck>(`${path}/check`);
  const found = check.data;
  return (
    <ConfirmDialog
      title={title}
      action={found !== null && found.incomplete > 0 ? "Launch without them" : "Launch"}
      write={write}
      onClose={onClose}
      onConfirm={onConfirm}
    >
      <div className="stack">
        <p>
          It goes to everybody in {audience}
          {found !== null && `, ${found.recipients.toLocaleString("en-US")} people now`}. Who may not
          be written to is skipped, and the reason is recorded.
        </p>
        <FailureNote failure={check.failure} />
        {found !== null && found.incomplete > 0 && (
          <div className="note note-amber" role="status">
            <Icon name="alert" />
            <div>
              {found.incomplete.toLocaleString("en-US")} without a message: the text needs a field that
              they lack (
              {found.missing
                .map((each) => `${each.field}: ${each.recipients.toLocaleString("en-US")}`)
                .join(", ")}
              ). Give it a fallback to reach them, such as {"{{first_name|there}}"}.
            </div>
          </div>
        )}
        {found !== null && <Findings findings={found.findings} />}
      </div>
    </ConfirmDialog>
  );
}
