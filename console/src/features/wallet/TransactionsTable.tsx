import type { WalletTransaction } from "../../api/types";
import { formatMoney } from "../../ui/money";
import { Table } from "../../ui/Table";
import { Time } from "../../ui/Time";

export function TransactionsTable({ transactions }: { transactions: WalletTransaction[] }) {
  return (
    <Table
      className="compact"
      rows={transactions}
      rowKey={({ id }) => id}
      columns={[
        {
          title: "Time",
          className: "nowrap muted",
          cell: ({ created_at }) => <Time at={created_at} />,
        },
        { title: "What", cell: ({ description, type }) => description ?? kindLook(type).name },
        { title: "Kind", isWideOnly: true, cell: ({ type }) => <Kind type={type} /> },
        { title: "Amount", isNumber: true, cell: signed },
        {
          title: "Balance after",
          className: "muted",
          isNumber: true,
          isWideOnly: true,
          cell: ({ balance_after }) => (balance_after ? formatMoney(balance_after, "ledger") : "–"),
        },
      ]}
    />
  );
}

function Kind({ type }: { type: string }) {
  const { name, colour } = kindLook(type);
  return <span className={`badge badge-${colour}`}>{name}</span>;
}

/** Money in with a plus, money out with a minus; a hold moves nothing yet. */
function signed({ type, amount }: WalletTransaction): string {
  const size = formatMoney({ ...amount, amount: Math.abs(amount.amount) }, "ledger");
  if (type === "debit" || (type !== "hold" && type !== "release" && amount.amount < 0)) {
    return `−${size}`;
  }
  return type === "credit" || type === "refund" ? `+${size}` : size;
}

function kindLook(type: string): { name: string; colour: string } {
  switch (type) {
    case "credit":
      return { name: "Funds added", colour: "green" };
    case "debit":
      return { name: "Charge", colour: "grey" };
    case "refund":
      return { name: "Refund", colour: "green" };
    case "hold":
      return { name: "Hold", colour: "amber" };
    case "release":
      return { name: "Released", colour: "blue" };
    default:
      return { name: type, colour: "grey" };
  }
}
