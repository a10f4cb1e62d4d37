// npm run test:otp: the tests that need a BEAM node on Erlang/OTP 25, 27 and 29, the last two with their own Elixir.
//   npm run test:otp -- 29                     on one release
//   npm run test:otp -- 27 29 test/runtime/pg  some files only
// A release that the machine has not is installed into /var/cache/troupe-otp, or TROUPE_OTP_CACHE, on Debian as root. The last line is
// always `N passed, N failed, N skipped`.
import { ensureModules } from './lib/fresh.mjs';
import { testOnOtp } from './lib/matrix.mjs';
import { RELEASES } from './lib/otp.mjs';
import { script } from './lib/run.mjs';
import { conclude } from './lib/vitest.mjs';

await script(async () => {
  const args = process.argv.slice(2);
  const releases = args.filter((arg) => /^\d+$/.test(arg));
  const files = args.filter((arg) => !releases.includes(arg));
  await ensureModules();
  const wanted = releases.length > 0 ? releases : Object.keys(RELEASES);
  return conclude(await testOnOtp(wanted, { install: true, files }));
});
