const colours: Record<string, string> = {
  draft: "grey",
  running: "blue",
  paused: "amber",
  completed: "green",
  cancelled: "red",
};

export function CampaignStatus({ status }: { status: string }) {
  return <span className={`badge badge-${colours[status] ?? "grey"}`}>{status}</span>;
}
