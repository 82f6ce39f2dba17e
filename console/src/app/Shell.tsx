import type { ReactNode } from "react";
import { useEffect, useState } from "react";
import { Icon } from "../ui/Icon";
import type { IconName } from "../ui/Icon";
import { KeysDialog } from "../ui/KeysDialog";
import { useKeys } from "../ui/keys";
import { AccountSwitcher } from "./AccountSwitcher";
import { Notices } from "./Notices";
import type { Place } from "./router";
import { Link, useNavigator } from "./router";
import { useActing } from "./session";
import { TestClock } from "./TestClock";
import { WalletChip } from "./WalletChip";

interface Section {
  path: string;
  name: string;
  icon: IconName;
  /** Pressed after `g`. */
  key: string;
}

const sections: readonly Section[] = [
  { path: "/contacts", name: "Contacts", icon: "people", key: "c" },
  { path: "/segments", name: "Segments", icon: "segment", key: "s" },
  { path: "/campaigns", name: "Campaigns", icon: "megaphone", key: "p" },
  { path: "/workflows", name: "Workflows", icon: "flow", key: "w" },
  { path: "/calls", name: "Calls", icon: "phone", key: "l" },
  { path: "/sending", name: "Sending", icon: "stop", key: "o" },
  { path: "/templates", name: "Templates", icon: "copy", key: "e" },
  { path: "/wallet", name: "Wallet", icon: "wallet", key: "b" },
  { path: "/audit", name: "Audit", icon: "audit", key: "a" },
  { path: "/webhooks", name: "Webhooks", icon: "webhook", key: "h" },
];

/** For administrators alone. */
const operations: Section = { path: "/operations", name: "Operations", icon: "bolt", key: "m" };

function useSections(): readonly Section[] {
  const { session } = useActing();
  return session.user.role === "administrator" ? [...sections, operations] : sections;
}

/** The frame around every screen: rail, account, clock, wallet. */
export function Shell({ place, children }: { place: Place; children: ReactNode }) {
  const { account } = useActing();
  const { go } = useNavigator();
  const [isOpen, setOpen] = useState(false);
  const [showsKeys, setShowsKeys] = useState(false);
  const sections = useSections();
  useEffect(() => setOpen(false), [place.path, account.id]);
  useKeys({
    "?": () => setShowsKeys(true),
    ...Object.fromEntries(sections.map(({ key, path }) => [`g ${key}`, () => go(path)])),
  });

  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <div className="topbar">
        <button
          type="button"
          className="icon-button menu-button"
          aria-label={isOpen ? "Close menu" : "Open menu"}
          aria-expanded={isOpen}
          aria-controls="rail"
          onClick={() => setOpen(!isOpen)}
        >
          <Icon name={isOpen ? "close" : "menu"} />
        </button>
        <AccountSwitcher />
        <div className="topbar-chips">
          {/* Of one account alone: nothing of the last one is shown under the next one's name. */}
          <Notices key={`notices ${account.id}`} />
          {account.test && <TestClock key={`clock ${account.id}`} />}
          <WalletChip key={`wallet ${account.id}`} />
        </div>
      </div>
      <Rail place={place} isOpen={isOpen} onKeys={() => setShowsKeys(true)} />
      {isOpen && <div className="scrim" aria-hidden="true" onClick={() => setOpen(false)} />}
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
      {showsKeys && (
        <KeysDialog
          sections={sections.map(({ key, name }) => [`g ${key}`, `Go to ${name}`])}
          onClose={() => setShowsKeys(false)}
        />
      )}
    </div>
  );
}

interface RailProps {
  place: Place;
  isOpen: boolean;
  onKeys: () => void;
}

function Rail({ place, isOpen, onKeys }: RailProps) {
  const { account, isAgencyUser, session, signOut } = useActing();
  const sections = useSections();
  const current = (path: string) => place.path === path || place.path.startsWith(`${path}/`);
  return (
    <div id="rail" className={isOpen ? "rail is-open" : "rail"}>
      <div className="brand">
        <Icon name="brand" />
        <span>Daybook</span>
      </div>
      <nav aria-label="Main">
        {isAgencyUser && account.kind === "agency" && (
          <RailLink to="/" icon="home" name="Clients" isCurrent={place.path === "/"} />
        )}
        {sections.map(({ path, name, icon }) => (
          <RailLink key={path} to={path} icon={icon} name={name} isCurrent={current(path)} />
        ))}
      </nav>
      <div className="rail-foot">
        <button type="button" className="rail-link" onClick={onKeys}>
          <Icon name="keyboard" />
          <span>Keyboard</span>
        </button>
        <button type="button" className="rail-link" onClick={signOut}>
          <Icon name="exit" />
          <span>Sign out</span>
        </button>
        <div className="rail-user" title={session.user.email}>
          <span className="rail-user-name">{session.user.name}</span>
          <span className="muted small">{session.user.email}</span>
        </div>
      </div>
    </div>
  );
}

interface RailLinkProps {
  to: string;
  icon: IconName;
  name: string;
  isCurrent: boolean;
}

function RailLink({ to, icon, name, isCurrent }: RailLinkProps) {
  return (
    <Link className="rail-link" to={to} {...(isCurrent ? { "aria-current": "page" as const } : {})}>
      <Icon name={icon} />
      <span>{name}</span>
    </Link>
  );
}
