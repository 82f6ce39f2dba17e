import type { DragEvent } from "react";
import { useState } from "react";
import { useWrite } from "../../api/hooks";
import type { ImportResult } from "../../api/types";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { FailureNote } from "../../ui/states";
import { ImportColumns } from "./ImportColumns";
import type { ConsentStatement } from "./ImportConsent";
import { consentOf, ImportConsent, isComplete, noStatement } from "./ImportConsent";
import { ImportSummary } from "./ImportSummary";
import { splitTags } from "./tags";

interface ImportDialogProps {
  onImported: () => void;
  onClose: () => void;
}

/** A file, then what importing it would do, then what it did. */
export function ImportDialog({ onImported, onClose }: ImportDialogProps) {
  const [file, setFile] = useState<File | null>(null);
  const [map, setMap] = useState<Record<string, string>>({});
  const [tags, setTags] = useState("");
  const [statement, setStatement] = useState<ConsentStatement>(noStatement);
  const [check, setCheck] = useState<ImportResult | null>(null);
  const [result, setResult] = useState<ImportResult | null>(null);
  const write = useWrite();

  const send = async (chosen: File, chosenMap: Record<string, string>, isDryRun: boolean) => {
    const form = new FormData();
    form.set("file", chosen);
    form.set("source", chosen.name);
    if (Object.keys(chosenMap).length > 0) form.set("map", JSON.stringify(chosenMap));
    if (splitTags(tags).length > 0) form.set("tags", splitTags(tags).join(","));
    const consent = consentOf(statement, chosen.name);
    if (consent !== null) form.set("consent", JSON.stringify(consent));
    if (isDryRun) form.set("dry_run", "true");
    return write.run<ImportResult>("POST", "/api/contacts/import", form);
  };
  const examine = async (chosen: File, chosenMap: Record<string, string>) => {
    setFile(chosen);
    setMap(chosenMap);
    const answer = await send(chosen, chosenMap, true);
    if (answer !== null) setCheck(answer);
  };
  const start = async () => {
    if (file === null) return;
    const answer = await send(file, map, false);
    if (answer === null) return;
    setResult(answer);
    onImported();
  };
  const willChange = check === null ? 0 : check.created + check.updated;

  if (result !== null) {
    return (
      <Dialog title="Import finished" isWide onClose={onClose}>
        <ImportSummary result={result} isDone />
        <DialogActions>
          <button type="button" className="button button-primary" onClick={onClose}>
            Done
          </button>
        </DialogActions>
      </Dialog>
    );
  }
  return (
    <Dialog title="Import contacts" isWide onClose={onClose}>
      <FailureNote failure={write.failure} />
      <FilePicker file={file} isBusy={write.isBusy} onFile={(chosen) => void examine(chosen, {})} />
      {file !== null && check !== null && (
        <>
          <ImportSummary result={check} isDone={false} />
          <ImportColumns
            columns={check.columns}
            map={map}
            onMap={(changed) => void examine(file, changed)}
          />
          <Field label="Tags for everybody in this file" isOptional hint="Separated by commas">
            <input value={tags} onChange={(event) => setTags(event.target.value)} />
          </Field>
          <ImportConsent statement={statement} onChange={setStatement} />
        </>
      )}
      <DialogActions>
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button button-primary"
          disabled={check === null || write.isBusy || !isComplete(statement)}
          onClick={() => void start()}
        >
          {write.isBusy ? "Working…" : check === null ? "Import" : importWords(willChange)}
        </button>
      </DialogActions>
    </Dialog>
  );
}

function importWords(count: number): string {
  return `Import ${count.toLocaleString("en-US")} ${count === 1 ? "contact" : "contacts"}`;
}

interface FilePickerProps {
  file: File | null;
  isBusy: boolean;
  onFile: (file: File) => void;
}

function FilePicker({ file, isBusy, onFile }: FilePickerProps) {
  const [isOver, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped !== undefined) onFile(dropped);
  };
  return (
    <label
      className={isOver ? "drop is-over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <Icon name="upload" />
      <span>
        {file === null ? "Drop a CSV here, or choose a file" : file.name}
        {isBusy && file !== null && <span className="muted"> · reading…</span>}
      </span>
      <input
        type="file"
        className="visually-hidden"
        aria-label="CSV file"
        accept=".csv,.tsv,.txt,text/csv"
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          if (chosen !== undefined) onFile(chosen);
        }}
      />
    </label>
  );
}
