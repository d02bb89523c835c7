import { createTheme, type MantineColorsTuple } from "@mantine/core";

const fence: MantineColorsTuple = [
  "#e6fbff",
  "#d3f2f9",
  "#a8e3ef",
  "#7ad3e5",
  "#54c6dd",
  "#3cbdd8",
  "#2ab9d6",
  "#0b7285",
  "#0a6476",
  "#085463",
];

export const theme = createTheme({
  primaryColor: "fence",
  primaryShade: { light: 7, dark: 7 },
  autoContrast: true,
  colors: { fence },
  defaultRadius: "md",
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif',
  cursorType: "pointer",
  respectReducedMotion: true,
});
