import { useMay, useQuery } from "../api/hooks";
import { useLive } from "../api/live";
import type { Wallet } from "../api/types";
import { Icon } from "../ui/Icon";
import { formatMoney } from "../ui/money";
import { Link } from "./router";

const calmMillis = 1_000;

/** What the org has left to spend, as it is spent, and whether news still arrive. */
export function WalletChip() {
  const maySee = useMay("wallet:read");
  const wallet = useQuery<Wallet>(maySee ? "/api/wallet/balance" : null);
  const line = useLive(wallet, ["wallet.*"], calmMillis);
  const available = wallet.data?.available;
  return (
    <>
      {line === "down" && (
        <span className="chip chip-amber chip-connection" role="status">
          Reconnecting…
        </span>
      )}
      {maySee && (
        <Link className="chip" to="/wallet" title="Available in the wallet">
          <Icon name="wallet" />
          <span className="chip-label number">
            <span className="visually-hidden">Wallet: </span>
            {available === undefined ? "–" : formatMoney(available, "cents")}
          </span>
        </Link>
      )}
    </>
  );
}
