import { useRef, useState } from "react";
import type { Failure } from "../../api/failure";
import { useWrite } from "../../api/hooks";
import type { Workflow } from "../../api/types";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import { FailureNote } from "../../ui/states";

const example = `name: Webinar follow-up
trigger:
  tag_added: webinar
steps:
  - send_sms: "Hi {{first_name|there}}, thanks for joining. Reply STOP to opt out."
  - wait: 1 day
  - if: not replied
    then:
      - send_sms: "Any questions, {{first_name|there}}?"
    else:
      - add_tag: engaged
`;

interface PublishDialogProps {
  title: string;
  /** The version to start from; null starts from an example. */
  source: string | null;
  onPublished: (workflow: Workflow) => void;
  onClose: () => void;
}

/** Takes a workflow as YAML, pasted, typed or from a file. */
export function PublishDialog({ title, source, onPublished, onClose }: PublishDialogProps) {
  const [text, setText] = useState(source ?? example);
  const editor = useRef<HTMLTextAreaElement>(null);
  const write = useWrite();
  const problem = write.failure === null ? null : placeOf(write.failure);
  const submit = async () => {
    const workflow = await write.run<Workflow>("POST", "/api/workflows", { source: text });
    if (workflow !== null) onPublished(workflow);
  };
  const take = async (file: File | undefined) => {
    if (file !== undefined) setText(await file.text());
  };
  const goTo = (line: number) => {
    const lines = text.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    editor.current?.focus();
    editor.current?.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  };
  return (
    <FormDialog
      title={title}
      action="Publish"
      doing="Publishing…"
      write={write}
      note={<FailureNote failure={write.failure} />}
      isWide
      onSubmit={submit}
      onClose={onClose}
    >
      {problem !== null && (
        <button type="button" className="button" onClick={() => goTo(problem.line)}>
          Go to line {problem.line}, column {problem.column}
        </button>
      )}
      <Field label="Definition" hint="A name that exists already makes its next version.">
        <textarea
          ref={editor}
          className="code-editor"
          rows={16}
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </Field>
      <label className="file-line">
        <span>or from a file</span>
        <input
          type="file"
          accept=".yaml,.yml,text/yaml"
          onChange={(event) => void take(event.target.files?.[0])}
        />
      </label>
    </FormDialog>
  );
}

/** The place that the server names as `line 3, column 5`. */
function placeOf(failure: Failure): { line: number; column: number } | null {
  const match = /^line (\d+), column (\d+)$/.exec(failure.param ?? "");
  return match === null ? null : { line: Number(match[1]), column: Number(match[2]) };
}
