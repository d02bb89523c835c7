import { en } from "./en";

/** Every sentence that the console shows stands in one table per language; a translation is another table of this shape. */
export const texts: Texts = en;

export type Texts = typeof en;
