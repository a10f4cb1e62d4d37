// Builds the observer's page: from this folder (index.html is the entry) to dist/runtime/observer/page.
//
// The server sends every file as it lies there, compressed, so that is the only form in which it is built: the page travels in the npm
// package, and takes a third of the room. What the licences of the bundled libraries ask for lies beside the files.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const root = join(import.meta.dirname, '../../../..');
const BUNDLED = ['lit-html', 'uplot'];

/** Adds the licences of what is bundled. */
function licences(): Plugin {
  return {
    name: 'licences',
    generateBundle() {
      const texts = BUNDLED.map(
        (name) => `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`,
      );
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source: texts.join('\n\n') });
    },
  };
}

/** Leaves each file that was written in its compressed form only. */
function compressed(): Plugin {
  let folder = '';
  return {
    name: 'compressed',
    configResolved({ build }) {
      folder = build.outDir;
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || path.endsWith('.gz')) continue;
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        rmSync(path);
      }
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  base: './', // wherever the application has mounted the observer, behind whatever proxy
  resolve: { conditions: ['module', 'browser', 'production'] },
  plugins: [licences(), compressed()],
  build: {
    outDir: join(root, 'dist/runtime/observer/page'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false }, // the polyfill is an inline script, which the page's CSP forbids
    assetsInlineLimit: 0, // so are data: addresses
  },
});
