// Builds the browser's page: from src/app/web (index.html is the entry) to dist/web.
import { defineConfig } from 'vite';

export default defineConfig({
  root: `${import.meta.dirname}/src/app/web`,
  base: './', // the page may lie below a path of a proxy
  // Whatever NODE_ENV says: there is one build of the page, and it takes lit-html's production build.
  resolve: {
    conditions: ['module', 'browser', 'production'],
    alias: { 'troupe/client': `${import.meta.dirname}/src/runtime/client/index.ts` },
  },
  build: {
    outDir: `${import.meta.dirname}/dist/web`,
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: true,
    modulePreload: { polyfill: false }, // the polyfill is an inline script, which the page's CSP forbids
    assetsInlineLimit: 0, // so are data: addresses
  },
});
