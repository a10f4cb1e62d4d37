CREATE TABLE "channel_events" (
	"channel" text NOT NULL,
	"position" bigint NOT NULL,
	"topic" text NOT NULL,
	"payload" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "channel_events_channel_position_pk" PRIMARY KEY("channel","position")
);
--> statement-breakpoint
CREATE TABLE "channel_heads" (
	"channel" text PRIMARY KEY NOT NULL,
	"epoch" text DEFAULT gen_random_uuid()::text NOT NULL,
	"position" bigint DEFAULT 0 NOT NULL
);
