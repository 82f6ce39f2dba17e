import type { FormEvent, ReactNode } from "react";
import type { Failure } from "../api/failure";
import { Dialog, DialogActions } from "./Dialog";
import { FailureNote } from "./states";

interface FormDialogProps {
  title: string;
  /** The button says what it does, and `doing` that it is at it. */
  action: string;
  doing: string;
  /** Its failure is shown above the fields, unless it speaks of fields: then they show it. */
  write: { isBusy: boolean; failure: Failure | null };
  /** Shown there instead, where there is one. */
  note?: ReactNode;
  /** There is nothing yet that could be sent. */
  isIncomplete?: boolean;
  /** The form's own checks stand in for the browser's. */
  noValidate?: boolean;
  isWide?: boolean;
  isDangerous?: boolean;
  onSubmit: () => Promise<void>;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog that asks for something and sends it. What was typed stays until it was taken. */
export function FormDialog(props: FormDialogProps) {
  const { title, action, doing, write, note, isWide = false, isDangerous = false } = props;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void props.onSubmit();
  };
  const hasFields = (write.failure?.fields.size ?? 0) > 0;
  return (
    <Dialog title={title} isWide={isWide} onClose={props.onClose}>
      <form noValidate={props.noValidate ?? false} onSubmit={submit}>
        {note ?? (!hasFields && <FailureNote failure={write.failure} />)}
        {props.children}
        <DialogActions>
          <button type="button" className="button" onClick={props.onClose}>
            Cancel
          </button>
          <button
            type="submit"
            className={isDangerous ? "button button-danger" : "button button-primary"}
            disabled={write.isBusy || (props.isIncomplete ?? false)}
          >
            {write.isBusy ? doing : action}
          </button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** What is wrong with each field, by its name. */
export function problemsOf(write: { failure: Failure | null }): ReadonlyMap<string, string> {
  return write.failure?.fields ?? new Map<string, string>();
}
