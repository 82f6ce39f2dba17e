import { useEffect, useState } from "react";
import { useQuery } from "../../api/hooks";
import { useLive } from "../../api/live";
import type { List, Money, Wallet, WalletTransaction } from "../../api/types";
import { usePlace, withQuery } from "../../app/router";
import { Icon } from "../../ui/Icon";
import { formatMoney } from "../../ui/money";
import { Page } from "../../ui/Page";
import { PagedList } from "../../ui/PagedList";
import { EmptyState, Skeleton } from "../../ui/states";
import { useCursors } from "../../ui/useCursors";
import { AddFundsDialog } from "./AddFundsDialog";
import { AutoRechargeCard } from "./AutoRechargeCard";
import { StatementDialog } from "./StatementDialog";
import { TransactionsTable } from "./TransactionsTable";

const pageSize = 50;
const calmMillis = 500;

/** What the org has, what is spoken for, and every movement. */
export function WalletScreen() {
  const { query } = usePlace();
  const [isAdding, setAdding] = useState(false);
  const [isStating, setStating] = useState(false);
  const cursors = useCursors(query, pageSize, (after) => withQuery("/wallet", { after }));
  const wallet = useQuery<Wallet>("/api/wallet/balance");
  const transactions = useQuery<List<WalletTransaction>>(
    withQuery("/api/wallet/transactions", { after: cursors.after, limit: String(pageSize) }),
  );
  useLive(transactions, ["wallet.*"], calmMillis);
  // After every reading of the book, the balance as of then.
  const { reload } = wallet;
  const { position } = transactions;
  useEffect(() => {
    if (position !== null) reload(position);
  }, [position, reload]);
  return (
    <Page
      title="Wallet"
      actions={
        <>
          <button type="button" className="button" onClick={() => setStating(true)}>
            <Icon name="audit" />
            Statement
          </button>
          <button type="button" className="button button-primary" onClick={() => setAdding(true)}>
            <Icon name="plus" />
            Add funds
          </button>
        </>
      }
    >
      <Balance wallet={wallet.data} />
      <AutoRechargeCard />
      <h2 className="section-title">Transactions</h2>
      <PagedList
        query={transactions}
        cursors={cursors}
        empty={
          <EmptyState title="No money has moved yet." icon="wallet">
            <button type="button" className="button" onClick={() => setAdding(true)}>
              Add funds
            </button>
          </EmptyState>
        }
      >
        {(rows) => <TransactionsTable transactions={rows} />}
      </PagedList>
      {isStating && <StatementDialog onClose={() => setStating(false)} />}
      {isAdding && (
        <AddFundsDialog
          onClose={() => setAdding(false)}
          onAdded={() => {
            setAdding(false);
            transactions.reload();
          }}
        />
      )}
    </Page>
  );
}

function Balance({ wallet }: { wallet: Wallet | null }) {
  return (
    <dl className="figures">
      <Figure name="Available" hint="Ready to spend" money={wallet?.available} isMain />
      <Figure name="On hold" hint="For messages on their way" money={wallet?.held} />
      <Figure name="Balance" hint="Available and on hold" money={wallet?.balance} />
    </dl>
  );
}

interface FigureProps {
  name: string;
  hint: string;
  money: Money | undefined;
  isMain?: boolean;
}

function Figure({ name, hint, money, isMain = false }: FigureProps) {
  return (
    <div className={isMain ? "figure figure-main card" : "figure card"}>
      <dt>{name}</dt>
      <dd className="figure-value number">
        {money === undefined ? <Skeleton width="6rem" /> : formatMoney(money, "ledger")}
      </dd>
      <dd className="muted small">{hint}</dd>
    </div>
  );
}
