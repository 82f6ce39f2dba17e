import { useState } from "react";
import { useWrite } from "../../api/hooks";
import type { WebhookEndpoint } from "../../api/types";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";
import { Icon } from "../../ui/Icon";
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
  const problems = problemsOf(write);
  const submit = async () => {
    const body = { url: url.trim(), types: splitTags(types) };
    const endpoint = await write.run<WebhookEndpoint>("POST", "/api/webhook-endpoints", body);
    if (endpoint === null) return;
    onCreated();
    setSecret(endpoint.secret ?? "");
  };
  if (secret !== null) return <SecretDialog secret={secret} onClose={onClose} />;
  return (
    <FormDialog
      title="New endpoint"
      action="Create endpoint"
      doing="Creating…"
      write={write}
      onSubmit={submit}
      onClose={onClose}
    >
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
    </FormDialog>
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
