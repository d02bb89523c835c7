/** How many SMS parts a text takes: the same rule as the server's (3GPP TS 23.038 and 23.040), for counting while typing. */

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const ESCAPED = new Set("\f^{}\\[~]|€");

const TWINS: Readonly<Record<string, string>> = {
  "‘": "'",
  "’": "'",
  "‚": "'",
  "‛": "'",
  "`": "'",
  "“": '"',
  "”": '"',
  "„": '"',
  "‐": "-",
  "‑": "-",
  "‒": "-",
  "–": "-",
  "—": "-",
  "…": "...",
  "\u00a0": " ",
  "\u202f": " ",
  "\t": " ",
};

export interface SegmentCount {
  encoding: "GSM-7" | "UCS-2";
  /** Septets for GSM-7, UTF-16 units for UCS-2. */
  units: number;
  segments: number;
  /** How many more units fit into the last part. */
  left: number;
  /** The characters that make the whole text UCS-2, each once; empty for GSM-7. */
  costly: string[];
}

/** Counts the parts of a text; an escape pair and a surrogate pair are never cut in two. */
export function countSegments(body: string): SegmentCount {
  const characters = Array.from(body);
  const costly = [...new Set(characters.filter((char) => !BASIC.has(char) && !ESCAPED.has(char)))];
  const isGsm = costly.length === 0;
  const widths = characters.map((char) => (isGsm ? (ESCAPED.has(char) ? 2 : 1) : char.length));
  const [single, part] = isGsm ? [160, 153] : [70, 67];
  const units = widths.reduce((sum, width) => sum + width, 0);
  const encoding = isGsm ? "GSM-7" : "UCS-2";
  if (units <= single) return { encoding, units, segments: 1, left: single - units, costly };
  let segments = 1;
  let used = 0;
  for (const width of widths) {
    used += width;
    if (used > part) {
      segments += 1;
      used = width;
    }
  }
  return { encoding, units, segments, left: part - used, costly };
}

/** The text with quotes, dashes and spaces spelled in GSM-7 where that says the same. */
export function withGsmTwins(body: string): string {
  return Array.from(body, (char) => TWINS[char] ?? char).join("");
}
