CREATE TABLE "note_words" (
	"word" text PRIMARY KEY NOT NULL
);
--> statement-breakpoint
ALTER TABLE "notes" ADD COLUMN "words" "tsvector";--> statement-breakpoint
ALTER TABLE "notes" ADD COLUMN "unindexed" bigint DEFAULT 0;--> statement-breakpoint
CREATE INDEX "notes_words" ON "notes" USING gin ("words") WITH (gin_pending_list_limit=512) WHERE "notes"."words" is not null;--> statement-breakpoint
CREATE INDEX "notes_unindexed" ON "notes" USING btree ("unindexed","id") WHERE "notes"."unindexed" is not null;--> statement-breakpoint
-- What follows is written by hand: drizzle knows neither sequences of this kind nor functions and triggers.
-- Numbers the changes, so that the newest is indexed first, and what is written belongs to the text that was read.
CREATE SEQUENCE "notes_changes" OWNED BY "notes"."unindexed";
--> statement-breakpoint
-- Whoever may write notes may do so without a right to the sequence, and with any search path.
CREATE FUNCTION "notes_mark_unindexed"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	NEW.words := NULL;
	NEW.unindexed := nextval(format('%I.notes_changes', TG_TABLE_SCHEMA)::regclass);
	RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "notes_mark_unindexed" BEFORE INSERT OR UPDATE OF "title", "body", "author" ON "notes" FOR EACH ROW EXECUTE FUNCTION "notes_mark_unindexed"();
--> statement-breakpoint
-- Makes what finds words that are like another one, unless it is there. Answers why it could not, or null.
CREATE FUNCTION "notes_forgive_typos"() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(x'6e6f74657779706f'::bigint);
	IF to_regclass('note_words_similar') IS NULL THEN
		CREATE EXTENSION IF NOT EXISTS pg_trgm;
		CREATE INDEX "note_words_similar" ON "note_words" USING gin ("word" gin_trgm_ops);
	END IF;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
