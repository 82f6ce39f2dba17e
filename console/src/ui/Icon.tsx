// Line icons on a 20 by 20 grid, drawn for this console.

const paths = {
  brand: "M4 3h10.5A1.5 1.5 0 0 1 16 4.5V17H5.5A1.5 1.5 0 0 1 4 15.5zM7.5 7h5M7.5 10h5M7.5 13h3",
  home: "M3 9.5 10 3.5l7 6V16.5H12V12H8v4.5H3z",
  people: "M7.5 9.5a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5zM2.5 16c0-2.5 2-4 5-4s5 1.5 5 4M13 9.5a2.3 2.3 0 1 0-.8-4.45M14.5 12.2c1.9.4 3 1.7 3 3.8",
  person: "M10 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 17c0-3 2.5-4.75 6-4.75S16 14 16 17",
  segment: "M10 3a7 7 0 1 0 7 7h-7zM13 2.8A7 7 0 0 1 17.2 7H13z",
  megaphone: "M3 8.5v3l2 .5 9 4V4L5 8zM5.5 12l1 4.5h2l-.8-3.5M16.5 8v4",
  flow: "M4 3.5h5v4H4zM11 12.5h5v4h-5zM6.5 7.5v3a2 2 0 0 0 2 2H11",
  wallet: "M3.5 6h12A1.5 1.5 0 0 1 17 7.5v8a1 1 0 0 1-1 1H4.5A1.5 1.5 0 0 1 3 15V5.5A1.5 1.5 0 0 1 4.5 4H14M13 11.3h1.5",
  audit: "M5 3h10v14l-2.5-1.5L10 17l-2.5-1.5L5 17zM8 7h4M8 10h4",
  webhook: "M7 13.5a3 3 0 1 1-2.5-4.7M8.5 7.5A3 3 0 1 1 13 9l-1.5-2.5M10 7l-3 6.5M12.5 7.5l2.3 4M11 13.5h3.5a2.6 2.6 0 1 1-1 2",
  search: "M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12zM13.5 13.5 17 17",
  clock: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4.3l2.7 1.7",
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  close: "M5 5l10 10M15 5 5 15",
  chevron: "M6 8l4 4 4-4",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  exit: "M8 4H4.5v12H8M8.5 10H17M14 7l3 3-3 3",
  keyboard: "M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6.5 11.7h7",
  plus: "M10 4v12M4 10h12",
  upload: "M10 13V4M6.5 7.2 10 3.7l3.5 3.5M4 13v3h12v-3",
  message: "M3.5 4.5h13v9H9L5.5 16.5v-3h-2z",
  phone: "M5.5 3.5h2.3l1.2 3.3-1.7 1.2a9 9 0 0 0 4.7 4.7l1.2-1.7 3.3 1.2v2.3a1.5 1.5 0 0 1-1.6 1.5A12.7 12.7 0 0 1 4 5.1a1.5 1.5 0 0 1 1.5-1.6z",
  mail: "M3 5h14v10H3zM3.3 5.5 10 11l6.7-5.5",
  check: "M4.5 10.5 8.3 14 15.5 6",
  stop: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM5.3 5.3l9.4 9.4",
  alert: "M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.2v.05",
  tag: "M3.5 3.5h6l7 7-6 6-7-7zM7 7h.01",
  edit: "M4 16l.7-3.2L13 4.5l2.5 2.5-8.3 8.3zM11.5 6l2.5 2.5",
  bolt: "M11 2.5 4.5 11.5H10l-1 6 6.5-9H10z",
  dot: "M10 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6",
  copy: "M7 7h9v9H7zM4 13V4h9",
} as const;

export type IconName = keyof typeof paths;

/** Decoration: whatever it stands for is also said in words beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
