import { useState } from "react";
import type { Failure } from "../../api/failure";
import { asFailure, useClient } from "../../api/hooks";
import { withQuery } from "../../app/router";
import { download } from "../../ui/download";
import { Field } from "../../ui/Field";
import { FormDialog, problemsOf } from "../../ui/FormDialog";

const formats = { csv: "text/csv", json: "application/json" } as const;

/** Saves what moved the wallet in a period as a file. */
export function StatementDialog({ onClose }: { onClose: () => void }) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [format, setFormat] = useState<keyof typeof formats>("csv");
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const problems = problemsOf({ failure });
  const client = useClient();
  const submit = async () => {
    setBusy(true);
    setFailure(null);
    try {
      const path = withQuery("/api/wallet/statement", {
        format,
        from: from === "" ? null : `${from}T00:00:00Z`,
        to: to === "" ? null : `${to}T00:00:00Z`,
      });
      download(`statement.${format}`, await client.file(path, formats[format]), formats[format]);
      onClose();
    } catch (error) {
      setFailure(asFailure(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <FormDialog
      title="Statement"
      action="Download"
      doing="Preparing…"
      write={{ isBusy, failure }}
      noValidate
      onSubmit={submit}
      onClose={onClose}
    >
      <div className="field-pair">
        <Field label="From (UTC)" hint="Nothing: 30 days" problem={problems.get("from")}>
          <input type="date" value={from} onChange={(event) => setFrom(event.target.value)} />
        </Field>
        <Field label="Until (UTC, not included)" hint="Nothing: now" problem={problems.get("to")}>
          <input type="date" value={to} onChange={(event) => setTo(event.target.value)} />
        </Field>
      </div>
      <Field label="Format">
        <select value={format} onChange={(event) => setFormat(event.target.value as keyof typeof formats)}>
          <option value="csv">CSV, for spreadsheets</option>
          <option value="json">JSON</option>
        </select>
      </Field>
    </FormDialog>
  );
}
