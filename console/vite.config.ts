import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The API process does not serve these files yet: see README.md.
export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": "/src" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    manifest: true,
    sourcemap: false,
    // A data: address would need a hole in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: { "/api": "http://127.0.0.1:8000", "/webhooks": "http://127.0.0.1:8000" },
  },
});
