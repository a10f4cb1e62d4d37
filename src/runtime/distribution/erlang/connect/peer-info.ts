/** What can be seen of the connections to other nodes. */

/** A node that this one is connected with, or connects to. */
export interface PeerInfo {
  /** Its full name. */
  readonly name: string;
  /** Its incarnation; 0 while connecting. */
  readonly creation: number;
  readonly state: 'connecting' | 'up';
  /** Which of the two dialled; undefined while connecting. */
  readonly direction: 'out' | 'in' | undefined;
  /** Whether it has said that it is a node of Troupe. */
  readonly troupe: boolean;
  /** Since when it is in this state. */
  readonly since: Date;
  readonly sent: {
    /** Signals of all kinds; a message to several processes counts once for each frame. */
    readonly messages: number;
    /** How often something was handed to the system: each time one or many frames. */
    readonly writes: number;
    readonly bytes: number;
    readonly ticks: number;
  };
  readonly received: PeerTraffic;
  /** How many bytes wait here to be sent to it. */
  readonly queuedBytes: number;
}

/** What has come over a connection. */
export interface PeerTraffic {
  /** Control messages of all kinds. */
  readonly messages: number;
  /** Frames, among them ticks and single fragments. */
  readonly frames: number;
  readonly bytes: number;
  readonly ticks: number;
}

/** How often something went wrong with other nodes; see the events `troupe:distribution:…`. */
export interface FaultCounts {
  /** Connections that could not be made, or were refused. */
  readonly refused: number;
  /** Connections that were closed because of what came over them. */
  readonly badFrames: number;
  /** Connections, or attempts to connect, that ended because too much waited. */
  readonly queuesFull: number;
  /** What other nodes sent and was left out. */
  readonly dropped: number;
}
