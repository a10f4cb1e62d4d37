// All that the fuzzer is pointed at.
import type { Target } from './target.ts';
import { controlTarget } from './targets/control.ts';
import { epmdTarget } from './targets/epmd.ts';
import { framesTarget } from './targets/frames.ts';
import { handshakeTarget } from './targets/handshake.ts';
import { termTarget } from './targets/term.ts';

export function allTargets(): Target[] {
  return [
    termTarget(),
    controlTarget(),
    framesTarget(),
    handshakeTarget('initiator'),
    handshakeTarget('acceptor'),
    epmdTarget(),
  ];
}
