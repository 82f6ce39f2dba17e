import type { ReactNode } from "react";
import { useEffect } from "react";
import { useActing } from "../app/session";

interface PageProps {
  title: string;
  /** Beside the title, such as a count. */
  note?: ReactNode;
  /** Above the title: the way back. */
  before?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A screen's frame: its title, also in the tab with the org's name, and its actions. */
export function Page({ title, note, before, actions, children }: PageProps) {
  const { account } = useActing();
  useEffect(() => {
    document.title = `${title} · ${account.name} · Daybook`;
  }, [title, account.name]);
  return (
    <div className="page">
      {before}
      <header className="page-head">
        <h1>{title}</h1>
        {note !== undefined && <div className="page-note muted">{note}</div>}
        {actions !== undefined && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}
