import type { Campaign } from "../../api/types";

interface Part {
  name: string;
  count: number;
  colour: string;
}

export function partsOf(campaign: Campaign): Part[] {
  return [
    { name: "Sent", count: campaign.sent ?? 0, colour: "green" },
    { name: "Failed", count: campaign.failed ?? 0, colour: "red" },
    { name: "Skipped", count: campaign.skipped ?? 0, colour: "amber" },
    { name: "Cancelled", count: campaign.cancelled ?? 0, colour: "grey" },
    { name: "Pending", count: campaign.pending ?? 0, colour: "line" },
  ];
}

/** Every planned recipient is in exactly one part, so the parts fill the bar. */
export function ConservationBar({ campaign }: { campaign: Campaign }) {
  const parts = partsOf(campaign);
  const planned = campaign.planned ?? 0;
  const words = parts.map(({ name, count }) => `${count} ${name.toLowerCase()}`).join(", ");
  return (
    <div className="bar" role="img" aria-label={`${planned} planned: ${words}`}>
      {parts.map(({ name, count, colour }) => (
        <span key={name} className={`bar-part bar-${colour}`} style={{ flexGrow: count }} />
      ))}
    </div>
  );
}

/** The bar with its sum: planned = sent + failed + skipped + cancelled + pending. */
export function Conservation({ campaign }: { campaign: Campaign }) {
  const parts = partsOf(campaign);
  const planned = campaign.planned ?? 0;
  const sum = parts.reduce((total, { count }) => total + count, 0);
  return (
    <section className="card conservation" aria-label="Progress">
      <ConservationBar campaign={campaign} />
      <dl className="sum">
        <div>
          <dt>Planned</dt>
          <dd className="number">{planned.toLocaleString("en-US")}</dd>
        </div>
        {parts.map(({ name, count, colour }, index) => (
          <div key={name}>
            <dt>
              <span className={`dot bar-${colour}`} />
              {name}
            </dt>
            <dd className="number">
              <span className="sum-sign" aria-hidden="true">
                {index === 0 ? "=" : "+"}
              </span>
              {count.toLocaleString("en-US")}
            </dd>
          </div>
        ))}
      </dl>
      {sum !== planned && (
        <p className="note note-bad" role="alert">
          These do not add up: {sum} of {planned} recipients are accounted for.
        </p>
      )}
    </section>
  );
}
