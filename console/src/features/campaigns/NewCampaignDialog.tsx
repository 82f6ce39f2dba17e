import type { FormEvent } from "react";
import { useState } from "react";
import { useQuery, useWrite } from "../../api/hooks";
import type { Campaign, List, Segment } from "../../api/types";
import { Link, useNavigator } from "../../app/router";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { FailureNote } from "../../ui/states";

export function NewCampaignDialog({ onClose }: { onClose: () => void }) {
  const segments = useQuery<List<Segment>>("/api/segments?limit=200");
  const [name, setName] = useState("");
  const [segment, setSegment] = useState("");
  const [purpose, setPurpose] = useState("marketing");
  const [body, setBody] = useState("");
  const write = useWrite();
  const { go } = useNavigator();
  const problems = write.failure?.fields ?? new Map<string, string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const request = { name, segment, channel: "sms", purpose, body };
    const campaign = await write.run<Campaign>("POST", "/api/campaigns", request);
    if (campaign !== null) go(`/campaigns/${campaign.id}`);
  };
  const list = segments.data?.data ?? [];
  return (
    <Dialog title="New campaign" isWide onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <FailureNote failure={segments.failure} />
        {problems.size === 0 && <FailureNote failure={write.failure} />}
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
        <Field
          label="Text message"
          hint="{{first_name|there}} becomes the person's first name, or “there” without one. Say how to opt out."
          problem={problems.get("body")}
        >
          <textarea
            required
            rows={4}
            placeholder="Hi {{first_name|there}}, … Reply STOP to opt out."
            value={body}
            onChange={(e) => setBody(e.target.value)}
          />
        </Field>
        <p className="muted small">Nothing is sent yet. You launch it on the next page.</p>
        <DialogActions>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary" disabled={write.isBusy}>
            {write.isBusy ? "Creating…" : "Create draft"}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
