package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
)

// etl check reports everything that a start would refuse, also while its own tables, the query's tables or the topic
// are still missing.
func TestCheck_beforeTheFirstStart(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t)
	schema := db.Database(t)
	cfg := config(t, broker(t).ListenAddrs()[0], db.DSN(schema))
	exec := func(statements ...string) {
		t.Helper()
		if err := db.Exec(schema, statements...); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(text, want string) {
		t.Helper()
		opts := query.DefaultOptions()
		opts.Format = "words"
		plan, err := query.Compile(text, opts)
		if err != nil {
			t.Fatal(err)
		}
		c, out := cfg, bytes.Buffer{}
		c.Plan = plan
		if err := Check(t.Context(), c, &out); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(out.String(), want) {
			t.Errorf("%s: got %v, expected a refusal with %q:\n%s", text, err, want, &out)
		}
	}
	const counts = "INSERT INTO words SELECT word, COUNT(*) AS n FROM events GROUP BY word"
	refused("INSERT INTO ETL_Checkpoint SELECT word, COUNT(*) AS n FROM events GROUP BY word", "one of Sluice's own tables")

	var ddl bytes.Buffer
	if err := DDL(t.Context(), cfg, &ddl); err != nil {
		t.Fatal(err)
	}
	own, target, _ := strings.Cut(ddl.String(), "CREATE TABLE IF NOT EXISTS `words`")
	target, _, _ = strings.Cut(target, ";\n")
	exec("CREATE TABLE words"+target, "INSERT INTO words VALUES ('x', 1)")
	refused(counts, "words: it holds rows, and no checkpoint tells which records they count")
	adopting, out := cfg, bytes.Buffer{}
	adopting.Sink.Adopt = true
	if err := Check(t.Context(), adopting, &out); err != nil {
		t.Errorf("with --adopt: %v\n%s", err, &out)
	}

	for text := range strings.SplitSeq(own, ";\n") {
		if i := strings.Index(text, "CREATE TABLE"); i >= 0 {
			exec(text[i:])
		}
	}
	refused(counts, "table words holds rows")
	exec("INSERT INTO etl_target (table_name, job, query_hash, query_text, since) VALUES ('words', 'other', x'', '', UTC_TIMESTAMP(6))")
	refused(counts+"; INSERT INTO missing SELECT word, COUNT(*) AS n FROM events GROUP BY word", `table words belongs to job "other"`)
	exec("DELETE FROM words", "INSERT INTO etl_checkpoint (job, topic, partition_id, topic_id, next_offset, epoch, owner, batch_id, query_hash, first_offset, updated_at) "+
		"VALUES ('etl', 'logs', 0, x'', 1, 1, x'', x'', x'', 0, UTC_TIMESTAMP(6))")
	refused(counts, "topic logs does not exist, but job etl has counted records of it")
}
