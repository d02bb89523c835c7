import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";

import { Providers } from "./providers";
import { newRouter } from "./router";
import { SessionGate } from "./session-gate";

/** The console. */
export function App() {
  return (
    <Providers>
      <SessionGate>{() => <Routes />}</SessionGate>
    </Providers>
  );
}

function Routes() {
  const [router] = useState(newRouter);
  return <RouterProvider router={router} />;
}
