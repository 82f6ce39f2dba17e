import type { FormEvent } from "react";
import { useState } from "react";
import { useWrite } from "../../api/hooks";
import type { WebhookEndpoint } from "../../api/types";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { FailureNote } from "../../ui/states";
import { useToast } from "../../ui/Toast";
import { splitTags } from "../contacts/tags";

interface NewWebhookDialogProps {
  onCreated: () => void;
  onClose: () => void;
}

export function NewWebhookDialog({ onCreated, onClose }: NewWebhookDialogProps) {
  const [url, setURL] = useState("");
  const [types, setTypes] = useState("message.*");
  const [secret, setSecret] = useState<string | null>(null);
  const write = useWrite();
  const problems = write.failure?.fields ?? new Map<string, string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const body = { url: url.trim(), types: splitTags(types) };
    const endpoint = await write.run<WebhookEndpoint>("POST", "/api/webhook-endpoints", body);
    if (endpoint === null) return;
    onCreated();
    setSecret(endpoint.secret ?? "");
  };
  if (secret !== null) return <SecretDialog secret={secret} onClose={onClose} />;
  return (
    <Dialog title="New endpoint" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        {problems.size === 0 && <FailureNote failure={write.failure} />}
        <Field label="URL" problem={problems.get("url")}>
          <input
            type="url"
            required
            placeholder="https://example.com/hooks/daybook"
            value={url}
            onChange={(event) => setURL(event.target.value)}
          />
        </Field>
        <Field
          label="Events"
          hint="Separated by commas: message.delivered, contact.* or * for everything"
          problem={problems.get("types")}
        >
          <input required value={types} onChange={(event) => setTypes(event.target.value)} />
        </Field>
        <DialogActions>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary" disabled={write.isBusy}>
            {write.isBusy ? "Creating…" : "Create endpoint"}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** The signing secret, which nobody can look up later. */
function SecretDialog({ secret, onClose }: { secret: string; onClose: () => void }) {
  const toast = useToast();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret);
      toast.say("Copied.");
    } catch {
      // No clipboard without HTTPS or permission: the secret is there to be selected.
      toast.say("The browser does not allow copying. Select the secret instead.", "bad");
    }
  };
  return (
    <Dialog title="Signing secret" onClose={onClose}>
      <p className="muted">Keep it now: it is shown only this once. Deliveries are signed with it.</p>
      <div className="secret">
        <code>{secret}</code>
        <button type="button" className="button" onClick={() => void copy()}>
          <Icon name="copy" />
          Copy
        </button>
      </div>
      <DialogActions>
        <button type="button" className="button button-primary" onClick={onClose}>
          I have kept it
        </button>
      </DialogActions>
    </Dialog>
  );
}
