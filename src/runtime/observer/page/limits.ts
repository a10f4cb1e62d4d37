// Every number that bounds the page: what it keeps, draws, waits and asks for.

/** How high a row of a grid or tree is, in pixels; style/grid.css has the same. */
export const ROW_PX = 34;
/** Rows that are drawn above and below what is seen. */
export const OVERSCAN_ROWS = 12;
/** Rows that are asked for above and below what is seen; a new window is asked for when half of them are used up. */
export const WINDOW_MARGIN_ROWS = 220;
/** The first window. */
export const WINDOW_FIRST_ROWS = 150;
/** The server gives no larger window. */
export const WINDOW_MAX_ROWS = 500;
/** What is looked at changes with every row that is scrolled by; the server is told no more often than this. */
export const LOOK_EVERY_MS = 80;
/** Points of load that are kept: ten minutes. */
export const LOAD_POINTS_MAX = 600;
/** Rates of a channel that its small chart shows, one a second. */
export const SPARK_POINTS = 60;
/** Nodes in the drawing; the table below it has all of them. */
export const DRAWN_NODES_MAX = 24;
/** Messages of a trace that are kept. */
export const TRACE_EVENTS_MAX = 1_000;
/** Of these, the last ones are drawn. */
export const DRAWN_EVENTS_MAX = 150;
/** Lifelines in a sequence chart; all further processes share the last. */
export const LIFELINES_MAX = 8;
/** Links, monitors and groups of a process that are listed before the rest is counted. */
export const LISTED_MAX = 50;
/** Processes whose children are shown at once. */
export const OPEN_MAX = 500;
/** Supervisors that are remembered, so that none opens by itself a second time; beyond this only those in the window. */
export const SEEN_MAX = 5_000;
/** A supervisor with no more children than this is opened when it is first seen. */
export const OPENED_CHILDREN_MAX = 25;
/** Characters of a filter. */
export const MATCH_MAX = 200;
/** Characters of the name of a node, a process or a scope; the server reads no longer ones. */
export const NAME_MAX = 255;
/** The same for a group or channel. */
export const GROUP_MAX = 4_096;
/** Characters of a message that is sent. */
export const MESSAGE_MAX = 16_384;
/** The first wait before the server is tried again. */
export const RETRY_BASE_MS = 500;
/** The longest. */
export const RETRY_CAP_MS = 15_000;
/** A server that says nothing for so long while the page looks is taken for lost. */
export const SILENCE_MS = 15_000;
/** How long an answer to something that was done may take. */
export const ANSWER_MS = 15_000;
/** The clock of the page. */
export const TICK_MS = 1_000;
