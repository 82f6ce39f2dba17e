import type { ReactNode } from "react";
import type { Write } from "../api/hooks";
import { Dialog, DialogActions } from "./Dialog";
import { FailureNote } from "./states";

interface ConfirmDialogProps {
  title: string;
  /** The button says what it does. */
  action: string;
  isDangerous?: boolean;
  write: Write;
  onConfirm: () => Promise<void>;
  onClose: () => void;
  children: ReactNode;
}

/** Says what will happen before it does. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { title, action, isDangerous = false, write, onConfirm, onClose, children } = props;
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="muted">{children}</div>
      <FailureNote failure={write.failure} />
      <DialogActions>
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className={isDangerous ? "button button-danger" : "button button-primary"}
          disabled={write.isBusy}
          onClick={() => void onConfirm()}
        >
          {write.isBusy ? "Working…" : action}
        </button>
      </DialogActions>
    </Dialog>
  );
}
