// What the tests use of this folder. Nothing in src/ imports it.
export { DatabaseBacklog, type NotIndexed, readMax } from './backlog.ts';
export { fold } from './fold.ts';
export { indexerName, type IndexerOptions, noteIndexer } from './indexer.ts';
export { distance, NoteQuery, queryMax, termsMax } from './query.ts';
export { DatabaseSearch } from './search.ts';
export { NoteWords, wordsMax } from './tsvector.ts';
export { Vocabulary, vocabularyOf } from './vocabulary.ts';
export { termsOf, wordMax } from './words.ts';
