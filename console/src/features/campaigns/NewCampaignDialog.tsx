import { useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { Campaign, Channel, List, Segment, Template } from "../../api/types";
import { Link, useNavigator } from "../../app/router";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";
import { FailureNote } from "../../ui/states";

const bodyLabels: Record<Channel, string> = {
  sms: "Text message",
  email: "Text",
  voice: "What is said",
};

export function NewCampaignDialog({ onClose }: { onClose: () => void }) {
  const segments = useQuery<List<Segment>>("/api/segments?limit=200");
  const [name, setName] = useState("");
  const [segment, setSegment] = useState("");
  const [purpose, setPurpose] = useState("marketing");
  const [channel, setChannel] = useState<Channel>("sms");
  const [template, setTemplate] = useState("");
  const [subject, setSubject] = useState("");
  const [body, setBody] = useState("");
  const [extra, setExtra] = useState("");
  const [holdout, setHoldout] = useState("");
  const templates = useQuery<List<Template>>("/api/templates?limit=200");
  const write = useWrite();
  const { go } = useNavigator();
  const problems = problemsOf(write);
  const submit = async () => {
    const words = {
      body,
      ...(channel === "email" && { subject }),
      ...(channel === "email" && extra.trim() !== "" && { html: extra }),
      ...(channel === "voice" && extra.trim() !== "" && { voicemail: extra }),
    };
    const content = template === "" ? words : { template };
    const kept = holdout === "" ? {} : { holdout_percent: Number(holdout) };
    const request = { name, segment, channel, purpose, ...content, ...kept };
    const campaign = await write.run<Campaign>("POST", "/api/campaigns", request);
    if (campaign !== null) go(`/campaigns/${campaign.id}`);
  };
  const list = segments.data?.data ?? [];
  const fitting = (templates.data?.data ?? []).filter(
    (each) => each.channel === channel && !each.archived,
  );
  return (
    <FormDialog
      title="New campaign"
      action="Create draft"
      doing="Creating…"
      write={write}
      isWide
      onSubmit={submit}
      onClose={onClose}
    >
      <FailureNote failure={segments.failure} />
      <Field label="Name" problem={problems.get("name")}>
        <input required value={name} onChange={(e) => setName(e.target.value)} />
      </Field>
      <div className="field-pair">
        <Field
          label="To"
          problem={problems.get("segment")}
          hint={
            segments.data !== null && list.length === 0 ? (
              <Link to="/segments">Make a segment first</Link>
            ) : undefined
          }
        >
          <select required value={segment} onChange={(e) => setSegment(e.target.value)}>
            <option value="">Choose a segment</option>
            {list.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name}
                {typeof each.size === "number" && ` (${each.size.toLocaleString("en-US")})`}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Purpose" problem={problems.get("purpose")}>
          <select value={purpose} onChange={(e) => setPurpose(e.target.value)}>
            <option value="marketing">Marketing</option>
            <option value="transactional">Personal or service</option>
          </select>
        </Field>
      </div>
      <div className="field-pair">
        <Field label="Channel" problem={problems.get("channel")}>
          <select
            value={channel}
            onChange={(e) => {
              setChannel(e.target.value as Channel);
              setTemplate("");
            }}
          >
            <option value="sms">Text</option>
            <option value="email">Email</option>
            <option value="voice">Call</option>
          </select>
        </Field>
        <Field label="Words" problem={problems.get("template")}>
          <select value={template} onChange={(e) => setTemplate(e.target.value)}>
            <option value="">Written here</option>
            {fitting.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name} (version {each.latest_version})
              </option>
            ))}
          </select>
        </Field>
      </div>
      {template === "" && (
        <>
          {channel === "email" && (
            <Field label="Subject" problem={problems.get("subject")}>
              <input required value={subject} onChange={(e) => setSubject(e.target.value)} />
            </Field>
          )}
          <Field
            label={bodyLabels[channel]}
            hint="{{first_name|there}} becomes the person's first name, or “there” without one. How to opt out is added to marketing where it is missing."
            problem={problems.get("body")}
          >
            <textarea required rows={4} value={body} onChange={(e) => setBody(e.target.value)} />
          </Field>
          {channel !== "sms" && (
            <Field
              label={channel === "email" ? "HTML (optional)" : "On an answering machine (optional)"}
              problem={problems.get(channel === "email" ? "html" : "voicemail")}
            >
              <textarea rows={4} value={extra} onChange={(e) => setExtra(e.target.value)} />
            </Field>
          )}
        </>
      )}
      <Field
        label="Keep some people out (optional)"
        hint="Of 100 people that it could go to, so many get nothing, to compare with."
        problem={problems.get("holdout_percent")}
      >
        <input
          type="number"
          min={1}
          max={50}
          value={holdout}
          onChange={(e) => setHoldout(e.target.value)}
        />
      </Field>
      <p className="muted small">Nothing is sent yet. You launch it on the next page.</p>
    </FormDialog>
  );
}
