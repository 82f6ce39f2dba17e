import { useEffect } from "react";
import { useQuery } from "../api/hooks";
import type { Wallet } from "../api/types";
import { Icon } from "../ui/Icon";
import { formatMoney } from "../ui/money";
import { Link, usePlace } from "./router";

/** What the org has left to spend. Read anew with every change of screen. */
export function WalletChip() {
  const wallet = useQuery<Wallet>("/api/wallet/balance");
  const { path } = usePlace();
  const { reload } = wallet;
  useEffect(() => reload(), [path, reload]);
  const available = wallet.data?.available;
  return (
    <Link className="chip" to="/wallet" title="Available in the wallet">
      <Icon name="wallet" />
      <span className="chip-label number">
        <span className="visually-hidden">Wallet: </span>
        {available === undefined ? "–" : formatMoney(available, "cents")}
      </span>
    </Link>
  );
}
