// For drizzle-kit, which writes the migrations: `npm run db:generate`, `npm run db:check`.
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: ['./src/app/notes/schema.ts', './src/app/events/schema.ts'],
  out: './drizzle',
});
