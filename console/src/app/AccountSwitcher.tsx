import { useEffect, useRef, useState } from "react";
import { useQuery } from "../api/hooks";
import type { Account, List } from "../api/types";
import { Icon } from "../ui/Icon";
import { PlainLink, withQuery } from "./router";
import { useActing } from "./session";

/** Above this many clients, a list is quicker to search than to read. */
const searchableCount = 8;
const foundLimit = 20;

/** Names the org that every action goes to; an agency's user changes it here. */
export function AccountSwitcher() {
  const { account, session } = useActing();
  const details = useRef<HTMLDetailsElement>(null);
  const [search, setSearch] = useState("");
  useEffect(() => {
    const close = (event: Event) => {
      const isKey = event instanceof KeyboardEvent;
      if (isKey && event.key !== "Escape") return;
      if (!isKey && details.current?.contains(event.target as Node) === true) return;
      details.current?.removeAttribute("open");
    };
    document.addEventListener("click", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("click", close);
      document.removeEventListener("keydown", close);
    };
  }, []);
  useEffect(() => details.current?.removeAttribute("open"), [account.id]);

  // The session has the first of them alone.
  const isSearched = search !== "" && session.account_count > session.accounts.length;
  const searched = useQuery<List<Account>>(
    isSearched ? withQuery("/api/accounts", { q: search, limit: String(foundLimit) }) : null,
  );

  if (session.account_count < 2) return <AccountName account={account} />;
  const isSearching = isSearched && searched.isLoading;
  const found = isSearched
    ? (searched.data?.data ?? [])
    : session.accounts.filter(({ name }) => name.toLowerCase().includes(search.toLowerCase()));
  const restCount = isSearched ? 0 : session.account_count - session.accounts.length;
  return (
    <details ref={details} className="switcher">
      <summary aria-label={`Account: ${account.name}. Switch account`}>
        <AccountName account={account} />
        <Icon name="chevron" />
      </summary>
      <div className="switcher-list card">
        {session.account_count > searchableCount && (
          <input
            type="search"
            aria-label="Find an account"
            placeholder="Find an account"
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
        )}
        {found.map((each) => (
          <PlainLink
            key={each.id}
            href={each.id === session.account.id ? "/" : `/${each.id}/contacts`}
            className="switcher-item"
            aria-current={each.id === account.id ? "true" : undefined}
          >
            {each.kind === "client" && <AccountMark account={each} />}
            <span className="switcher-item-name">{each.name}</span>
            <span className="muted small">{kindName(each)}</span>
          </PlainLink>
        ))}
        {found.length === 0 && !isSearching && (
          <p className="muted switcher-none">No account of that name.</p>
        )}
        {restCount > 0 && (
          <p className="muted switcher-none">
            {restCount.toLocaleString("en-US")} more: type a part of the name.
          </p>
        )}
      </div>
    </details>
  );
}

function AccountName({ account }: { account: Account }) {
  return (
    <span className="account-name">
      {account.kind === "client" && <AccountMark account={account} />}
      <span className="account-name-text">{account.name}</span>
      {account.test && <span className="badge badge-amber">Test</span>}
      {account.status !== "active" && (
        <span className="badge badge-red">{account.status.replace("_", " ")}</span>
      )}
    </span>
  );
}

/** The client's own colour, so that two clients are not taken for each other. */
function AccountMark({ account }: { account: Account }) {
  return <span className="account-mark" style={{ backgroundColor: accountColour(account.id) }} />;
}

function accountColour(id: string): string {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + character.charCodeAt(0)) % 360;
  return `hsl(${hash} 50% 50%)`;
}

function kindName(account: Account): string {
  switch (account.kind) {
    case "agency":
      return "Agency";
    case "client":
      return "Client";
    default:
      return "Account";
  }
}
