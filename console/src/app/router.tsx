import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { createContext, useContext, useMemo, useSyncExternalStore } from "react";

/** Where the user is. An agency's pages for a client carry the client's id: `/acc_…/contacts`. */
export interface Place {
  account: string | null;
  /** Without the account, such as `/contacts/con_…`. */
  path: string;
  query: URLSearchParams;
}

export interface NavigateOptions {
  replace?: boolean;
  /** Kept with the history entry, over reloads. */
  state?: unknown;
}

const changed = "daybook:navigate";

export function navigateTo(href: string, options: NavigateOptions = {}): void {
  if (options.replace === true) history.replaceState(options.state ?? null, "", href);
  else history.pushState(options.state ?? null, "", href);
  window.dispatchEvent(new Event(changed));
}

export function usePlace(): Place {
  const url = useSyncExternalStore(subscribe, () => location.pathname + location.search);
  return useMemo(() => readPlace(url), [url]);
}

export function readPlace(url: string): Place {
  const [pathname = "/", search = ""] = url.split("?", 2);
  const match = /^\/(acc_[^/]+)(\/.*)?$/.exec(pathname);
  const path = match === null ? pathname : match[2] ?? "/";
  return {
    account: match?.[1] ?? null,
    path: path.length > 1 ? path.replace(/\/+$/, "") : path,
    query: new URLSearchParams(search),
  };
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  window.addEventListener(changed, listener);
  return () => {
    window.removeEventListener("popstate", listener);
    window.removeEventListener(changed, listener);
  };
}

/** The acting account's part of every address: empty, or `/acc_…`. */
export const AddressContext = createContext("");

export interface Navigator {
  href: (path: string) => string;
  go: (path: string, options?: NavigateOptions) => void;
}

export function useNavigator(): Navigator {
  const prefix = useContext(AddressContext);
  return useMemo(
    () => ({
      href: (path) => prefix + path,
      go: (path, options) => navigateTo(prefix + path, options),
    }),
    [prefix],
  );
}

type LinkProps = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> & { to: string };

/** A link inside the acting account. */
export function Link({ to, ...rest }: LinkProps) {
  const { href } = useNavigator();
  return <PlainLink {...rest} href={href(to)} />;
}

/** A link to a whole address of this console; new tabs and copying work as for any link. */
export function PlainLink({
  href,
  onClick,
  ...rest
}: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const isPlain = !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || event.button !== 0 || !isPlain) return;
    event.preventDefault();
    navigateTo(href);
    window.scrollTo(0, 0);
  };
  return <a {...rest} href={href} onClick={follow} />;
}

/** `path` with the query's non-empty values. */
export function withQuery(path: string, values: Record<string, string | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const search = query.toString();
  return search === "" ? path : `${path}?${search}`;
}
