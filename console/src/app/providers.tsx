import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import type { ReactNode } from "react";

import { theme } from "./theme";

const colourScheme = localStorageColorSchemeManager({ key: "ringfence-colour-scheme" });
const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? "";

/** Looks and messages: what is the same for everybody. */
export function Providers({ children }: { children: ReactNode }) {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      colorSchemeManager={colourScheme}
      getStyleNonce={() => nonce}
    >
      <Notifications position="bottom-right" containerWidth={380} />
      {children}
    </MantineProvider>
  );
}
