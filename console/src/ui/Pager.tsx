import { Icon } from "./Icon";

interface PagerProps {
  label: string;
  onPrevious: (() => void) | null;
  onNext: (() => void) | null;
}

/** Next and previous over cursors; nothing where one page holds everything. */
export function Pager({ label, onPrevious, onNext }: PagerProps) {
  if (onPrevious === null && onNext === null) return null;
  return (
    <nav className="pager" aria-label="Pages">
      <span className="muted number">{label}</span>
      <button
        type="button"
        className="button"
        disabled={onPrevious === null}
        onClick={() => onPrevious?.()}
      >
        <Icon name="left" />
        Previous
      </button>
      <button type="button" className="button" disabled={onNext === null} onClick={() => onNext?.()}>
        Next
        <Icon name="right" />
      </button>
    </nav>
  );
}
