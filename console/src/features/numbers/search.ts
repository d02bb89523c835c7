import type { Show } from "./api";

export interface NumbersSearch {
  show?: Show;
}

const SHOWN: readonly Show[] = ["all", "active", "inactive", "released"];

/** The filter of the list, as the address has it. */
export function numbersSearch(search: Record<string, unknown>): NumbersSearch {
  const show = SHOWN.find((one) => one === search.show);
  return show === undefined || show === "all" ? {} : { show };
}
